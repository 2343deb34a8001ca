"""Checks the cluster files against the published schemas: misspelt keys, missing limits, another version of Ray."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.scripts.scripts
from ruamel.yaml import YAML

from pipeline.ground.paths import ROOT
from pipeline.train.gauges import RECOVERIES
from pipeline.train.progress import GAUGES

CLUSTER = ROOT / "cluster"
KUBERAY = json.loads(Path(__file__).with_name("kuberay.json").read_text(encoding="utf-8"))["schemas"]
GPU = "nvidia.com/gpu"
START_RESOURCES = ("num-cpus", "num-gpus", "memory", "resources")
RAY_STOP_SECONDS, SPOT_SECONDS = 16, 25
"""The longest that `ray stop` waits; the time between GKE's notice and the end of a spot node, the least of the
clouds'."""
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
    """Why a RayJob that its schema allows would never start.

    The job's submitter waits for the dashboard: in K8sJobMode from a pod of its own, through the head's Service. The
    operator itself asks the dashboard through that Service in every mode. A stated dashboard-host is kept; without one
    KubeRay sets 0.0.0.0. Kueue refuses jobs that grow by themselves, stay, or have more than seven groups. Source:
    KubeRay's controllers/ray/common/job.go, common/pod.go, utils/validation.go; Kueue's page "Run a RayJob".
    """
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    head, groups = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    sidecar, queued = spec["submissionMode"] == "SidecarMode", "kueue.x-k8s.io/queue-name" in labels_of(job)
    pod, (container, *_) = head["template"]["spec"], head["template"]["spec"]["containers"]
    restarts = [one["template"]["spec"].get("restartPolicy", "Never") != "Never" for one in (head, *groups)]
    reasons = {
        "the dashboard listens on the pod's loopback alone": head["rayStartParams"].get("dashboard-host", "0.0.0.0")
        in ("127.0.0.1", "localhost", "::1"),
        "the Service has no port named dashboard": "dashboard" not in [port["name"] for port in container["ports"]],
        "a sidecar cannot have a submitter's template": sidecar and "submitterPodTemplate" in spec,
        "a sidecar needs a head that does not restart": sidecar and pod.get("restartPolicy", "Never") != "Never",
        "autoscaler v2 needs pods that do not restart": cluster["autoscalerOptions"]["version"] == "v2"
        and any(restarts),
        "a token needs Ray 2.52 or newer": tuple(map(int, cluster["rayVersion"].split("."))) < (2, 52),
        "its name is too long": len(job["metadata"]["name"]) > 47,
        "Kueue takes no job that grows": queued and cluster["enableInTreeAutoscaling"],
        "Kueue takes no job whose cluster stays": queued and not spec["shutdownAfterJobFinishes"],
        "Kueue takes no more than seven groups": queued and len(groups) > 7,
        "nothing trains on any node": not any(group["minReplicas"] for group in groups),
    }
    return [reason for reason, holds in reasons.items() if holds] + [
        f"{group['groupName']}: {reason}" for group in groups for reason in group_cannot_start(group)
    ]


def labels_of(described: dict[str, Any]) -> dict[str, str]:
    return described["metadata"].get("labels") or {}


def group_cannot_start(group: dict[str, Any]) -> list[str]:
    """Why no pod of a worker group would start, or be added."""
    pod, started = group["template"]["spec"], group["rayStartParams"]
    size = pod["containers"][0]["resources"]
    reasons = {
        "minReplicas, replicas and maxReplicas are not in this order": not group["minReplicas"]
        <= group["replicas"]
        <= group["maxReplicas"],
        "its labels belong into the group's labels": "labels" in started,
        "its resources are stated twice": "resources" in group and any(name in started for name in START_RESOURCES),
        "a GPU needs the same number in requests and limits": size["limits"].get(GPU) != size["requests"].get(GPU),
        "a toleration that asks whether a key exists has a value": any(
            one["operator"] == "Exists" and "value" in one for one in pod.get("tolerations", [])
        ),
    }
    return [reason for reason, holds in reasons.items() if holds]


def test_the_job_can_start() -> None:
    assert cannot_start(read(CLUSTER / "kubernetes" / "rayjob.yaml")) == []


def job_change(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda job: job["spec"].update(values)


def cluster_change(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda job: job["spec"]["rayClusterSpec"].update(values)


def head_change(**values: str) -> Callable[[dict[str, Any]], None]:
    return lambda job: job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"].update(
        {name.replace("_", "-"): value for name, value in values.items()}
    )


def group_change(index: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda job: job["spec"]["rayClusterSpec"]["workerGroupSpecs"][index].update(values)


def pod_change(index: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda job: job["spec"]["rayClusterSpec"]["workerGroupSpecs"][index]["template"]["spec"].update(values)


def queue_it(job: dict[str, Any]) -> None:
    job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}


def close_port(job: dict[str, Any]) -> None:
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"] = []


def queue_one_that_stays(job: dict[str, Any]) -> None:
    queue_it(job)
    job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] = False
    job["spec"]["shutdownAfterJobFinishes"] = False


def limit_other_gpus(job: dict[str, Any]) -> None:
    resources = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][2]["template"]["spec"]["containers"][0]["resources"]
    resources["limits"] = resources["limits"] | {GPU: "2"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (head_change(dashboard_host="127.0.0.1"), "loopback"),
        (close_port, "port named dashboard"),
        (job_change(submissionMode="SidecarMode", submitterPodTemplate={}), "submitter's template"),
        (pod_change(0, restartPolicy="Always"), "autoscaler v2"),
        (cluster_change(rayVersion="2.51.1"), "2.52"),
        (lambda job: job["metadata"].update(name="s" * 48), "too long"),
        (queue_it, "Kueue takes no job that grows"),
        (queue_one_that_stays, "stays"),
        (group_change(0, minReplicas=0, replicas=0), "nothing trains"),
        (group_change(1, replicas=9), "spot: minReplicas, replicas and maxReplicas"),
        (group_change(1, rayStartParams={"labels": "ray.io/market-type=spot"}), "spot: its labels"),
        (group_change(2, resources={"GPU": "1"}, rayStartParams={"num-gpus": "1"}), "gpu: its resources"),
        (limit_other_gpus, "gpu: a GPU needs the same number"),
        (pod_change(1, tolerations=[{"operator": "Exists", "key": "spot", "value": "true"}]), "spot: a toleration"),
    ],
)
def test_a_job_that_cannot_start_is_named(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    job = read(CLUSTER / "kubernetes" / "rayjob.yaml")
    change(job)
    assert [reason in found for found in cannot_start(job)] == [True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_is_taken_away_leaves_in_time(kind: str) -> None:
    """`ray stop` ends before the pod is killed, and spot nodes give no more time; the head does not run on one."""
    spec = cluster_spec(kind)
    for group in spec["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        assert pod["containers"][0]["lifecycle"] == {"preStop": {"exec": {"command": ["ray", "stop"]}}}
        assert RAY_STOP_SECONDS < pod["terminationGracePeriodSeconds"] <= SPOT_SECONDS
    _, spot, gpu = spec["workerGroupSpecs"]
    assert [*spot["template"]["spec"]["nodeSelector"]] == [spot["template"]["spec"]["tolerations"][0]["key"]]
    assert (
        gpu["template"]["spec"]["tolerations"][0]["key"]
        in gpu["template"]["spec"]["containers"][0]["resources"]["limits"]
    )
    assert not {"tolerations", "nodeSelector"} & spec["headGroupSpec"]["template"]["spec"].keys()


def test_ray_stop_takes_the_time_that_the_files_assume() -> None:
    grace = next(option for option in ray.scripts.scripts.stop.params if option.name == "grace_period")
    assert grace.default == RAY_STOP_SECONDS


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


@pytest.mark.parametrize(("checked", "ran"), [(0, 3), (4, 2)])
def test_a_submitted_job_trains_one_run_if_the_cluster_is_ready(tmp_path: Path, checked: int, ran: int) -> None:
    for name, code in {"dvc": 'echo "dvc $*"', "sresnet": f'echo "sresnet $*"; exit {checked}'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    said = subprocess.run(
        [CLUSTER / "job.sh", "digits-0"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = ["dvc init --quiet --no-scm", "sresnet check", "dvc --wait-for-lock repro train@digits-0"]
    assert (said.returncode, said.stdout.splitlines()) == (checked, lines[:ran])


def test_a_second_job_with_the_same_files_goes_on_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("dvc", "sresnet"):
        (tmp_path / "bin" / name).write_text('#!/bin/sh\n[ "$1" != init ]\n', encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    assert subprocess.run([CLUSTER / "job.sh", "digits-0"], cwd=tmp_path, env=environment, check=False).returncode == 0


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


def test_the_grafana_file_shows_each_measure_that_is_exported_and_no_other() -> None:
    described = json.loads((CLUSTER / "grafana.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in described["panels"] for target in panel["targets"]]
    asked = [variable["query"] for variable in described["templating"]["list"]]
    exported = {f"ray_sresnet_{name}" for name in (*GAUGES, RECOVERIES)}
    assert set(re.findall(r"\bray_\w+", " ".join(shown))) == exported
    assert set(re.findall(r"\bray_\w+", " ".join(asked))) <= exported


def test_every_file_has_the_locked_ray_and_the_tests_run_with_that_or_the_oldest() -> None:
    """The oldest: the one lower bound of pyproject.toml, by which `make test-oldest` installs."""
    locked = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    bounds = re.findall(r'"ray\[\w+\]>=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert locked is not None
    assert len({*bounds}) == 1
    assert version("ray").partition("+")[0] in (locked[1], f"{bounds[0]}.0")
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


def test_the_head_is_told_its_own_address() -> None:
    """RAY_HEAD_IP is set for the commands of workers alone; the state of nodes is that of Ray's first autoscaler."""
    described = read(CLUSTER / "ssh.yaml")
    *_, head = described["head_start_ray_commands"]
    *_, worker = described["worker_start_ray_commands"]
    assert f"--node-ip-address={described['provider']['head_ip']} " in head
    assert "RAY_HEAD_IP" not in head
    assert "--address=$RAY_HEAD_IP:6379 " in worker
    assert "RAY_UP_enable_autoscaler_v2=0 ray up" in (CLUSTER / "ssh.yaml").read_text(encoding="utf-8")


def test_the_laptop_script_parses_and_says_how_it_is_used() -> None:
    said = subprocess.run([CLUSTER / "laptop.sh"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (2, "usage: cluster/laptop.sh start | stop\n")
