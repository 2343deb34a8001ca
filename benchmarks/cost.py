"""What a training step of the paper's profile takes on this machine: python -m benchmarks.cost

Writes results/bench-cost.json, from which the report says what the paper's numbers cost. It keeps the GPU's time, which
was measured elsewhere (docs/gpu.md).
"""

import json
import multiprocessing
import resource
from dataclasses import replace
from typing import Any

import torch

from pipeline.cli.split_sizes import SplitSize
from pipeline.cli.step_time import step_seconds
from pipeline.ground.cpus import cpus_here
from pipeline.ground.files import read_json, write_whole
from pipeline.ground.paths import CLAIMS, ROOT
from pipeline.judge.claims import AccuracyClaim, Configuration, read_claims
from pipeline.protocol.hardware import describe
from pipeline.report.undecided import COSTS

CPUS = cpus_here()


def measured(configuration: Configuration) -> dict[str, float]:
    """Seconds of a step, and the peak memory of a process that makes it."""
    data, training = configuration.dataset, replace(configuration.training, threads=CPUS)
    size = SplitSize(samples=data.train_samples, shape=tuple(data.sample_shape), classes=10)
    seconds = step_seconds(configuration.network, training, size, "nothing")
    return {
        "seconds": round(seconds, 2),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # kilobytes on Linux
    }


def main() -> None:
    claims = [one for one in read_claims(CLAIMS).claims if isinstance(one, AccuracyClaim) and one.decided_by]
    configurations = {one.configuration.dataset.title: one.configuration for one in claims}
    machine = f"{CPUS} threads of {describe(torch.device('cpu'))}"
    content: dict[str, Any] = read_json(ROOT / COSTS, "it is committed") | {"machine": machine, "steps": {}}
    context = multiprocessing.get_context("spawn")  # a process each, for its peak memory
    for title, configuration in configurations.items():
        with context.Pool(1) as pool:
            content["steps"][title] = pool.apply(measured, (configuration,))
        print(f"{title}: {content['steps'][title]}", flush=True)
    write_whole(ROOT / COSTS, json.dumps(content, indent=2).encode() + b"\n")


if __name__ == "__main__":
    main()
