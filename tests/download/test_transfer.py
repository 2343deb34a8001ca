"""A file arrives complete and verified, or one error states why not."""

import hashlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.download import transfer as module
from pipeline.download.catalog import File
from pipeline.download.disk import DISK_MARGIN
from pipeline.download.transfer import Unreachable, transfer
from pipeline.ground.errors import InputError
from pipeline.ground.paths import ROOT
from tests.download.site import Page, Site, running

CONTENT = hashlib.shake_256(b"content").digest(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    with running() as site:
        yield site


def file(*urls: str) -> File:
    return File(name="a.zip", urls=urls, md5=MD5)


def test_a_file_arrives_whole_and_is_fetched_once(site: Site, tmp_path: Path) -> None:
    wanted = file(site.add("/a.zip", Page(CONTENT)))
    assert transfer(wanted, tmp_path, pinned=True).read_bytes() == CONTENT
    assert transfer(wanted, tmp_path, pinned=True).read_bytes() == CONTENT
    assert site.served == [("/a.zip", 0, len(CONTENT))]
    assert site.agents == {module.USER_AGENT}
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_whole_file_that_was_damaged_since_is_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(CONTENT[:-1] + b"?")
    assert transfer(file(site.add("/a.zip", Page(CONTENT))), tmp_path, pinned=True).read_bytes() == CONTENT


def test_after_a_kill_only_the_rest_is_fetched(site: Site, tmp_path: Path) -> None:
    url = site.add("/a.zip", Page(CONTENT, hold_after=200_000))
    code = (
        "import sys; from pathlib import Path;"
        "from pipeline.download.transfer import transfer; from pipeline.download.catalog import File;"
        "transfer(File(name='a.zip', urls=(sys.argv[1],), md5=sys.argv[2]), Path(sys.argv[3]), pinned=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url, MD5, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE)
    part = tmp_path / "a.zip.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 150_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = part.stat().st_size
    assert 150_000 < have <= 200_000
    site.pages["/a.zip"].hold_after = None
    site.served.clear()
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT
    assert site.served == [("/a.zip", have, len(CONTENT) - have)]


def test_a_server_that_ignores_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1000])
    url = site.add("/a.zip", Page(CONTENT, ranges=False))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT
    assert site.served == [("/a.zip", 0, len(CONTENT))]


@pytest.mark.parametrize("part", [b"of another file", CONTENT + b"too long"])
def test_a_wrong_part_is_thrown_away_and_the_same_address_asked_again(site: Site, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "a.zip.part").write_bytes(part)
    assert transfer(file(site.add("/a.zip", Page(CONTENT))), tmp_path, pinned=True).read_bytes() == CONTENT


def test_a_part_that_lacks_nothing_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    assert transfer(file(site.add("/a.zip", Page(CONTENT))), tmp_path, pinned=True).read_bytes() == CONTENT
    assert site.bytes_served == 0


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(b"", status=202), "status 202"),
        (Page(b"", status=200), "an empty response"),
        (Page(b"gone", status=404), "status 404"),
        (Page(b"<html>", kind="text/html; charset=utf-8"), "a web page"),
        (Page(b"other bytes"), f"MD5 {hashlib.md5(b'other bytes').hexdigest()}, expected {MD5}"),
        (Page(b"busy", status=503), "status 503"),
        (Page(CONTENT, ranges=False, cut_after=1000), f"connection ended after 1000 of {len(CONTENT)} bytes"),
    ],
)
def test_a_bad_address_is_named_with_its_reason_and_the_next_one_asked(
    site: Site, tmp_path: Path, page: Page, reason: str
) -> None:
    bad, good = site.add("/bad", page), site.add("/good", Page(CONTENT))
    with pytest.raises(Unreachable) as error:
        transfer(file(bad), tmp_path / "bad", pinned=True)
    assert bad in str(error.value)
    assert reason in str(error.value)
    assert not (tmp_path / "bad" / "a.zip").exists()
    assert transfer(file(bad, good), tmp_path / "both", pinned=True).read_bytes() == CONTENT


def test_what_may_pass_is_tried_three_times_and_what_will_not_once(site: Site, tmp_path: Path) -> None:
    busy, gone = site.add("/busy", Page(b"busy", status=503)), site.add("/gone", Page(b"gone", status=404))
    with pytest.raises(Unreachable):
        transfer(file(busy, gone), tmp_path, pinned=True)
    assert [path for path, _, _ in site.served] == ["/busy", "/busy", "/busy", "/gone"]


def test_a_body_that_is_cut_again_and_again_is_continued_while_bytes_come(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = site.add("/a.zip", Page(CONTENT, cut_after=50_000))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT
    assert site.served == [("/a.zip", start, 50_000) for start in range(0, len(CONTENT), 50_000)]
    assert f"a.zip: {url}: connection ended after 250000 of 300000 bytes; retrying\n" in capsys.readouterr().err


def test_a_server_that_falls_silent_is_asked_again(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.3)
    url = site.add("/a.zip", Page(CONTENT, hold_after=100_000))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT
    assert [start for _, start, _ in site.served] == [0, 100_000]


def test_no_network_is_a_reason_a_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="refused") as error:
        transfer(file(f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"), tmp_path, pinned=True)
    assert len(str(error.value).splitlines()) == 2


def test_a_disk_that_is_too_small_is_found_before_a_byte_is_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = site.add("/a.zip", Page(CONTENT))
    free = len(CONTENT) + DISK_MARGIN
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free, 0, free - 1))
    with pytest.raises(InputError, match="the disk has only"):
        transfer(file(url), tmp_path, pinned=True)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free, 0, free))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT


def test_without_a_pin_the_bytes_are_taken_as_they_come(site: Site, tmp_path: Path) -> None:
    assert transfer(file(site.add("/a.zip", Page(b"mine"))), tmp_path, pinned=False).read_bytes() == b"mine"


def test_progress_in_a_log_is_whole_lines_with_rate(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    transfer(file(site.add("/a.zip", Page(CONTENT))), tmp_path, pinned=True)
    text = capsys.readouterr().err
    assert "\r" not in text
    assert "a.zip: 100%" in text
    assert "B/s" in text
