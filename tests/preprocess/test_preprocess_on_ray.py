"""On Ray: the same bytes with any number of workers and after kill -9, or one error and no output."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from moto.server import ThreadedMotoServer

from pipeline.cluster import check, ray_internals, session
from pipeline.cluster.check import check_reads
from pipeline.cluster.storage import open_storage
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS as PARAMS_YAML
from pipeline.ground.paths import ROOT
from pipeline.preprocess import shards
from pipeline.preprocess.convert import convert
from tests.cluster.s3 import bucket, serving
from tests.preprocess.made import Files, contents, error_of, run
from tests.preprocess.test_convert import DATASET, stored, uploaded
from tests.train.tiny import ONE

KILLED = "0123456789abcdef" * 2  # the end of the temporary name that a killed run leaves
DRIVER = (
    "import sys\nfrom tests.preprocess.test_preprocess_on_ray import run_until_one_is_done as run\nrun(*sys.argv[1:])"
)


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets; removed with what a killed Ray leaves in it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(server: ThreadedMotoServer) -> Iterator[ClusterParams]:
    """A running Ray cluster of four CPUs, however many this machine has; joined once, so that workers start once, and
    with the keys of an S3 server."""
    from ray.cluster_utils import Cluster  # after ray_cluster, which sets Ray up

    with ray_folder() as folder, pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("RAY_TMPDIR", str(folder))  # there Ray notes the newest cluster's address
        (folder / "ray").mkdir()
        ray_internals.listen_beyond_loopback(True)  # a local Ray that an earlier test started has it off
        head = {"num_cpus": 4, "include_dashboard": False, "temp_dir": str(folder)}
        running = Cluster(initialize_head=True, head_node_args=head)
        params = ONE.model_copy(update={"address": running.address, "storage": str(folder / "storage")})
        try:
            with session.connect(params, most=4), pytest.MonkeyPatch.context() as patch:
                patch.setattr(session, "_start", lambda *_: None)
                patch.setattr(session.ray, "shutdown", lambda: None)
                yield params
        finally:
            running.shutdown()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_bytes(
    raw: Path, tmp_path: Path, cluster: ClusterParams, expected: Files, workers: int
) -> None:
    run(raw, tmp_path, cluster=cluster.model_copy(update={"workers": workers}))
    assert contents(tmp_path) == expected


def test_a_conversion_of_objects_gives_the_same_bytes_with_no_more_tasks_than_workers(
    raw: Path,
    tmp_path: Path,
    server: ThreadedMotoServer,
    cluster: ClusterParams,
    expected: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, target = uploaded(raw, server, "ray"), open_storage(bucket(server, "ray-into"), "--into")

    def logged(part: shards.Part, real: Callable[[shards.Part], None] = shards.make_shard) -> None:
        (tmp_path / f"{part.name}-{time.time_ns()}").touch()
        for _ in range(2000):  # the first waits until a second has started: a process of Ray takes seconds to start
            if len(list(tmp_path.iterdir())) > 1:
                break
            time.sleep(0.01)
        real(part)
        (tmp_path / f"{part.name}-{time.time_ns()}").touch()

    monkeypatch.setattr(shards, "make_shard", logged)
    into, _ = convert("mine", source, target, DATASET, cluster.model_copy(update={"workers": 2}))
    assert stored(into) == expected
    times = sorted((int(path.name.rpartition("-")[2]), path.name.rpartition("-")[0]) for path in tmp_path.iterdir())
    seen, running = list[int](), set[str]()
    for _, name in times:
        running ^= {name}
        seen.append(len(running))
    assert max(seen) == 2


def test_a_node_that_does_not_reach_the_recordings_is_named(cluster: ClusterParams, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the cluster is not ready:\n  \S+: cluster.storage .*: cannot read never"):
        check_reads(open_storage(str(tmp_path)), "never")


def test_a_node_with_other_software_than_the_driver_makes_no_shard(
    raw: Path, tmp_path: Path, cluster: ClusterParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that joins later, which the check at the start does not see."""
    other = replace(check.software(), code="other")
    monkeypatch.setattr(check, "software", lambda: other)
    text = error_of(lambda: run(raw, tmp_path, cluster=cluster))
    assert ": runs other code or packages than the driver ({'torch': " in text
    assert not list(tmp_path.rglob("*.arrow"))


def test_more_workers_than_cpus_is_an_error_with_both_numbers(
    raw: Path, tmp_path: Path, cluster: ClusterParams
) -> None:
    assert error_of(lambda: run(raw, tmp_path, cluster=cluster.model_copy(update={"workers": 5}))) == (
        f"{PARAMS_YAML}: cluster.workers 5 needs 5 CPUs, but the cluster {cluster.address} has 4; "
        "ask for fewer workers, or say auto"
    )
    assert not (tmp_path / "arrow").exists()


def test_a_damaged_recording_is_one_error_and_its_mending_goes_on(
    raw: Path, tmp_path: Path, cluster: ClusterParams, expected: Files
) -> None:
    mine = Path(shutil.copytree(raw, tmp_path / "mine"))
    damaged = mine / "mug" / "12.aedat"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    text = error_of(lambda: run(mine, tmp_path / "out", cluster=cluster))
    assert text.startswith("mug/12.aedat: byte ")
    assert text.endswith(
        "; the file is truncated; fetch or record the file again\n"
        "If you change files of datasets.mine.download.source, run: .venv/bin/dvc repro --force download@mine, "
        "then make repro"
    )
    assert not (tmp_path / "out" / "arrow").exists()
    shutil.copyfile(raw / "mug" / "12.aedat", damaged)
    run(mine, tmp_path / "out")
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("moment", ["pipeline.data.store._batch", "pipeline.preprocess.shards.write_whole"])
def test_a_worker_that_is_killed_costs_its_shard_alone(
    raw: Path, tmp_path: Path, cluster: ClusterParams, expected: Files, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SIGKILL, once: within a shard, or between a shard and its summary."""
    dead = tmp_path / "dead"

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def dies_once(part: shards.Part, real: Callable[[shards.Part], None] = shards.make_shard) -> None:
        with contextlib.ExitStack() as stack:
            if part.name.startswith("test-00001") and not dead.exists():
                dead.touch()
                stack.enter_context(mock.patch(moment, die))
            real(part)

    monkeypatch.setattr(shards, "make_shard", dies_once)
    run(raw, tmp_path / "out", cluster=cluster)
    assert dead.exists()
    assert contents(tmp_path / "out") == expected


def test_a_killed_run_leaves_nothing_that_looks_done_and_goes_on_with_what_is_missing(
    raw: Path, tmp_path: Path, expected: Files
) -> None:
    with ray_folder() as temporary:
        kill_when_one_is_done(raw, tmp_path, temporary)
    assert not (tmp_path / "arrow").exists()
    (work,) = (tmp_path / "work").iterdir()
    done = {path.name: path.stat().st_ino for path in work.glob("[!.]*.arrow") if path.with_suffix(".json").exists()}
    assert 1 <= len(done) < 6
    assert {f"arrow/mine/{name}": (work / name).read_bytes() for name in done}.items() <= expected.items()
    (work / f".train-00002-of-00003.arrow.{KILLED}").write_bytes(b"half")
    (tmp_path / "arrow" / f".mine.{KILLED}").mkdir(parents=True)
    run(raw, tmp_path)
    assert contents(tmp_path) == expected
    assert [path.name for path in (tmp_path / "arrow").iterdir()] == ["mine"]
    kept = {name: (tmp_path / "arrow" / "mine" / name).stat().st_ino for name in done}
    assert kept == done


def kill_when_one_is_done(raw: Path, folder: Path, temporary: Path) -> None:
    """Runs it in processes of their own and kills them with SIGKILL once a shard is finished and another begun."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(raw), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    assert driver.stdout is not None
    line = driver.stdout.readline()
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert line == "one is done\n"
    wait_until_none_names(temporary)


def run_until_one_is_done(raw: str, folder: str) -> None:
    """What the killed process runs: after the first shard it says so and waits for its end, Ray's workers do not."""

    class Waiting:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> "Waiting":
            return self

        def __exit__(self, *_: object) -> None: ...
        def update(self, _: int) -> None:
            print("one is done", flush=True)
            time.sleep(60)

    shards.progress = Waiting  # type: ignore[assignment]
    run(Path(raw), Path(folder), cluster=ONE.model_copy(update={"workers": 2}))


def wait_until_none_names(folder: Path) -> None:
    """Ray's own processes end by themselves when their driver was killed."""
    deadline = time.monotonic() + 30
    while names := [command for command in commands() if str(folder) in command]:
        assert time.monotonic() < deadline, names
        time.sleep(0.1)


def commands() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:  # it ended meanwhile
            continue
