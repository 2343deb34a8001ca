"""A small repository whose real stages run in this process, without Ray, DVC and git, and can be given faults.

`python -m tests.faults.lab STAGE...` runs stages of the repository in the working directory: its code too.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from ruamel.yaml import YAML

from pipeline.cluster import runs
from pipeline.download import embedded
from pipeline.evaluate.answers import ANSWERS, answers_of, write_answers
from pipeline.evaluate.predictions import read_predictions
from pipeline.evaluate.record import about_answers, read_record
from pipeline.ground import digests, lifetime, paths, stage
from pipeline.ground.files import sha256
from pipeline.ground.params import load_cluster, load_dataset
from pipeline.protocol import params
from pipeline.train import jobs
from stages import agreement, download, evaluate, preprocess, report
from stages import train as train_stage
from tests.verify.forger import mend

CODE = ("models", "pipeline", "stages", "tests")
CPU = torch.device("cpu")
SIGNALS = ("WARNING: ", "error: ")
Edit = Callable[[Any], None]


@dataclass
class Lab:
    """A repository, and what its stages said aloud."""

    root: Path
    clean: Path
    """The repository as it was before anything was planted: what the auditor has."""
    said: list[str] = field(default_factory=list)
    key: Path | None = None
    """Public key that the auditor asks for."""
    library: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Within it, an installed library is another."""

    @property
    def report(self) -> Path:
        return self.root / "report"

    def arrow(self) -> Path:
        """Shards of the only dataset."""
        return next((self.root / "data" / "arrow").iterdir())

    def artifacts(self, seed: int) -> Path:
        return self.root / "artifacts" / self.experiment / str(seed)

    @property
    def experiment(self) -> str:
        return next(iter(read(self.root / "params.yaml")["experiments"]))

    @property
    def runs(self) -> list[str]:
        return list(read(self.root / "params.yaml")["runs"])

    def stage(self, name: str) -> None:
        """Runs one stage as `python -m stages...` does, in this process."""
        heard = io.StringIO()
        with inside(self.root), redirect_stderr(heard), redirect_stdout(io.StringIO()):
            try:
                run(name)
            except SystemExit:
                pass
            finally:
                self.said += [line for line in heard.getvalue().splitlines() if line.startswith(SIGNALS)]

    def after(self, first: str) -> None:
        """Runs all stages from the first of this name on, for example evaluate."""
        names = [f"{name}@{data.name}" for data in [self.arrow()] for name in ("download", "preprocess")]
        names += [f"{name}@{key}" for name in ("train", "evaluate") for key in self.runs]
        names += ["agreement", "report"]
        start = next(place for place, name in enumerate(names) if name.startswith(first))
        for name in names[start:]:
            if not any(line.startswith("error: ") for line in self.said):
                self.stage(name)

    def only(self, *seeds: int) -> None:
        """Keeps these runs: what is trained anew takes time."""
        others = [name for name in self.runs if int(name.rpartition("-")[2]) not in seeds]
        edit_yaml(self.root / "params.yaml", lambda content: _without(content["runs"], others))
        for name in others:
            seed = name.rpartition("-")[2]
            (self.root / "results" / self.experiment / f"{seed}.json").unlink()
            shutil.rmtree(self.artifacts(int(seed)))

    def in_its_code(self, *arguments: str) -> str:
        """What a command says that runs with the repository's own code."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=False,
        )
        if "Traceback" in done.stderr or "No module" in done.stderr:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return done.stdout + done.stderr

    def mend(self) -> None:
        """Makes every digest fit what lies there, as a careful forger does: records, results and crate."""
        for seed in (name.rpartition("-")[2] for name in self.runs):
            result = self.root / "results" / self.experiment / f"{seed}.json"
            own = self.artifacts(int(seed))
            made = {"model": sha256(own / "model.safetensors"), "predictions": sha256(own / "predictions.parquet")}
            edit_json(result, partial(_update_digests, made), lines=True)
            record, predictions = read_record(result), read_predictions(own / "predictions.parquet")
            write_answers(answers_of(predictions), about_answers(record), result.with_suffix("") / ANSWERS)
            edit_json(own / "config.json", partial(_mend_config, own))
        for path in (self.root / "records").glob("*.json"):
            edit_json(path, self._mend_record)
        with inside(self.root), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            run("report")  # whoever plants the fault runs it again and hears what it says

    def mend_report(self) -> None:
        """The same in the report's folder alone, where the copies stand."""
        stages = sorted((path.stem for path in self.report.glob("evidence/records/*")), key=_place)
        mend(self.report, stages)

    def _mend_record(self, record: Any) -> None:
        for file in (*record["reads"], *record["writes"]):
            self._mend_file(file, self.root / file["path"])

    @staticmethod
    def _mend_file(file: Any, path: Path) -> None:
        if path.is_file():
            file |= {"sha256": sha256(path), "bytes": path.stat().st_size}


def new_lab(root: Path, content: dict[str, Any], claims: dict[str, Any]) -> Lab:
    """A repository with these parameters and claims, whose code is that of this one."""
    root.mkdir(parents=True)
    for name in (*CODE, "dvc.yaml", "CITATION.cff"):
        (root / name).symlink_to(Path(__file__).resolve().parents[2] / name)
    (root / "paper" / "golden").mkdir(parents=True)
    for file in (Path(__file__).resolve().parents[2] / "paper" / "golden").iterdir():
        (root / "paper" / "golden" / file.name).symlink_to(file)
    (root / "results").mkdir()
    write(root / "params.yaml", content)
    write(root / "paper" / "claims.yaml", claims)
    return Lab(root=root, clean=root)


def copy_of(clean: Path, root: Path) -> Lab:
    """The repository once more, to be made wrong."""
    shutil.copytree(clean, root, symlinks=True)
    return Lab(root=root, clean=clean)


def read(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        return YAML(typ="safe").load(file)


def write(path: Path, content: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


def edit_yaml(path: Path, edit: Edit) -> None:
    content = read(path)
    edit(content)
    write(path, content)


def edit_json(path: Path, edit: Edit, *, lines: bool = False) -> None:
    """`lines`: a part a line, as results are written."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items()] if lines else []
    text = "{\n" + ",\n".join(parts) + "\n}\n" if lines else json.dumps(content, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")


def _without(values: dict[str, Any], names: list[str]) -> None:
    for name in names:
        del values[name]


def _mend_config(folder: Path, config: Any) -> None:
    config["sha256"] = {name: sha256(folder / name) for name in config["sha256"]}


def _place(stage: str) -> tuple[int, str, int]:
    """Of a stage in the chain: those of the datasets, those of the runs, the report."""
    kind, _, key = stage.partition("@")
    order = ("download", "preprocess", "train", "evaluate", "agreement", "report").index(kind)
    return order // 2, key, order


def _update_digests(made: dict[str, str], record: Any) -> None:
    record["digests"].update(made)


def run(name: str) -> None:
    """A stage by its name in dvc.yaml, recorded as always."""
    kind, _, key = name.partition("@")
    mains: dict[str, Callable[[str], stage.Done | None]] = {
        "download": download.download,
        "preprocess": preprocess.main,
        "train": train_stage.main,
        "evaluate": evaluate.main,
        "agreement": lambda key: agreement.main(),
        "report": lambda key: report.main(),
    }
    stage.run_stage(name, lambda: mains[kind](key))


@contextmanager
def inside(root: Path) -> Iterator[None]:
    """Within it, stages and auditor work below `root`, in this process."""
    path = root / "params.yaml"
    load, load_run = params.load_params, params.load_run
    places = {name: root / name.lower() for name in ("RESULTS", "REPORT", "RUNS")}
    places |= {"ROOT": root, "PARAMS": path, "CLAIMS": root / "paper" / "claims.yaml"}
    of_dataset = {"load_dataset": lambda name: load_dataset(name, path)}
    of_cluster = {"load_cluster": lambda: load_cluster(path)}
    of_run = of_cluster | {"load_run": lambda name: load_run(name, path)}
    patches: list[tuple[Any, dict[str, Any]]] = [
        (paths, places),
        (stage, {"ROOT": root, "RUNS": root / "runs"}),
        (lifetime, {"RUNS": root / "runs"}),
        (digests, {"BOOK": root / "runs" / "digests.json"}),
        (runs, {"ROOT": root, "RUNS": root / "runs"}),
        (params, {"load_params": lambda path=path: load(path)}),
        (download, of_dataset),
        (preprocess, of_dataset | of_cluster),
        (jobs, of_run),
        (evaluate, of_run),
        (embedded, {"_processes": Here}),
    ]
    with ExitStack() as stack:
        for module, values in patches:
            stack.enter_context(patch.multiple(module, **values))
        yield


class Here:
    """A pool of this process alone."""

    @staticmethod
    def map(work: Callable[..., None], *values: Any, chunksize: int) -> Iterator[None]:
        return map(work, *values)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    here = Lab(root=Path.cwd(), clean=Path.cwd())
    for one in sys.argv[1:]:
        here.stage(one)
    print("\n".join(here.said))
    sys.exit(any(line.startswith("error: ") for line in here.said))
