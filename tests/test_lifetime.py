"""A run ends with what started it, is alone in its stage, and keeps its temporary files to itself."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pipeline import lifetime
from pipeline.errors import InputError
from pipeline.files import write_whole
from pipeline.lifetime import FOLDER, alone, private_folder
from pipeline.paths import ROOT
from tests.stages.processes import MARK, is_private, left, marked

RUN = """
import subprocess, sys, time
from pipeline.lifetime import watched_run
with watched_run():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("ready", flush=True)
    time.sleep({seconds})
"""
DVC = """
import os, shlex, subprocess, sys
command = f"{shlex.quote(sys.executable)} -c {shlex.quote(sys.argv[1])}; true"
subprocess.Popen(command, shell=True, env=os.environ | {"DVC_STAGE": "x"})%s
"""
"""Starts a run as DVC does; the shell between them stays."""
ORPHAN = """
import os, time
from pipeline.errors import InputError
from pipeline.lifetime import watched_run
print("ready", flush=True)
time.sleep(1)
try:
    with watched_run():
        print("it runs")
except InputError as error:
    print(error)
"""


def start(code: str, mark: str, *command: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*command, code], cwd=ROOT, env=os.environ | {MARK: mark}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_run_started_ends_with_it(number: signal.Signals, tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = start(RUN.format(seconds=600), mark, sys.executable, "-c")
    assert len(marked(mark)) == 3  # the run, its child, the watcher
    (folder,) = {other.environ()[FOLDER] for other in marked(mark) if FOLDER in other.environ()}
    process.send_signal(number)
    assert left(mark, seconds=10) == []
    process.communicate()
    assert not Path(folder).exists()


def test_a_run_ends_with_the_dvc_that_started_it(tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = start(RUN.format(seconds=600), mark, sys.executable, "-c", DVC % ".wait()")
    assert len(marked(mark)) == 5  # DVC, its shell, the run, its child, the watcher
    process.kill()
    assert left(mark, seconds=10) == []
    process.communicate()


def test_a_run_does_not_begin_when_its_dvc_has_ended(tmp_path: Path) -> None:
    """DVC can be killed while the stage still imports its packages."""
    process = start(ORPHAN, str(tmp_path), sys.executable, "-c", DVC % "")
    assert process.communicate(timeout=20)[0] == "the DVC that started it has ended; run it again\n"


def test_a_watcher_that_comes_too_late_still_clears_up(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / "ray").mkdir()
    lifetime.watch("no-such-run", tmp_path, [process.pid])
    assert not tmp_path.exists()


def test_a_run_that_ends_leaves_nothing(tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = start(RUN.format(seconds=0), mark, sys.executable, "-c")
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert left(mark, seconds=5) == []


def test_another_process_does_not_end_a_run(tmp_path: Path) -> None:
    """A shell that starts a run in the background and ends is not DVC."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {RUN.format(seconds=600)!r}])"
    mark = str(tmp_path)
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {MARK: mark}, check=True, stdout=subprocess.DEVNULL
    )
    time.sleep(2.5)
    runs = marked(mark)
    assert len(runs) == 3
    for process in runs:
        process.kill()
    assert left(mark, seconds=5) == []


def test_a_second_run_of_a_stage_is_refused_with_the_firsts_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "RUNS", tmp_path)
    monkeypatch.setattr(lifetime, "PATIENCE_SECONDS", 0.1)
    with (
        alone("train@x"),
        pytest.raises(InputError, match=f"is running already, as process {os.getpid()}"),
        alone("train@x"),
    ):
        pytest.fail("two runs in one stage")
    with alone("train@x"), alone("train@y"):
        pass


def test_temporary_files_are_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with private_folder() as folder:
        assert folder.parent == tmp_path
        assert is_private(folder)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["a" * 60, "größe", "missing"])
def test_an_odd_tmpdir_is_done_without(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray makes sockets below the folder, whose paths may have 107 bytes."""
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    if name != "missing":
        (tmp_path / name).mkdir()
    with private_folder() as folder:
        assert str(folder).isascii()
        assert len(str(folder)) <= lifetime.LONGEST
        assert is_private(folder)


def test_no_folder_for_temporary_files_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(lifetime, "SHORT", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    with pytest.raises(InputError, match="set TMPDIR to a folder"), private_folder():
        pytest.fail("a folder was made")


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_rights_that_the_umask_gives(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
