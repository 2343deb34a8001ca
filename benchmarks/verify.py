"""Time of `sresnet verify` by the number of runs in a report: python -m benchmarks.verify

The runs are copies of this checkout's finished training digits-0 under other seeds, with other predictions and
consistent digests, so that the report passes. Each time is that of the whole command, in a new process.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML

from benchmarks import positive
from pipeline.data.contents import read_contents
from pipeline.evaluate.predictions import read_predictions
from pipeline.evaluate.record import read_record, scored, write_tables
from pipeline.ground.digests import FileDigest, digest_of
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.ground.stage_record import path_of, read_stage_record
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.audit import make_audit
from pipeline.judge.measured import AGREEMENT_STAGE, MEASURED
from pipeline.protocol.hardware import describe
from pipeline.protocol.params import load_params
from pipeline.protocol.sampler import epoch_batches
from pipeline.report.write import write_report
from pipeline.train.used import epoch_digest
from pipeline.verify.configurations import training_config
from pipeline.verify.history import read_history

EXPERIMENT = "digits"
RUN = f"{EXPERIMENT}-0"
SHARED = ("models", "pipeline", "stages", "paper", "data", "dvc.yaml", "CITATION.cff", "requirements.lock")
NOISE = 0.1
"""Noise on a copy's outputs, in units of their standard deviation: two seeds must not look like copies."""


def main(arguments: Sequence[str] | None = None) -> None:
    settings = parse(arguments)
    with TemporaryDirectory() as folder:
        measured = [measure(Path(folder) / str(runs), runs, settings.rounds) for runs in settings.runs]
    machine = {"machine": describe(torch.device("cpu")), "cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    for row in measured:
        print(f"{row['runs']} run(s): {row['seconds']:.1f} s, {row['cpu_seconds']:.1f} s of a CPU")
    write_whole(settings.output, json.dumps({"reports": measured, **machine}, indent=2).encode() + b"\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description="Verifying many runs.")
    parser.add_argument("--runs", type=positive, nargs="+", default=[2, 50, 200])
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-verify.json")
    return parser.parse_args(arguments)


def measure(root: Path, runs: int, rounds: int) -> dict[str, Any]:
    """Medians (seconds). Raises InputError if the report fails verification."""
    report = report_of_copies(ROOT, root, runs)
    times = [timed(report) for _ in range(rounds)]
    wall, cpu = (median(column) for column in zip(*times, strict=True))
    return {"runs": runs, "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def timed(report: Path) -> tuple[float, float]:
    """Seconds of wall time, and of CPU time."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline.cli.command_line", "verify", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise InputError(f"the report of copies does not hold: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report_of_copies(checkout: Path, root: Path, runs: int) -> Path:
    """Fills `root` with copies of a run; returns the folder of their report. Raises InputError."""
    if RUN not in read_yaml(checkout / "params.yaml")["runs"] or not (checkout / path_of(f"evaluate@{RUN}")).exists():
        raise InputError(f"{checkout}: no finished run {RUN}; `sresnet use quick` and `dvc repro` make it")
    root.mkdir()
    for name in SHARED:
        (root / name).symlink_to(checkout / name)
    (root / "params.yaml").write_text(parameters(checkout, runs), encoding="utf-8")
    (root / "records").mkdir()
    for stage in (f"download@{EXPERIMENT}", f"preprocess@{EXPERIMENT}", AGREEMENT_STAGE):
        shutil.copy(checkout / path_of(stage), root / "records")
    (root / MEASURED).parent.mkdir()
    shutil.copy(checkout / MEASURED, root / MEASURED)
    params = load_params(root / "params.yaml")
    current = [copy_run(checkout, root, run.seed) for run in params.runs.values()]
    audit = make_audit(params.profile, root / "paper" / "claims.yaml", root, current)
    report = root / "report"
    report.mkdir()
    if broken := write_report(audit, root, report):
        raise InputError(f"{checkout}: its run {RUN} is incomplete ({broken[0]}); `dvc repro` makes it again")
    return report


def parameters(checkout: Path, runs: int) -> str:
    """params.yaml with this number of seeds."""
    content, text = read_yaml(checkout / "params.yaml"), io.StringIO()
    content |= {part: {EXPERIMENT: content[part][EXPERIMENT]} for part in ("datasets", "experiments")}
    content["runs"] = {f"{EXPERIMENT}-{seed}": content["runs"][RUN] | {"seed": seed} for seed in range(runs)}
    YAML(typ="safe").dump(content, text)
    return text.getvalue()


def copy_run(checkout: Path, root: Path, seed: int) -> Path:
    """Writes artifacts, result and records of one seed; returns the result's path."""
    source, folder = (at / "artifacts" / EXPERIMENT / str(run) for at, run in ((checkout, 0), (root, seed)))
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "examples.parquet"):
        shutil.copy(source / name, folder)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config |= {"seed": seed, "identity": hashlib.sha256(f"{seed}".encode()).hexdigest()[:16]}
    copy_history(root, source, folder, config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    copy_predictions(source, folder, seed)
    result = copy_result(checkout, root, config)
    for stage in ("train", "evaluate"):
        copy_stage_record(checkout, root, stage, seed)
    return result


def copy_history(root: Path, source: Path, folder: Path, config: dict[str, Any]) -> None:
    """Writes history.csv with the digests of samples for this seed."""
    training, contents = training_config(config["training"]), read_contents(root / "data" / "arrow" / EXPERIMENT)
    ids, text = [one.id for one in contents["train"]], (source / "history.csv").read_text(encoding="utf-8")
    for epoch, row in enumerate(read_history(source / "history.csv")):
        batches = epoch_batches(np.arange(len(ids)), training, config["seed"], epoch)
        text = text.replace(row["samples_sha256"], epoch_digest(ids, batches))
    (folder / "history.csv").write_text(text, encoding="utf-8")


def copy_predictions(source: Path, folder: Path, seed: int) -> None:
    read = read_predictions(source / "predictions.parquet")
    noise = np.random.default_rng(seed).normal(size=read.voltage.shape) * NOISE * read.voltage.std() * (seed > 0)
    voltage = (read.voltage + noise).astype(np.float32)
    replace(read, about=replace(read.about, seed=seed), voltage=voltage).write(folder / "predictions.parquet")


def copy_result(checkout: Path, root: Path, config: dict[str, Any]) -> Path:
    folder = root / "artifacts" / EXPERIMENT / str(config["seed"])
    predictions, history = folder / "predictions.parquet", folder / "history.csv"
    record = read_record(checkout / "results" / EXPERIMENT / "0.json")
    digests = record.digests | {"identity": config["identity"], "predictions": sha256(predictions)}
    read = read_predictions(predictions)
    parts: dict[str, Any] = scored(read, config["training"], history)
    record = replace(record, seed=config["seed"], digests=digests, **parts)
    path = root / "results" / EXPERIMENT / f"{record.seed}.json"
    record.write(path)
    write_tables(record, read, history, path.with_suffix(""))
    return path


def copy_stage_record(checkout: Path, root: Path, stage: str, seed: int) -> None:
    def of_seed(file: FileDigest) -> FileDigest:
        path = file.path.replace(f"/{EXPERIMENT}/0", f"/{EXPERIMENT}/{seed}")
        return file if file.path.startswith("data/") else digest_of(path, (root / path).read_bytes())

    record, name = read_stage_record(checkout / path_of(f"{stage}@{RUN}")), f"{EXPERIMENT}-{seed}"
    reads, writes = ([of_seed(file) for file in files] for files in (record.reads, record.writes))
    replace(record, stage=f"{stage}@{name}", reads=reads, writes=writes).write(root / path_of(f"{stage}@{name}"))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
