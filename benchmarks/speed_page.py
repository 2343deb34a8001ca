"""Writes docs/training-speed.md from results/bench-*.json: python -m benchmarks.speed_page

Missing measurements are named.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT

PAGE = ROOT / "docs" / "training-speed.md"
LIBRARIES = {"spikingjelly": "SpikingJelly, multi-step", "snntorch": "snnTorch", "norse": "Norse", "sinabs": "Sinabs"}
INTRODUCTION = """# Speed of training

`make bench` measures on this machine and writes this page; change it there, not by hand. Each ratio is the median, with
the range, of rounds in which the compared forms take turns."""
Result = dict[str, Any]


def main(page: Path = PAGE, results: Path = RESULTS) -> None:
    """Writes the page, whole."""
    write_whole(page, f"{speed_page(results)}\n".encode())


def speed_page(results: Path) -> str:
    """Sections on what was measured, then what was not."""
    parts = {"train": steps, "growth": growth, "peers": peers, "epoch": epoch, "precision": precision}
    found = {name: read(results / f"bench-{name}.json") for name in parts}
    texts = [write(found[name]) for name, write in parts.items() if found[name]]
    return "\n\n".join([INTRODUCTION, *texts, missing(found)])


def read(path: Path) -> Result:
    """The result file of a benchmark; empty if it was not run."""
    result: Result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return result


def steps(by_processor: Result) -> str:
    about = (
        "## A training step\n\n"
        "S-ResNet38 (n = 6, 32 filters) where no row says otherwise: forward, backward and SGD, compared with two "
        "other forms. *Step by step* is the same network computed one time step after another, which is the authors' "
        "algorithm. *Convolutions alone* is "
        "the lower limit. Memory is the peak above that of the process before the step; it is measured in a process "
        "whose allocator returns freed memory, the times in one whose allocator keeps it. Where the time of a step "
        "goes is by torch's profiler, which slows it a little: *passes* are normalization, neurons and the shortcut's "
        "sum, forward and backward."
    )
    return "\n\n".join([about, *map(steps_on, by_processor.values())])


def steps_on(result: Result) -> str:
    """The table of one processor."""
    lines = [
        f"{result['rounds']} rounds, {where(result)}:",
        "",
        "| | ours | step by step / ours | ours / convolutions alone | peak memory | memory / that of step by step |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in (result["rows"] | result["recompute"]).items():
        cells = [
            seconds(row["median_seconds"]["through-time"]),
            ranged(row["faster_than_step_by_step"]),
            ranged(row["against_convolutions"]),
            *memory(row["peak_bytes"]),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    profiles = {name: row["profile"] for name, row in result["rows"].items()}
    return "\n".join([*lines, "", where_time_goes(profiles)])


def where_time_goes(profiles: dict[str, Result]) -> str:
    """Where the time between a step and its lower bound goes, and how much of it is memory access."""
    speed = max(profile["copy_bytes_per_second"] for profile in profiles.values())
    parts = [
        f"{name}: convolutions {seconds(profile['convolutions'])}, passes {seconds(profile['passes'])} "
        f"({profile['passes_bytes'] / 1e9:.1f} GB, {seconds(profile['passes_bytes'] / speed)} at the speed of a copy), "
        f"rest {seconds(profile['rest'])}."
        for name, profile in profiles.items()
    ]
    return f"Where the time goes; a copy of memory moves {speed / 1e9:.0f} GB/s:\n\n" + "\n".join(
        f"- {part}" for part in parts
    )


def memory(peak: dict[str, int]) -> tuple[str, str]:
    """Peak memory of ours, and as a share of step-by-step."""
    if not peak:
        return "", ""
    return f"{peak['through-time'] / 2**20:,.0f} MiB", f"{peak['through-time'] / peak['step-by-step']:.2f}"


def growth(result: Result) -> str:
    lines = result["lines"]
    deviations = " and ".join(
        f"{100 * lines[over]['seconds']['largest_deviation']:.0f} % (time) and "
        f"{100 * lines[over]['bytes']['largest_deviation']:.0f} % (memory) over {name}"
        for over, name in (("time_steps", "T"), ("batch", "the batch"))
    )
    return (
        "## Growth with time steps and batch\n\n"
        "![Time and memory of a training step over time steps, batch and width](growth.svg)\n\n"
        f"Time and memory grow in a straight line. The largest deviation from it is {deviations} (medians of "
        f"{result['rounds']}, {where(result)})."
    )


def peers(result: Result) -> str:
    """Times of other libraries as multiples of ours."""
    names = [name for name in LIBRARIES if name in result["versions"]]
    titles = [f"{LIBRARIES[name]} ({result['versions'][name]})" for name in names]
    about = (
        "## Other libraries\n\n"
        "The same training step in other libraries (`benchmarks/peers.py`, the extra `bench`), as a multiple of our "
        f"time. {result['rounds']} rounds, {where(result)}."
    )
    lines = [
        about,
        "",
        f"| | ours | {' | '.join(titles)} |",
        f"| --- |{' --- |' * (1 + len(names))}",
    ]
    for name, row in result["rows"].items():
        cells = [ranged(row["slower_than_ours"][peer]) for peer in names]
        lines.append(f"| {name} | {seconds(row['median_seconds']['ours'])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def epoch(result: Result) -> str:
    stage = result["stage_seconds"]
    return (
        "## An epoch of the train stage\n\n"
        f"Ray Train with one worker, {result['data']}, {result['samples']:,} samples, n = 1, 16 filters, T = 4, "
        f"batch 20: an epoch takes {ranged(result['epoch_against_bare'])} times its {result['steps_of_an_epoch']} bare "
        "steps. The difference is reading, augmentation, the sums over micro-batches, reports and the checkpoint. "
        f"Ray's start ({stage['start']:.0f} s) and its end with the export ({stage['end']:.0f} s) are not "
        f"included; with them the stage of {len(stage['epochs'])} epochs takes {result['stage_against_bare']:.2f} "
        f"times the bare steps ({where(result)})."
    )


def precision(result: Result) -> str:
    accuracy = result["accuracy"]
    difference, count = accuracy["difference"], len(accuracy["seeds"])
    rates = [f"| {name} | {1e6 * flips['rate_alone']:,.0f} |" for name, flips in result["flips"].items()]
    about = (
        "## bfloat16 and float32\n\n"
        f"`make bench-precision`. Accuracy on {accuracy['data']} after training with bfloat16, minus that with "
        f"float32: {difference['mean']:+.2f} points (95 % interval {difference['low']:+.2f} to "
        f"{difference['high']:+.2f}, {count} seeds). When a layer gets the same inputs, bfloat16 "
        "flips this part of its possible spikes. *Drawn* networks have random weights."
    )
    return "\n".join([about, "", "| network | flipped spikes (ppm) |", "| --- | --- |", *rates])


def missing(found: dict[str, Result]) -> str:
    """Names the missing measurements."""
    absent = [f"`results/bench-{name}.json`" for name, result in found.items() if not result]
    notes = ["Not measured by these commands: a GPU; [On a GPU](gpu.md) has what was seen on one."]
    notes += [f"Not measured: {', '.join(absent)}."] if absent else []
    kept = [f"`results/bench-{name}.json`" for name, result in found.items() if result]
    notes += [f"Every round is in {', '.join(kept)}."] if kept else []
    return "## Sources\n\n" + " ".join(notes)


def where(result: Result) -> str:
    return f"{result['threads']} threads on {result['cpus']} CPUs ({result['machine']})"


def ranged(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{1000 * value:.1f} ms"


if __name__ == "__main__":
    main()
