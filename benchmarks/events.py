"""Time from a recording's file to its frames, compared with other packages, and from the store to a batch.

python -m benchmarks.events [--data DIR]

All implementations run on one core, over the same files, in one run. In each round they take turns in another order,
and ratios are taken within a round. Before, each runs once over every file as warm-up, and its frames are compared with
ours. The measurement ends with frames in memory: digests and writing are measured separately.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks import positive
from benchmarks.event_forms import ALONE, Form, file_forms, framing_forms, same, turned
from benchmarks.event_inputs import EVENTS, Inputs, make_inputs
from benchmarks.event_limits import limit
from benchmarks.event_readers import READERS
from benchmarks.reading import reading
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.preprocess.recordings import read_recording
from pipeline.protocol.hardware import describe

TITLES = {
    "aedat2": "AEDAT 2.0",
    "nmnist": "N-MNIST",
    "aedat4": "AEDAT 4",
    "dat": "Prophesee .dat",
    "evt2": "EVT 2.0",
    "evt3": "EVT 3.0",
    "framing": "framing alone, in memory",
}
WRITERS = {"aedat4": "dv-processing", "dat": "faery", "evt2": "faery", "evt3": "faery"}
"""Package that writes a format's files."""
OTHERS = ("tonic", "spikingjelly")
PACKAGES = ("numpy", "numba", "pyarrow", "tonic", "spikingjelly", "aedat", "dv-processing", *READERS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table, writes the result. Raises InputError."""
    settings = parse(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        inputs = make_inputs(
            settings.data, Path(temporary) / "files", recordings=settings.recordings, events=settings.events
        )
        print(inputs.description, flush=True)
        with one_core():
            cases = {kind: measure(kind, settings.rounds, *forms(kind, inputs)) for kind in TITLES if has(kind, inputs)}
            limits = limit(inputs.aedat2, settings.rounds)
            from_store = reading(inputs.aedat2, Path(temporary) / "store")
    result = {
        "inputs": inputs.description,
        "cases": cases,
        "limit": limits,
        "reading": from_store,
        "machine": describe(torch.device("cpu")),
        "load_before": load,
        "versions": {name: installed(name) for name in PACKAGES},
        "settings": {"recordings": settings.recordings, "events": settings.events, "rounds": settings.rounds},
    }
    print("\n".join(table(cases, limits, from_store)))
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.events",
        description="Times reading and framing of recordings of events against other packages, and the store.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with dvs-objects/*/*.aedat and nmnist-small/test.zip; without it, simulated recordings",
    )
    parser.add_argument("--recordings", type=positive, default=10, help="recordings of a DVS128")
    parser.add_argument("--events", type=positive, default=EVENTS, help="events of each, at most")
    parser.add_argument("--rounds", type=positive, default=7, help="measurements of each form, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-events.json", help="file of the result")
    return parser.parse_args(arguments)


@contextmanager
def one_core() -> Iterator[None]:
    """Within the block, this process runs on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def has(kind: str, inputs: Inputs) -> bool:
    return kind not in WRITERS or getattr(inputs, kind) is not None


def forms(kind: str, inputs: Inputs) -> tuple[dict[str, Form], list[Any], int]:
    """The implementations of a case, their inputs, and the number of events."""
    if kind == "framing":
        recordings = [turned(read_recording(path)) for path in inputs.aedat2]
        return framing_forms(recordings), list(range(len(recordings))), sum(map(len, recordings))
    paths: list[Path] = getattr(inputs, kind)
    return file_forms(kind), paths, sum(len(read_recording(path)) for path in paths)


def measure(kind: str, rounds: int, named: dict[str, Form], over: list[Any], events: int) -> dict[str, Any]:
    """Million events per second of each implementation, and how many times faster ours is than each other."""
    check(kind, named, over)
    seconds: dict[str, list[float]] = {name: [] for name in named}
    for index in range(rounds):
        for name in list(named) if index % 2 == 0 else list(named)[::-1]:
            seconds[name].append(timed(named[name], over))
    return {
        "files": len(over),
        "events": events,
        "million_events_a_second": {name: events / statistics.median(taken) / 1e6 for name, taken in seconds.items()},
        "times_faster_than": {name: ratio(seconds[name], seconds["ours"]) for name in named if name != "ours"},
    }


def check(kind: str, named: dict[str, Form], over: list[Any]) -> None:
    """Raises an error unless every implementation gives our counts."""
    for item in over:
        expected = named["ours"](item).copy()
        for name, form in named.items():
            if name.startswith(ALONE) or name == "ours":
                continue
            if not same(kind, name, form(item), expected):
                raise AssertionError(f"{kind}: {name} counts otherwise in {item}")


def timed(form: Form, over: list[Any]) -> float:
    start = time.perf_counter()
    for item in over:
        form(item)
    return time.perf_counter() - start


def ratio(theirs: list[float], mine: list[float]) -> dict[str, float]:
    ratios = [other / our for other, our in zip(theirs, mine, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def table(cases: dict[str, Any], limits: dict[str, Any], from_store: dict[str, Any]) -> Iterator[str]:
    """The lines of the report."""
    yield f"\n{'from file to 50 frames':26} {'ours, M events/s':>17} {'x tonic':>22} {'x SpikingJelly':>22}"
    for kind, title in TITLES.items():
        if kind not in cases:
            yield f"{title:26} not measured: {WRITERS[kind]}, which writes its files, is not installed"
            continue
        case = cases[kind]
        cells = " ".join(f"{_ratio(kind, case['times_faster_than'].get(name)):>22}" for name in OTHERS)
        yield f"{title:26} {case['million_events_a_second']['ours']:17.0f} {cells}"
    yield f"\n{'times faster than':26} {'reading and framing':>22} {'reading alone':>22}"
    for kind, case in cases.items():
        for name in READERS:
            if (found := case["times_faster_than"]).get(name):
                alone = _ratio(kind, found[ALONE + name])
                yield f"{TITLES[kind]}, {name:{24 - len(TITLES[kind])}} {_ratio(kind, found[name]):>22} {alone:>22}"
    yield f"\n{'AEDAT 2.0, a recording':34} {'us':>8}"
    yield from (f"{part:34} {microseconds:8.0f}" for part, microseconds in limits["microseconds"].items())
    speed = limits["copied_bytes_a_second"] / 1e9
    yield f"memory reads and writes {speed:.1f} GB/s when it copies; ours takes {limits['times']:.1f} times the limit"
    heads = ("bytes a sample", "write ms", "one us", "batch of 64 ms", "x S-ResNet38")
    yield "\n" + " ".join([f"{'store':8}", *(f"{head:>15}" for head in heads)])
    for name, store in from_store.items():
        yield (
            f"{name:8} {store['bytes']:15.0f} {store['write_ms']:15.2f} {store['sample_us']:15.0f} "
            f"{store['batch_ms']:15.1f} {store['times_faster_than_network']:15.0f}"
        )


def _ratio(kind: str, found: dict[str, float] | None) -> str:
    if found is None:
        return "reads no such file" if kind in WRITERS else "not installed"
    return "{median:.1f} ({low:.1f} to {high:.1f})".format(**found)


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
