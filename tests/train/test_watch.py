"""What a training measures, on the metrics endpoint of a real Ray that nobody beyond this machine can reach."""

import json
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import psutil
import ray

from pipeline.cluster.session import connect
from pipeline.train.job import Job
from pipeline.train.journal import Journal, set_gauges
from pipeline.train.progress import ProgressReport
from tests.train.tiny import ONE, TRAINING, tiny_job

REPORT = ProgressReport(
    epoch=1,
    epochs=2,
    step=3,
    steps=4,
    samples_per_second=40.0,
    step_seconds=0.25,
    loss=1.5,
    accuracy=75.0,
    seconds_left=1.25,
)


def measure_and_stay(job: Job) -> None:
    Journal(job.log()).add(REPORT)
    set_gauges(REPORT, job.name)
    time.sleep(120)


def gauges_at(url: str) -> dict[str, float]:
    """Ours, by name and run, as soon as they are there."""
    for _ in range(100):
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if 'run="watched-0"' in line]
        if len(lines) == 4:
            return {line.split("{")[0]: float(line.split()[-1]) for line in lines}
        time.sleep(0.2)
    raise AssertionError(f"{url} never had our gauges")


def test_measures_reach_the_endpoint_and_the_file(tmp_path: Path, shared_ray: None) -> None:
    job = replace(tiny_job(tmp_path, TRAINING), name="watched-0")
    job.log().parent.mkdir(parents=True)
    with connect(ONE, most=1):
        ray.remote(measure_and_stay).remote(job)
        (node,) = ray.nodes()
        shown = gauges_at(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics")
        mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
        sockets = [socket for process in mine for socket in process.net_connections("inet")]
        listening = {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert shown == {
        "ray_sresnet_samples_per_second": 40.0,
        "ray_sresnet_step_seconds": 0.25,
        "ray_sresnet_loss": 1.5,
        "ray_sresnet_accuracy": 75.0,
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    (line,) = job.log().with_name("metrics.jsonl").read_text(encoding="utf-8").splitlines()
    written = json.loads(line)
    assert written.pop("time").endswith("+00:00")
    assert written == {
        "epoch": 1,
        "epochs": 2,
        "step": 3,
        "steps": 4,
        "samples_per_second": 40.0,
        "step_seconds": 0.25,
        "loss": 1.5,
        "accuracy": 75.0,
        "seconds_left": 1.25,
    }
