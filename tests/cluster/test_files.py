"""Checks the cluster files against the published schemas: misspelt keys, missing limits, another version of Ray."""

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from pipeline.ground.paths import ROOT
from pipeline.train.gauges import RECOVERIES
from pipeline.train.progress import GAUGES

CLUSTER = ROOT / "cluster"
KUBERAY = json.loads(Path(__file__).with_name("kuberay.json").read_text(encoding="utf-8"))["schemas"]
KINDS = {"RayCluster": "raycluster.yaml", "RayJob": "rayjob.yaml"}


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def cluster_spec(kind: str) -> dict[str, Any]:
    spec = read(CLUSTER / "kubernetes" / KINDS[kind])["spec"]
    return spec["rayClusterSpec"] if kind == "RayJob" else spec


@pytest.mark.parametrize("kind", KINDS)
def test_kubernetes_files_have_only_keys_of_the_published_kind(kind: str) -> None:
    described = read(CLUSTER / "kubernetes" / KINDS[kind])
    assert (described["apiVersion"], described["kind"]) == ("ray.io/v1", kind)
    jsonschema.validate(described, KUBERAY[kind])
    spec = described["spec"].get("rayClusterSpec", described["spec"])
    spec["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["imagee"] = "misspelt"
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.validate(described, KUBERAY[kind])


def test_a_job_runs_on_the_cluster_that_the_other_file_describes() -> None:
    assert cluster_spec("RayJob") == cluster_spec("RayCluster")


def cannot_start(job: dict[str, Any]) -> list[str]:
    """Why KubeRay could not start a RayJob that its schema allows.

    The job's submitter waits for the dashboard: in K8sJobMode from a pod of its own, through the head's Service. The
    operator itself asks the dashboard through that Service in every mode. A stated dashboard-host is kept; without one
    KubeRay sets 0.0.0.0. Source: KubeRay's controllers/ray/common/job.go, common/pod.go, utils/validation.go.
    """
    spec, head = job["spec"], job["spec"]["rayClusterSpec"]["headGroupSpec"]
    sidecar = spec["submissionMode"] == "SidecarMode"
    pod, (container, *_) = head["template"]["spec"], head["template"]["spec"]["containers"]
    reasons = {
        "the dashboard listens on the pod's loopback alone": head["rayStartParams"].get("dashboard-host", "0.0.0.0")
        in ("127.0.0.1", "localhost", "::1"),
        "the Service has no port named dashboard": "dashboard" not in [port["name"] for port in container["ports"]],
        "a sidecar cannot have a submitter's template": sidecar and "submitterPodTemplate" in spec,
        "a sidecar needs a head that does not restart": sidecar and pod.get("restartPolicy", "Never") != "Never",
    }
    return [reason for reason, holds in reasons.items() if holds]


def test_the_job_can_start() -> None:
    assert cannot_start(read(CLUSTER / "kubernetes" / "rayjob.yaml")) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda spec, head: head["rayStartParams"].update({"dashboard-host": "127.0.0.1"}), "loopback"),
        (lambda spec, head: head["template"]["spec"]["containers"][0].update(ports=[]), "port named dashboard"),
        (lambda spec, head: spec.update(submissionMode="SidecarMode", submitterPodTemplate={}), "submitter's template"),
    ],
)
def test_a_job_that_cannot_start_is_named(change: Any, reason: str) -> None:
    job = read(CLUSTER / "kubernetes" / "rayjob.yaml")
    change(job["spec"], job["spec"]["rayClusterSpec"]["headGroupSpec"])
    assert [reason in found for found in cannot_start(job)] == [True]


@pytest.mark.parametrize(("repro", "status"), [(0, 0), (3, 3)])
def test_the_job_pushes_what_was_done_and_ends_as_the_pipeline_did(tmp_path: Path, repro: int, status: int) -> None:
    """Its entrypoint has nothing that a shell on the way could expand."""
    entrypoint = read(CLUSTER / "kubernetes" / "rayjob.yaml")["spec"]["entrypoint"]
    assert re.fullmatch(r"/home/ray/sresnet/[\w./]+", entrypoint)
    for name, code in {
        "sresnet": 'echo "sresnet $*"',
        "dvc": f'echo "dvc $*"; [ "$1" = push ] || exit {repro}',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    script = ROOT / entrypoint.removeprefix("/home/ray/sresnet/")
    said = subprocess.run(
        [script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout.split("\n")) == (status, ["sresnet check", "dvc repro", "dvc push", ""])


@pytest.mark.parametrize("there", [False, True])
def test_the_token_of_a_laptop_is_its_owners_alone(there: bool, tmp_path: Path) -> None:
    token, tool = tmp_path / ".ray" / "auth_token", tmp_path / ".venv" / "bin" / "ray"
    for folder in (tmp_path / "cluster", token.parent, tool.parent):
        folder.mkdir(parents=True)
    shutil.copy(CLUSTER / "laptop.sh", tmp_path / "cluster")
    tool.write_text(f"#!/bin/sh\necho secret >> '{token}'\n", encoding="utf-8")
    tool.chmod(0o755)
    if there:
        token.touch(0o644)
    subprocess.run([tmp_path / "cluster" / "laptop.sh", "start"], env=os.environ | {"HOME": str(tmp_path)}, check=True)
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_have_bounds_a_token_and_a_disk(kind: str) -> None:
    spec = cluster_spec(kind)
    assert spec["authOptions"] == {"mode": "token", "secretName": "sresnet-token"}
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert {"name": "TMPDIR", "value": container["volumeMounts"][0]["mountPath"]} in container["env"]
        assert pod["volumes"][0]["name"] == container["volumeMounts"][0]["name"]
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_grafana_file_shows_each_measure_that_is_exported_and_no_other() -> None:
    described = json.loads((CLUSTER / "grafana.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in described["panels"] for target in panel["targets"]]
    asked = [variable["query"] for variable in described["templating"]["list"]]
    exported = {f"ray_sresnet_{name}" for name in (*GAUGES, RECOVERIES)}
    assert set(re.findall(r"\bray_\w+", " ".join(shown))) == exported
    assert set(re.findall(r"\bray_\w+", " ".join(asked))) <= exported


def test_every_file_has_the_locked_ray() -> None:
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert locked is not None
    assert version("ray").partition("+")[0] == locked[1]
    assert {cluster_spec(kind)["rayVersion"] for kind in KINDS} == {locked[1]}
    assert f"FROM rayproject/ray:{locked[1]}-py311" in (CLUSTER / "Dockerfile").read_text(encoding="utf-8")


def test_the_launcher_takes_the_ssh_file() -> None:
    schema = json.loads(files("ray.autoscaler").joinpath("ray-schema.json").read_text(encoding="utf-8"))
    described = read(CLUSTER / "ssh.yaml")
    jsonschema.validate(described, schema)
    started = described["head_start_ray_commands"][-1], described["worker_start_ray_commands"][-1]
    assert all("RAY_AUTH_MODE=token" in command for command in started)
    with pytest.raises(jsonschema.ValidationError, match="workers"):
        jsonschema.validate(described | {"workers": 2}, schema)


def test_the_laptop_script_parses_and_says_how_it_is_used() -> None:
    said = subprocess.run([CLUSTER / "laptop.sh"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (2, "usage: cluster/laptop.sh start | stop\n")
