"""A short training of the digits on a real Ray cluster, killed at random steps: python -m tests.chaos

Processes that train, drivers and whole nodes are killed with kill -9 in turn, and nodes are drained. Each time it
goes on, on the nodes that are left, and a node that returns is used again. In the end the digests of weights, history
and predictions have to be those of the same training by one undisturbed process.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks.precision import make_digits
from pipeline.ground.files import write_whole
from pipeline.ground.paths import PROFILES, RESULTS
from pipeline.protocol import params
from pipeline.protocol.hardware import describe
from pipeline.train.job import Job
from tests.chaos.chaos import disturbed, first_difference, schedule, undisturbed

SHARDS = 3
"""And so many nodes: of three, two and one worker each number has its turn."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with 1 if a digest differs."""
    chosen, start, folder = parse(arguments), time.monotonic(), Path(tempfile.mkdtemp(prefix="chaos-"))
    say(f"in {folder}, which is kept unless the digests are equal")
    job = digits(folder, chosen.epochs)
    expected = undisturbed(job)
    say(f"undisturbed, one worker, {time.monotonic() - start:.0f} s: {shown(expected)}")
    steps = chosen.epochs * -(-len(job.train_store()) // job.training.batch_size)
    killed, found = disturbed(job, schedule(chosen.kills, chosen.seed, steps), SHARDS, say)
    say(f"after {chosen.kills} kills, {time.monotonic() - start:.0f} s: {shown(found)}")
    result = {
        "seed": chosen.seed,
        "epochs": chosen.epochs,
        "steps": steps,
        "nodes": SHARDS,
        "machine": describe(torch.device("cpu")),
        "seconds": round(time.monotonic() - start),
        "kills": [asdict(one) for one in killed],
        "undisturbed": expected,
        "disturbed": found,
    }
    write_whole(chosen.output, json.dumps(result, indent=2).encode() + b"\n")
    if found != expected:
        sys.exit(f"error: the digests differ, {first_difference(job)}; see {folder}")
    shutil.rmtree(folder)
    say(f"the same bits; written to {chosen.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="processes, drivers and nodes to kill")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the schedule")
    parser.add_argument("--epochs", type=int, default=24, metavar="N", help="of the training")
    parser.add_argument("--output", type=Path, default=RESULTS / "chaos.json", help="file of the result")
    return parser.parse_args(arguments)


def digits(folder: Path, epochs: int) -> Job:
    """The profile quick's training of the digits, in three shards."""
    profile = params.load_params(PROFILES / "quick.yaml")
    experiment = profile.experiments["digits"]
    return Job(
        name="chaos-0",
        network=experiment.model,
        training=replace(experiment.training, epochs=epochs, micro_batches=SHARDS),
        seed=0,
        data=make_digits(folder, profile),
        runs=folder / "runs",
        checkpoint_seconds=1,
        recompute="nothing",
    )


def shown(digests: dict[str, str]) -> str:
    return ", ".join(f"{name} {digest[:16]}" for name, digest in digests.items())


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
