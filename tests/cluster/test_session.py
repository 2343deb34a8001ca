"""The checks before anything starts on a cluster, and the files that are sent to it."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.autoscaler.v2.schema import NodeInfo, NodeUsage, ResourceUsage

from pipeline.cluster import check, nodes, ray_internals, session
from pipeline.cluster.check import Found, problems
from pipeline.ground import lifetime
from pipeline.ground.code import code_digest, code_files, copy_code
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import lives, watched_run
from tests.stages.processes import MARK, is_private, listening, open_to_others
from tests.train.tiny import ONE

FAR = ONE.model_copy(update={"address": "10.0.0.1:6379", "storage": "/mnt/runs"})


def found(**other: Any) -> Found:
    own = {"host": "b", "versions": check.versions(), "code": code_digest(code_files()), "error": None}
    return Found(**own | other)


@pytest.mark.parametrize(
    ("one", "written", "line"),
    [
        (found(), {"n"}, None),
        (
            found(versions=check.versions() | {"torch": "1.0"}),
            {"n"},
            r"  b: has torch 1\.0, but this machine has .*; install requ",
        ),
        (found(code="0"), {"n"}, r"  b: runs other code than this checkout; stop it and start it again"),
        (found(error="cannot read x"), set(), r"  b: does not reach storage: cannot read x"),
        (
            found(),
            {"m"},
            r"  b: writes to its own /mnt/runs; mount one folder on every node, or use object storage",
        ),
    ],
)
def test_each_node_that_cannot_take_part_has_a_line_with_a_remedy(one: Found, written: set[str], line: str) -> None:
    lines = problems("n", one, written, FAR.storage)
    assert len(lines) == (line is not None)
    assert line is None or re.match(line, lines[0])


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Version mismatch: started with Ray 2.1\n    this process 2.60", "install requirements.lock on both sides"),
        (
            "InvalidAuthToken: Authentication token is missing",
            "the token is missing or rejected; give it the cluster's own",
        ),
        ("connection refused", "no Ray cluster answers there"),
    ],
)
def test_what_ray_says_becomes_one_line_with_a_remedy(said: str, line: str) -> None:
    error = session.connection_refusal(FAR, RuntimeError(said))
    assert isinstance(error, InputError)
    assert line in str(error)
    assert "\n" not in str(error)


def test_the_code_that_is_sent_is_the_packages_as_they_are(tmp_path: Path) -> None:
    copied = copy_code(tmp_path / "code")
    assert code_digest(code_files(root=copied)) == code_digest(code_files())
    assert {path.suffix for path in copied.rglob("*") if path.is_file()} == {".py"}
    assert {path.name for path in copied.iterdir()} == {"models", "pipeline", "stages"}
    (copied / "models" / "neuron.py").write_text("leak = 2\n")
    (copied / "models" / "new.py").touch()
    assert code_digest(code_files(root=copied)) != code_digest(code_files())
    assert len(code_files(root=copied)) == len(code_files()) + 1
    shutil.rmtree(copied / "models")
    assert len(code_files(root=copied)) < len(code_files())


def test_a_package_that_a_node_lacks_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "NODE_PACKAGES", ("numpy", "never-installed"))
    assert check.versions()["never-installed"] == "none"


def fails() -> None:
    raise ValueError("no such file: libtorch.so")


def node_of(status: str, cpus: float) -> NodeInfo:
    usage = NodeUsage(usage=[ResourceUsage(resource_name="CPU", total=cpus, used=1.0)], idle_time_ms=0)
    return NodeInfo("", "", "", "10.0.0.9", node_status=status, node_id=status, resource_usage=usage)


def test_a_node_that_is_taken_away_gets_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    live = [node_of("RUNNING", 3.0), node_of("DRAINING", 9.0)]
    monkeypatch.setattr(nodes, "live_nodes", lambda: live)
    monkeypatch.setattr(nodes, "answers", lambda node: True)
    monkeypatch.setattr(nodes.ray, "nodes", lambda: [{"NodeID": one.node_id, "Alive": True} for one in live])
    assert (nodes.free_workers(1, 0), nodes.all_workers(1, 0)) == (2, 3)
    assert nodes.drained_nodes() == {"DRAINING": "10.0.0.9"}


def test_the_status_of_nodes_is_that_of_the_cluster(shared_ray: None) -> None:
    with session.connect(ONE, most=1):
        (node,) = nodes.live_nodes()
        (known,) = ray.nodes()
        assert (node.node_id, node.total_resources()["CPU"]) == (known["NodeID"], known["Resources"]["CPU"])
        assert node.node_status in ("IDLE", "RUNNING")
        assert nodes.free_workers(1, 0) == nodes.all_workers(1, 0) == known["Resources"]["CPU"]


def test_a_node_that_left_meanwhile_is_no_error(shared_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with session.connect(ONE, most=1):
        listings = iter([ray.nodes(), []])
        monkeypatch.setattr(check.ray, "nodes", lambda: next(listings))
        assert check.on_every_node(fails) == {}


def test_workers_are_counted_node_by_node_and_a_broken_node_is_named(
    shared_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session.connect(ONE, most=1):
        with pytest.raises(InputError, match=r"  127\.0\.0\.1: cannot run our code \(.*libtorch\.so\); see"):
            check.on_every_node(fails)
        live = [node_of("IDLE", 3.0), node_of("RUNNING", 3.0), node_of("DRAINING", 9.0)]
        monkeypatch.setattr(nodes, "live_nodes", lambda: live)
        monkeypatch.setattr(session.ray, "cluster_resources", lambda: {"CPU": 6.0})
        three = ONE.model_copy(update={"workers": 3})
        assert session._workers(ONE.model_copy(update={"workers": "auto"}), 9, 2, 0) == 2
        assert session._workers(three, 9, 1, 0) == 3
        with pytest.raises(InputError, match=r"needs 2 CPUs and 0 GPUs on one node, and only 2 fit"):
            session._workers(three, 9, 2, 0)


def test_a_local_ray_is_the_users_alone_whatever_tmpdir_and_shared_memory_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, odd = str(tmp_path), tmp_path / "größe-and-a-long-name-of-forty-characters"
    odd.mkdir()
    monkeypatch.setenv(MARK, mark)
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    monkeypatch.setattr(session, "SHARED_MEMORY", str(tmp_path / "missing"))
    before = set(psutil.Process().children(recursive=True))
    with watched_run(), session.connect(ONE, most=1):
        new = set(psutil.Process().children(recursive=True)) - before
        processes = [one for one in new if "pipeline.ground.lifetime" not in one.cmdline()]
        assert [one.cmdline() for one in processes if lifetime.MARK not in one.environ()] == []
        started = Path(ray.nodes()[0]["ObjectStoreSocketName"]).parents[1]
        folder = started.parents[1]
        assert is_private(folder)
        assert odd not in folder.parents
        assert ray.get(ray.put(b"x")) == b"x"
        assert listening(mark) > 0
        assert open_to_others(mark) == []
    assert not folder.exists()
    psutil.wait_procs(processes, timeout=2)  # killed, not all gone at once
    assert [one for one in processes if lives(one)] == []


def test_a_local_ray_has_a_token_without_writing_into_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = ray_internals.AuthenticationTokenLoader.instance()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")  # remembered, so that it is put back
    try:
        monkeypatch.delenv("RAY_AUTH_TOKEN")
        loader.reset_cache()
        ray_internals.use_own_token()
        first = os.environ["RAY_AUTH_TOKEN"]
        ray_internals.use_own_token()
        assert os.environ["RAY_AUTH_TOKEN"] == first
        assert list(tmp_path.iterdir()) == []
        del os.environ["RAY_AUTH_TOKEN"]
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
        loader.reset_cache()
        ray_internals.use_own_token()
        assert "RAY_AUTH_TOKEN" not in os.environ
    finally:
        monkeypatch.undo()
        loader.reset_cache()
