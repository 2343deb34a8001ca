"""Model of where a training of S-ResNet38 stops scaling: python -m benchmarks.scaling_model

Computed from the measurements of benchmarks.scaling on one machine; writes docs/scaling.md and docs/scaling.svg. Each
worker computes one micro-batch. W: workers, D: numbers that a micro-batch contributes, b: samples per micro-batch.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import pandas as pd

from benchmarks.bucket_model import at_ten_million
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.report.figures import BLUE, GREEN, ORANGE

PAGE, PLOT = ROOT / "docs" / "scaling.md", ROOT / "docs" / "scaling.svg"
TEMPLATE = Path(__file__).with_name("scaling.md.jinja")
WORKERS = [2**power for power in range(13)]
ENOUGH = 0.1
"""A part of a step stops scaling when it takes more than this fraction of a micro-batch's time."""
TIME_STEPS = 5
"""S-ResNet38 has five times the measured number of time steps; time is linear in it (benchmarks.growth)."""
CIFAR10_BYTES = 50_000 * 3 * 32 * 32


@dataclass(frozen=True, kw_only=True)
class Network:
    """An interconnect, with assumed values."""

    name: str
    gigabits: float
    latency: float
    """Latency of a message (seconds)."""

    def seconds(self, numbers: float, messages: float) -> float:
        """Seconds to send float32 numbers in consecutive messages."""
        return numbers * 4 * 8 / (self.gigabits * 1e9) + messages * self.latency


NETWORKS = (
    Network(name="1 Gb/s, 50 us", gigabits=1, latency=50e-6),
    Network(name="10 Gb/s, 30 us", gigabits=10, latency=30e-6),
    Network(name="100 Gb/s, 5 us", gigabits=100, latency=5e-6),
)
FASTER = {"a core as measured": 1, "a device 100 times as fast": 100}
COLOURS = dict(zip([network.name for network in NETWORKS], (ORANGE, BLUE, GREEN), strict=True))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measured seconds on one machine."""

    micro_batch: float
    """One micro-batch forward and backward, with T = 50."""
    add: float
    """Adding the numbers of two micro-batches."""
    optimize: float
    numbers: int
    """D."""

    def parts(self, workers: int, network: Network, faster: float) -> dict[str, float]:
        """Seconds of each part of a step with `workers` workers, on a device that is `faster` times as fast."""
        others = workers - 1
        return {
            "micro-batch": self.micro_batch / faster,
            "exchange": network.seconds(2 * self.numbers * others / workers, 2 * others),
            "add": self.add * others / workers / faster,
            "optimize": self.optimize / faster,
        }

    def efficiency(self, workers: int, network: Network, faster: float) -> float:
        """Throughput per worker, relative to a single worker."""
        return sum(self.parts(1, network, faster).values()) / sum(self.parts(workers, network, faster).values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Computes, draws, writes. Raises InputError without a measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling_model", description=__doc__)
    parser.add_argument("--measured", type=Path, default=RESULTS / "bench-scaling.json")
    parser.add_argument("--converted", type=Path, default=RESULTS / "bench-bucket.json")
    settings = parser.parse_args(arguments)
    result, converted = read(settings.measured), read(settings.converted, "python -m benchmarks.bucket")
    write_whole(PAGE, page(result, converted).encode())
    draw(measured_of(result), PLOT)
    print(f"written to {PAGE} and {PLOT}")


def read(path: Path, command: str = "make bench-scaling") -> dict[str, Any]:
    """The result of a benchmark. Raises InputError."""
    if not path.exists():
        raise InputError(f"{path}: not found; `{command}` measures it")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def measured_of(result: dict[str, Any]) -> Measured:
    """The model's constants: each part alone, measured with two processes."""
    parts = result["measured"]["2"]["parts"]
    seconds = parts["seconds"]
    return Measured(
        micro_batch=TIME_STEPS * seconds["micro-batch"],
        add=seconds["add"],
        optimize=seconds["optimize"],
        numbers=parts["numbers"],
    )


def last_workers(measured: Measured, part: str, network: Network, faster: float) -> str:
    """The largest number of workers at which a part takes at most ENOUGH of a micro-batch's time."""
    micro_batch = measured.micro_batch / faster
    fits = [workers for workers in WORKERS if measured.parts(workers, network, faster)[part] <= ENOUGH * micro_batch]
    if not fits:
        return "none"
    return f"{max(fits):,}" + (" and more" if max(fits) == WORKERS[-1] else "")


def draw(measured: Measured, path: Path) -> None:
    """Draws efficiency over workers, one panel per device speed, on white."""
    panels = []
    for name, faster in FASTER.items():
        values = [
            {"workers": workers, "efficiency": measured.efficiency(workers, network, faster), "network": network.name}
            for network in NETWORKS
            for workers in WORKERS
        ]
        panels.append(
            alt.Chart(pd.DataFrame(values), title=name, width=300, height=220)
            .mark_line(point=True)
            .encode(
                x=alt.X("workers:Q", title="workers, one micro-batch each", scale=alt.Scale(type="log", base=2)),
                y=alt.Y("efficiency:Q", title="efficiency (computed)", scale=alt.Scale(domain=[0, 1])),
                color=alt.Color("network:N", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))),
            )
        )
    chart = alt.hconcat(*panels).properties(background="white", padding=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.configure_legend(orient="top", title=None, labelFontSize=12).save(str(path))


def page(result: dict[str, Any], converted: dict[str, Any]) -> str:
    """The content of docs/scaling.md, from the template beside this file."""
    measured, parts = measured_of(result), result["measured"]["2"]["parts"]
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    columns = [(name, network) for name in FASTER for network in NETWORKS]
    return (
        template.render(
            **{name: result[name] for name in ("machine", "cpus", "network", "weak")},
            speedup=result["two_against_one"],
            cost=result["cost_against_ddp"],
            a_micro_batch=result["samples_a_micro_batch"],
            numbers=parts["numbers"],
            parameters=parts["parameters"],
            parts=parts["seconds"],
            model=measured,
            most=WORKERS[-1],
            enough=ENOUGH,
            heads=[f"{network.name}, {name}" for name, network in columns],
            limits={
                part: [last_workers(measured, part, network, FASTER[name]) for name, network in columns]
                for part in ("exchange", "add", "optimize")
            },
            at_1024={
                network.name: [measured.efficiency(1024, network, faster) for faster in FASTER.values()]
                for network in NETWORKS
            },
            converted=converted,
            ten_million=at_ten_million(converted),
            cifar_mb=CIFAR10_BYTES / 1e6,
            staging=CIFAR10_BYTES * 8 / 10e9,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
