"""What is checked before anything starts on a cluster, and what it is sent."""

import re
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.data import ray_check, ray_cluster, ray_nodes
from pipeline.data.ray_check import Found, problems
from pipeline.data.ray_code import code_digest, code_files, copy_code
from pipeline.errors import InputError
from pipeline.lifetime import MARK, lives, watched_run
from pipeline.paths import ROOT
from tests.data.made import LOCAL

FAR = LOCAL.model_copy(update={"address": "10.0.0.1:6379", "storage": "/mnt/runs"})


def found(**other: Any) -> Found:
    return Found(**{"host": "b", "versions": ray_check.versions(), "code": code_digest(), "error": None} | other)


@pytest.mark.parametrize(
    ("one", "written", "line"),
    [
        (found(), {"n"}, None),
        (
            found(versions=ray_check.versions() | {"torch": "1.0"}),
            {"n"},
            r"  b: has torch 1\.0, here is .*; install requ",
        ),
        (found(code="0"), {"n"}, r"  b: runs other code than this checkout; stop it and start it again"),
        (found(error="cannot read x"), set(), r"  b: does not reach storage: cannot read x"),
        (
            found(),
            {"m"},
            r"  b: writes to a /mnt/runs of its own; mount one folder on every node, or use object storage",
        ),
    ],
)
def test_each_node_that_cannot_take_part_has_a_line_with_a_remedy(one: Found, written: set[str], line: str) -> None:
    lines = problems("n", one, written, FAR)
    assert len(lines) == (line is not None)
    assert line is None or re.match(line, lines[0])


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Version mismatch: started with Ray 2.1\n    this process 2.60", "install requirements.lock on both sides"),
        (
            "InvalidAuthToken: Authentication token is missing",
            "the token is missing or refused; give it the cluster's own",
        ),
        ("connection refused", "no Ray cluster answers there"),
    ],
)
def test_what_ray_says_becomes_one_line_with_a_remedy(said: str, line: str) -> None:
    error = ray_cluster.refusal(FAR, RuntimeError(said))
    assert isinstance(error, InputError)
    assert line in str(error)
    assert "\n" not in str(error)


def test_the_code_that_is_sent_is_the_packages_as_they_are(tmp_path: Path) -> None:
    copied = copy_code(tmp_path / "code")
    assert code_digest(copied) == code_digest()
    assert {path.suffix for path in copied.rglob("*") if path.is_file()} == {".py"}
    assert {path.name for path in copied.iterdir()} == {"models", "pipeline", "stages"}
    (copied / "models" / "neuron.py").write_text("leak = 2\n")
    (copied / "models" / "new.py").touch()
    assert code_digest(copied) != code_digest()
    assert len(code_files(copied)) == len(code_files()) + 1
    shutil.rmtree(copied / "models")
    assert len(code_files(copied)) < len(code_files(ROOT))


def test_a_package_that_a_node_lacks_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_check, "PACKAGES", ("numpy", "never-installed"))
    assert ray_check.versions()["never-installed"] == "none"


def fails() -> None:
    raise ValueError("no such file: libtorch.so")


def test_workers_are_counted_node_by_node_and_a_broken_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with ray_cluster.connect(LOCAL, most=1):
        with pytest.raises(InputError, match=r"  127\.0\.0\.1: cannot run our code \(.*libtorch\.so\); see"):
            ray_check.on_every_node(fails)
        node = {"Alive": True, "Resources": {"CPU": 3.0}}
        monkeypatch.setattr(ray_nodes.ray, "nodes", lambda: [node, node, {"Alive": False, "Resources": {"CPU": 9.0}}])
        monkeypatch.setattr(ray_cluster.ray, "cluster_resources", lambda: {"CPU": 6.0})
        three = LOCAL.model_copy(update={"workers": 3})
        assert ray_cluster._workers(LOCAL.model_copy(update={"workers": "auto"}), 9, 2, 0) == 2
        assert ray_cluster._workers(three, 9, 1, 0) == 3
        with pytest.raises(InputError, match=r"takes 2 CPUs and 0 GPUs of one node, .* have room for 2 of them"):
            ray_cluster._workers(three, 9, 2, 0)


def test_objects_lie_in_the_runs_folder_where_shared_memory_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ray_cluster._objects(tmp_path) == {}
    monkeypatch.setattr(ray_cluster.os, "access", lambda path, mode: path != "/dev/shm")
    assert ray_cluster._objects(tmp_path) == {"_plasma_directory": str(tmp_path)}


def test_a_local_ray_listens_on_the_loopback_alone_and_leaves_nothing() -> None:
    with watched_run(), ray_cluster.connect(LOCAL, most=1):
        processes = [
            one for one in psutil.Process().children(recursive=True) if "pipeline.lifetime" not in one.cmdline()
        ]
        unmarked = [one.cmdline() for one in processes if MARK not in one.environ()]
        heard = {
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert not unmarked, "the watcher could not find them"
    psutil.wait_procs(processes, timeout=2)  # killed, not all gone at once
    assert [one for one in processes if lives(one)] == []
    assert heard, "Ray has processes that listen"
    assert heard <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
