"""A run ends with its parent process, is alone in its stage, and has private temporary files."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from pipeline.ground import lifetime
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.lifetime import FOLDER, private_folder, stage_lock
from pipeline.ground.paths import ROOT
from tests.stages.processes import MARK, is_private, left, marked

RUN = """
import subprocess, sys, time
from pipeline.ground.lifetime import watched_run
with watched_run():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("ready", flush=True)
    time.sleep({seconds})
"""
DVC = """
import os, subprocess, sys
shell = ["sh", "-c", '"$0" -c "$1"; exit', sys.executable, sys.argv[1]]  # it stays, since a command follows
subprocess.run(shell, env=os.environ | {"DVC_STAGE": "train@x"})
"""
"""A process that starts a run as DVC does."""
ORPHAN = """
import os, subprocess, sys
code = "import os, sys, time\\nwhile os.getppid() == int(sys.argv[1]): time.sleep(0.1)\\n" + sys.argv[1]
subprocess.Popen([sys.executable, "-c", code, str(os.getpid())], env=os.environ | {"DVC_STAGE": "train@x"})
"""
"""It ends before the run that it has started looks for it."""


def start(code: str, mark: str, *command: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*command, code], cwd=ROOT, env=os.environ | {MARK: mark}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for_three(mark: str) -> list[psutil.Process]:
    """The run, its child, the watcher; one that starts another program has no surroundings for a moment."""
    for _ in range(100):
        if len(found := marked(mark)) == 3:
            return found
        time.sleep(0.1)
    pytest.fail(f"not the run, its child and the watcher: {found}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_run_started_ends_with_it(number: signal.Signals, tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = start(RUN.format(seconds=600), mark, sys.executable, "-c")
    wait_for_three(mark)
    (folder,) = {other.environ()[FOLDER] for other in marked(mark) if FOLDER in other.environ()}
    process.send_signal(number)
    assert left(mark, seconds=10) == []
    process.communicate()
    assert not Path(folder).exists()


@pytest.mark.parametrize("ended", ["dvc", "shell"])
def test_a_run_ends_with_the_dvc_that_started_it(ended: str, tmp_path: Path) -> None:
    mark = str(tmp_path)
    process = start(RUN.format(seconds=600), mark, sys.executable, "-c", DVC)
    dvc = psutil.Process(process.pid)
    (dvc if ended == "dvc" else dvc.children()[0]).kill()
    assert left(mark, seconds=10) == []
    process.communicate()


def test_a_run_whose_dvc_has_ended_does_not_begin(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHAN, RUN.format(seconds=600)]
    ended = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=os.environ | {MARK: str(tmp_path)},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert ended.stdout == ""
    assert "InputError: the DVC process that started it has ended; run it again" in ended.stderr


def test_a_run_in_a_run_is_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lifetime.MARK, "of an outer command")
    with lifetime.watched_run():
        mark = os.environ[lifetime.MARK]
        with lifetime.watched_run():
            assert os.environ[lifetime.MARK] == mark
        assert os.environ[lifetime.MARK] == mark
    assert os.environ[lifetime.MARK] == "of an outer command" != mark


def test_a_run_that_ended_before_its_watcher_began_leaves_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "600"], env={lifetime.MARK: str(tmp_path), "PATH": os.environ["PATH"]})
    over = subprocess.Popen(["true"])
    over.wait()
    (tmp_path / "folder").mkdir()
    lifetime.watch(str(tmp_path), tmp_path / "folder", [over.pid])
    assert child.poll() is not None
    assert not (tmp_path / "folder").exists()


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
    for process in wait_for_three(mark):
        process.kill()
    assert left(mark, seconds=5) == []


def test_a_second_run_of_a_stage_is_refused_with_the_firsts_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "RUNS", tmp_path)
    monkeypatch.setattr(lifetime, "PATIENCE_SECONDS", 0.1)
    with (
        stage_lock("train@x"),
        pytest.raises(InputError, match=f"is already running as process {os.getpid()}"),
        stage_lock("train@x"),
    ):
        pytest.fail("two runs in one stage")
    with stage_lock("train@x"), stage_lock("train@y"):
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
        assert len(str(folder)) <= lifetime.LONGEST_FOLDER
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
