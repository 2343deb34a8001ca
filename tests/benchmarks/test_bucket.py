"""The benchmark of conversions: its recordings differ, its proxy delays, its counts are of requests."""

import shutil
import socket
import threading
import time
from pathlib import Path

from benchmarks import bucket_parts
from benchmarks.bucket import dataset, digest, link_first, make_recordings, shards_a_split, sizes
from benchmarks.delay import delayed
from pipeline.preprocess.recordings import read_recording


def test_recordings_differ_and_the_first_have_a_second_name(tmp_path: Path) -> None:
    make_recordings(tmp_path / "all", 20)
    link_first(tmp_path / "all", tmp_path / "few", 10)
    paths = sorted((tmp_path / "all").rglob("*.aedat"))
    assert len({path.read_bytes() for path in paths}) == 20
    assert {len(read_recording(path)) for path in paths} == {1000}
    assert {path.parent.name for path in paths} == {f"class{index}" for index in range(10)}
    assert len([*(tmp_path / "few").rglob("*.aedat")]) == 10


def test_shards_have_a_size_however_many_recordings_there_are() -> None:
    assert [shards_a_split(number) for number in (10, 25_000, 100_000)] == [1, 50, 200]


def test_requests_are_counted_and_files_measured(tmp_path: Path) -> None:
    make_recordings(tmp_path / "all", 50)
    found = bucket_parts.requests(tmp_path / "all", dataset(50))
    assert (found["recordings"], found["shards"]) == (50, 2)
    assert found["by_method"]["HEAD"] >= 50
    assert 50 <= found["by_method"]["GET"] < 70
    for name in ("train-00000-of-00001.arrow", "train-00000-of-00001.json", "contents.arrow", "train.json"):
        (tmp_path / "made" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "made" / name).write_text(name)
    before = digest(tmp_path / "made")
    assert sizes(tmp_path / "made") == {"shards": 26, "summaries": 25, "contents": 14, "manifest": 10}
    shutil.copy(tmp_path / "made" / "train.json", tmp_path / "made" / "test.json")
    assert digest(tmp_path / "made") != before


def test_what_goes_through_the_proxy_is_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=echo, args=(server,), daemon=True)
        thread.start()
        with delayed("127.0.0.1", server.getsockname()[1], 0.1) as address:
            host, port = address.split(":")
            with socket.create_connection((host, int(port))) as client:
                start = time.monotonic()
                client.sendall(b"ping")
                assert client.recv(100) == b"ping"
                assert time.monotonic() - start >= 0.1
        thread.join()


def echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(100))
