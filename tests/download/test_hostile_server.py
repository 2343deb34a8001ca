"""A server that is wrong, slow, inconsistent or redirects to nothing causes one clear error, never a wrong file."""

import gzip
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.download import transfer as module
from pipeline.download.catalog import File
from pipeline.download.transfer import Unreachable, transfer
from pipeline.ground.paths import ROOT
from tests.download.site import Page, Site, running

CONTENT = hashlib.shake_256(b"content").digest(300_000)
OTHER = hashlib.shake_256(b"other").digest(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    with running() as site:
        yield site


def file(*urls: str) -> File:
    return File(name="a.zip", urls=urls, md5=MD5)


def reason(url: str, folder: Path) -> str:
    with pytest.raises(Unreachable) as error:
        transfer(file(url), folder, pinned=True)
    assert not (folder / "a.zip").exists()
    return str(error.value)


@pytest.mark.parametrize("length", ["many", "-5", ""])
def test_a_length_that_is_no_number_does_not_matter(site: Site, tmp_path: Path, length: str) -> None:
    url = site.add("/a.zip", Page(CONTENT, headers={"Content-Length": length}))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT


def test_a_length_that_is_too_short_is_a_wrong_digest(site: Site, tmp_path: Path) -> None:
    url = site.add("/a.zip", Page(CONTENT, headers={"Content-Length": "1000"}))
    assert f"expected {MD5}" in reason(url, tmp_path)


def test_a_length_that_is_too_long_is_a_file_that_is_cut_off(site: Site, tmp_path: Path) -> None:
    url = site.add("/a.zip", Page(CONTENT, ranges=False, headers={"Content-Length": "300001"}))
    assert "connection ended after 300000 of 300001 bytes" in reason(url, tmp_path)


def test_a_server_that_drips_is_left(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
    slow, good = site.add("/slow", Page(CONTENT, drip=True)), site.add("/good", Page(CONTENT))
    assert "bytes in 0.2 s" in reason(slow, tmp_path / "slow")
    assert len(site.served) == module.TRIES
    assert transfer(file(slow, good), tmp_path / "both", pinned=True).read_bytes() == CONTENT


def test_a_server_that_cuts_after_a_byte_is_left(site: Site, tmp_path: Path) -> None:
    assert "connection ended after 3 of 300000 bytes" in reason(
        site.add("/a.zip", Page(CONTENT, cut_after=1)), tmp_path
    )


def test_redirects_that_lead_nowhere_are_refused(site: Site, tmp_path: Path) -> None:
    loop = site.add("/loop", Page(b"", status=302, headers={"Location": "/back"}))
    site.add("/back", Page(b"", status=302, headers={"Location": "/loop"}))
    assert "redirects" in reason(loop, tmp_path)
    assert len(site.served) < 20
    local = site.add("/local", Page(b"", status=302, headers={"Location": "file:///etc/passwd"}))
    assert "'file:///etc/passwd'" in reason(local, tmp_path)


def test_an_encoding_that_was_not_asked_for_is_not_undone(site: Site, tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT)
    url = site.add("/a.zip", Page(packed, headers={"Content-Encoding": "gzip"}))
    wanted = File(name="a.zip", urls=(url,), md5=hashlib.md5(packed).hexdigest())
    assert transfer(wanted, tmp_path, pinned=True).read_bytes() == packed


def test_a_redirect_to_the_file_is_followed(site: Site, tmp_path: Path) -> None:
    site.add("/there", Page(CONTENT))
    url = site.add("/a.zip", Page(b"", status=302, headers={"Location": "/there"}))
    assert transfer(file(url), tmp_path, pinned=True).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("pinned", "headers"), [(True, {}), (True, {"ETag": '"1"'}), (False, {"ETag": '"1"'})], ids=["pin", "both", "ETag"]
)
def test_a_file_that_changes_between_two_ranges_is_never_a_mixture(
    site: Site, tmp_path: Path, pinned: bool, headers: dict[str, str]
) -> None:
    """A pin finds it at the end; without one the server's ETag does, and the fetch starts over."""
    new = Page(CONTENT, headers=headers and {"ETag": '"2"'})
    url = site.add("/a.zip", Page(OTHER, cut_after=100_000, headers=headers, then=new))
    assert transfer(file(url), tmp_path, pinned=pinned).read_bytes() == CONTENT
    assert site.served[-1] == ("/a.zip", 0, len(CONTENT))


def test_without_a_pin_the_part_of_another_run_is_not_continued(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(OTHER[:1000])
    url = site.add("/a.zip", Page(CONTENT))
    assert transfer(file(url), tmp_path, pinned=False).read_bytes() == CONTENT


FULL = """
import sys
from pathlib import Path
from pipeline.ground import stage
from pipeline.download import disk, transfer
from pipeline.download.catalog import File
disk.DISK_MARGIN = -1 << 40  # as if another process filled the disk after the check
file = File(name="a.zip", urls=(sys.argv[1],), md5=sys.argv[2])
stage.run_stage("download@a", lambda: transfer.transfer(file, Path(sys.argv[3]), pinned=True))
"""


def test_a_disk_that_is_full_is_one_line_and_the_part_stays(site: Site, tmp_path: Path) -> None:
    """On a disk of 128 KiB, where the test may mount one."""
    mount = f"mount -t tmpfs -o size=128k tmpfs {tmp_path}"
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    url = site.add("/a.zip", Page(CONTENT))
    command = f'{mount}; "$@"; code=$?; stat -c %s {tmp_path}/a.zip.part; ls {tmp_path}; exit $code'
    arguments = ["sh", sys.executable, "-c", FULL, url, MD5, str(tmp_path)]
    done = subprocess.run([*alone, command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: download@a: " in done.stderr
    assert "no space left on device; fix that and run it again" in done.stderr
    assert "Traceback" not in done.stderr
    size, *names = done.stdout.split()
    assert 100_000 < int(size) <= 128 << 10
    assert names == ["a.zip.part"]
