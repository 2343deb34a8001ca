"""Writes the README's section on speed from results/bench-*.json: python -m benchmarks.readme

Missing measurements are named.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
GPU = "GPU, "
LIBRARIES = {"spikingjelly": "SpikingJelly, multi-step", "snntorch": "snnTorch", "norse": "Norse", "sinabs": "Sinabs"}
Result = dict[str, Any]


def main(readme: Path = README, results: Path = RESULTS) -> None:
    """Replaces the section between the two marks. Raises InputError if they are missing."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{readme}: no {BEGIN} before {END}; the section on speed stands between them")
    write_whole(readme, f"{before}{BEGIN}\n{section(results)}\n{END}{after}".encode())


def section(results: Path) -> str:
    """Paragraphs and tables of the measurements, then a list of missing ones."""
    parts = {"train": steps, "growth": growth, "peers": peers, "epoch": epoch, "precision": precision}
    found = {name: read(results / f"bench-{name}.json") for name in parts}
    texts = [write(found[name]) for name, write in parts.items() if found[name]]
    return "\n\n".join([*texts, missing(found)])


def read(path: Path) -> Result:
    """The result file of a benchmark; empty if it was not run."""
    result: Result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return result


def steps(result: Result) -> str:
    about = (
        "`make bench` measures, and writes this part of the page. A training step of S-ResNet38 (n = 6, 32 filters; "
        "forward, backward, SGD) beside the same network computed one time step after another, which is the authors' "
        "algorithm, and beside its convolutions alone, which are the floor: median and range of the ratios in "
        f"{result['rounds']} rounds in turns, {where(result)}. Memory is the peak above the process before the step, "
        "in a process whose allocator returns what is freed; the times are taken with one that keeps it."
    )
    lines = [
        about,
        "",
        "| | a step | step by step takes | ours against the convolutions alone | peak memory | against step by step |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in (result["rows"] | result["recompute"]).items():
        on = f", {result['gpu']}" if name.startswith(GPU) else ""
        cells = [
            seconds(row["median_seconds"]["through-time"]),
            f"{ranged(row['faster_than_step_by_step'])} times",
            f"{ranged(row['against_convolutions'])} times",
            *memory(row["peak_bytes"]),
        ]
        lines.append(f"| {name}{on} | {' | '.join(cells)} |")
    profiles = {name: row["profile"] for name, row in result["rows"].items() if row["profile"]}
    return "\n".join([*lines, *(["", where_time_goes(profiles)] if profiles else [])])


def where_time_goes(profiles: dict[str, Result]) -> str:
    """Where the time between a step and its lower bound goes, and how much of it is memory access."""
    speed = max(profile["copy_bytes_per_second"] for profile in profiles.values())
    parts = [
        f"{name}: convolutions {seconds(profile['convolutions'])}, passes {seconds(profile['passes'])} "
        f"({profile['passes_bytes'] / 1e9:.1f} GB, {seconds(profile['passes_bytes'] / speed)} at the speed of a copy), "
        f"rest {seconds(profile['rest'])}"
        for name, profile in profiles.items()
    ]
    return (
        "Where a step goes, by torch's profiler, which slows it a little; the passes are normalization, neurons and "
        f"the skip's sum, forward and backward, and a copy of memory moves {speed / 1e9:.0f} GB/s here. "
        f"{'; '.join(parts)}."
    )


def memory(peak: dict[str, int]) -> tuple[str, str]:
    """Peak memory of ours, and as a share of step-by-step."""
    if not peak:
        return "", ""
    return f"{peak['through-time'] / 2**20:,.0f} MiB", f"{peak['through-time'] / peak['step-by-step']:.2f} times"


def growth(result: Result) -> str:
    lines = result["lines"]
    deviations = " and ".join(
        f"{100 * lines[over]['seconds']['largest_deviation']:.0f} % (time) and "
        f"{100 * lines[over]['bytes']['largest_deviation']:.0f} % (memory) over {name}"
        for over, name in (("time_steps", "T"), ("batch", "the batch"))
    )
    return (
        f"![Time and memory of a training step over time steps, batch and width](docs/growth.svg)\n\n"
        f"A straight line fits time and memory: the largest deviation from it is {deviations} (medians of "
        f"{result['rounds']}, {where(result)})."
    )


def peers(result: Result) -> str:
    """Times of other libraries as multiples of ours."""
    names = [name for name in LIBRARIES if name in result["versions"]]
    titles = [f"{LIBRARIES[name]} ({result['versions'][name]})" for name in names]
    about = (
        "The same training step in other libraries (`benchmarks/peers.py`, the extra `bench`), as a multiple of ours, "
        f"{result['rounds']} rounds in turns, {where(result)}:"
    )
    lines = [
        about,
        "",
        f"| | ours | {' | '.join(titles)} |",
        f"| --- |{' --- |' * (1 + len(names))}",
    ]
    for name, row in result["rows"].items():
        cells = [f"{ranged(row['slower_than_ours'][peer])} times" for peer in names]
        lines.append(f"| {name} | {seconds(row['median_seconds']['ours'])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def epoch(result: Result) -> str:
    stage = result["stage_seconds"]
    return (
        f"An epoch through the train stage (Ray Train with one worker, {result['data']}, {result['samples']:,} "
        "samples, n = 1, 16 filters, T = 4, batch 20) takes "
        f"{ranged(result['epoch_against_bare'])} times its {result['steps_of_an_epoch']} bare steps: reading, "
        "augmentation, the sums over micro-batches, reports and the checkpoint take the rest. Ray's start "
        f"({stage['start']:.0f} s) and end with the export ({stage['end']:.0f} s) are not in it; with them the stage "
        f"of {len(stage['epochs'])} epochs takes {result['stage_against_bare']:.2f} times the bare steps "
        f"({where(result)})."
    )


def precision(result: Result) -> str:
    accuracy = result["accuracy"]
    difference, count = accuracy["difference"], len(accuracy["seeds"])
    rates = "; ".join(f"{1e6 * flips['rate_alone']:,.0f} ppm for {name}" for name, flips in result["flips"].items())
    return (
        f"bfloat16 against float32 (`make bench-precision`): accuracy on {accuracy['data']} after training "
        f"{difference['mean']:+.2f} points (95 % interval {difference['low']:+.2f} to {difference['high']:+.2f}, "
        f"{count} seeds); with the same inputs to a layer it flips this part of its possible spikes: {rates}."
    )


def missing(found: dict[str, Result]) -> str:
    """Names the missing measurements."""
    absent = [f"`results/bench-{name}.json`" for name, result in found.items() if not result]
    gpu = any(name.startswith(GPU) for name in found["train"].get("rows", {}))
    notes = [] if gpu else ["Not on a GPU: [docs/gpu.md](docs/gpu.md) has what was seen on one."]
    notes += [f"Not measured: {', '.join(absent)}."] if absent else []
    kept = [f"`results/bench-{name}.json`" for name, result in found.items() if result]
    return " ".join([*notes, f"Every round is in {', '.join(kept)}." if kept else ""]).strip()


def where(result: Result) -> str:
    return f"{result['threads']} threads on {result['cpus']} CPUs ({result['machine']})"


def ranged(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{1000 * value:.1f} ms"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
