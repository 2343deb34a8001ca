"""A sweep on a cluster that grows while runs wait, against one of fixed size: python -m tests.walk.autoscale

The autoscaler is Ray's own (version 2), and so is its fake provider, whose nodes are processes on this machine. Nodes
have one CPU each. The growing cluster starts with its head alone. Both clusters, and this machine without Ray, must end
with the same dvc.lock. A makespan is from the start of the command to the end of the last evaluation.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.hardware import describe
from tests.chaos.nodes import Nodes
from tests.walk.small import copy, expect, run, say, set_cluster, wipe

EPOCHS = 2
MOST = 3
"""Nodes of the fixed cluster, and at most of the growing one, the head included."""
IDLE_SECONDS = 60
"""After which the autoscaler takes an idle node away."""
SHRINK_SECONDS = 300
"""How long giving back is waited for."""
HEAD_ID = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"
"""Id of the head by which the fake provider knows it (ray/autoscaler/_private/fake_multi_node/node_provider.py)."""
AUTOSCALED = {
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
}
EMPTY = ("setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files")
"""Lists that Ray demands in a configuration."""
SWEEP = (sys.executable, "-m", "pipeline.cli.command_line", "sweep")


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep took, and how many nodes its cluster had."""

    seconds: float
    """Makespan."""
    nodes: list[tuple[float, int]]
    """Seconds since the start of the command, and the number of nodes from then on."""


def main() -> None:
    chosen = parse()
    with tempfile.TemporaryDirectory(prefix="a-") as name:
        prepared = prepare(Path(name) / "prepared", chosen.runs)
        here = Path(name) / "here"
        shutil.copytree(prepared, here, symlinks=True)
        alone = swept(here)
        ways = {"fixed": Fixed, "growing": Growing}
        found = {way: on_cluster(Path(name) / way, prepared, cluster) for way, cluster in ways.items()}
        locks = {way: read_yaml(Path(name) / way / "dvc.lock") for way in ("here", *ways)}
    expect(locks["fixed"] == locks["here"] == locks["growing"], "dvc.lock is the same here and on both clusters")
    counts = [count for _, count in found["growing"].nodes]
    expect(counts[0] == 1 and max(counts) == MOST, f"it grew from 1 to {MOST} nodes: {found['growing'].nodes}")
    expect(counts[-1] == 1, "it gave all nodes but the head back")
    content = {"runs": chosen.runs, "epochs": EPOCHS, **result(alone, found)}
    write_whole(chosen.output, json.dumps(content, indent=2).encode() + b"\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.walk.autoscale",
        description="A sweep on a cluster that grows, against one of fixed size.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=12, help="of the sweep")
    parser.add_argument("--output", type=Path, default=RESULTS / "autoscale.json", help="file of the result")
    return parser.parse_args()


def result(alone: float, found: dict[str, Swept]) -> dict[str, Any]:
    return {
        "nodes": MOST,
        "idle_seconds": IDLE_SECONDS,
        "machine": describe(torch.device("cpu")),
        "cpus": os.cpu_count(),
        "note": "all nodes are processes of this one machine and share its CPUs",
        "seconds_without_ray": round(alone),
        **{way: asdict(one) for way, one in found.items()},
        "times_makespan": found["growing"].seconds / found["fixed"].seconds,
        "same_dvc_lock": True,
    }


def prepare(folder: Path, runs: int) -> Path:
    """A copy of this checkout with short trainings and their data, whose kernels are compiled."""
    copy(folder, epochs=EPOCHS, micro_batches=1, cluster={"workers": "auto"})
    params = json.loads((folder / "params.yaml").read_text(encoding="utf-8"))
    params["runs"] = {
        f"digits-{seed}": {"experiment": "digits", "dataset": "digits", "seed": seed} for seed in range(runs)
    }
    (folder / "params.yaml").write_text(json.dumps(params, indent=1), encoding="utf-8")
    run(folder, "dvc", "repro", "preprocess@digits")
    for stage in ("train", "evaluate"):
        run(folder, sys.executable, "-m", f"stages.{stage}", "digits-0")
    wipe(folder, "runs", "artifacts", "results/digits")
    return folder


def on_cluster(folder: Path, prepared: Path, cluster: Callable[[], Nodes]) -> Swept:
    """A sweep in a copy of the prepared folder, on a cluster that ends with it."""
    shutil.copytree(prepared, folder, symlinks=True)
    with cluster() as nodes:
        secrets = {name: value for name, value in nodes.environment.items() if name.startswith("RAY_AUTH")}
        os.environ.update(secrets)
        import ray  # reads whether there is a token

        set_cluster(folder, address=nodes.address, storage=str(folder / "storage"), checkpoint_seconds=60)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
        try:
            with counted() as counts:
                seconds = swept(folder, **secrets)
                wait_for_shrinking(counts, len(nodes.workers) + 1)
        finally:
            ray.shutdown()
    say(f"{folder.name}: {seconds:.0f} s, nodes {counts}")
    return Swept(seconds=round(seconds, 1), nodes=counts)


class Fixed(Nodes):
    """A head of one CPU and MOST - 1 nodes."""

    def __init__(self) -> None:
        super().__init__(MOST - 1)

    def head(self) -> str:
        return "--num-cpus=1 --no-monitor"


class Growing(Nodes):
    """A head of one CPU with an autoscaler, which starts the other nodes."""

    own: ClassVar[dict[str, str]] = AUTOSCALED

    def __init__(self) -> None:
        super().__init__(0)

    def head(self) -> str:
        config = self.folder / "autoscaling.json"
        config.write_text(json.dumps(autoscaling(self.address)), encoding="utf-8")
        return f"--num-cpus=1 --autoscaling-config={config}"


def autoscaling(address: str) -> dict[str, Any]:
    """The configuration of a cluster with Ray's fake provider.

    It is named as an external one, since `ray.cluster_utils.AutoscalingCluster` reads an example that is not in Ray's
    package, and ends every Ray of this machine when it starts.
    """
    node = {"resources": {"CPU": 1, "object_store_memory": 100_000_000}, "node_config": {}}
    return {
        "cluster_name": "fake",
        "max_workers": MOST - 1,
        "upscaling_speed": 10.0,
        "idle_timeout_minutes": IDLE_SECONDS / 60,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "launch_multiple": True,
            "disable_node_updaters": True,
            "head_node_id": HEAD_ID,
            "gcs_address": address,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
            "worker": node | {"min_workers": 0, "max_workers": MOST - 1},
        },
        "head_node_type": "ray.head.default",
        **{key: [] for key in EMPTY},
    }


def swept(folder: Path, **environment: str) -> float:
    """The makespan (seconds) of a sweep in a folder."""
    start = time.time()
    run(folder, *SWEEP, **environment)
    return max(path.stat().st_mtime for path in (folder / "runs" / "stages").glob("evaluate@*.json")) - start


@contextmanager
def counted() -> Iterator[list[tuple[float, int]]]:
    """Within the block, notes the number of nodes whenever it changes, in the Ray that this process is connected to."""
    from pipeline.cluster.nodes import live_nodes  # imports Ray

    start, done, counts = time.monotonic(), threading.Event(), list[tuple[float, int]]()

    def follow() -> None:
        while not done.wait(0.5):
            number = len(live_nodes())
            if not counts or counts[-1][1] != number:
                counts.append((round(time.monotonic() - start, 1), number))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        done.set()
        thread.join()


def wait_for_shrinking(counts: list[tuple[float, int]], nodes: int) -> None:
    """Until the cluster has as many nodes as at its start; says nothing if it does not come to it."""
    end = time.monotonic() + SHRINK_SECONDS
    while counts[-1][1] > nodes and time.monotonic() < end:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
