"""`sresnet predict`: classifies files by a trained network."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.names import shown
from pipeline.ground.progress import progress
from pipeline.predict.files import Files
from pipeline.predict.network import trained_network
from pipeline.predict.predict import Prediction, predicted
from pipeline.predict.table import written_predictions

_BEST = 3
"""Number of classes that a line names."""


def predict(network: str, files: list[str], out: Path | None, *, as_json: bool) -> None:
    """Prints the classes of the files, or writes them to `out`. Raises InputError that names every wrong file."""
    if out is not None and out.is_dir():
        raise InputError(f"{out}: a folder; name a file to write, such as {out / 'predictions.parquet'}")
    trained = trained_network(network)
    reader = Files(trained)
    streamed = files == ["-"]
    paths = reader.found(_lines() if streamed else files)
    known = None if streamed else list(paths)
    classes, seen = trained.inputs.classes, Counter[str]()
    with progress("predict", total=None if known is None else len(known), unit="files") as bar:
        found = predicted(trained, reader.samples(paths if known is None else known, bar.update))
        for one in found if out is None else written_predictions(found, classes, out):
            seen[one.class_name] += 1
            if as_json:
                print(json.dumps(_as_json(one, classes)))
            elif out is None:
                print(_line(one, classes))
    _tell(reader, seen, out)


def _lines() -> Iterator[str]:
    """The paths in standard input, one per line; bytes, because a name need not be UTF-8."""
    return (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())


def _as_json(one: Prediction, classes: list[str]) -> dict[str, object]:
    likely = dict(zip(classes, map(float, one.probabilities), strict=True))
    return {"sample": shown(one.sample), "class": one.class_name, "probabilities": likely}


def _line(one: Prediction, classes: list[str]) -> str:
    best = one.probabilities.argsort()[::-1][:_BEST]
    ranked = "  ".join(f"{shown(classes[place])}: {100 * one.probabilities[place]:4.1f} %" for place in best)
    return f"{shown(one.sample)}  {ranked}"


def _tell(reader: Files, seen: Counter[str], out: Path | None) -> None:
    by_class = ", ".join(f"{shown(name)}: {number:,}" for name, number in seen.most_common())
    where = f" -> {out}" if out and seen else ""
    print(f"{seen.total():,} sample(s) of {reader.read:,} file(s): {by_class or 'none'}{where}", file=sys.stderr)
    if reader.left_out:
        kinds = ", ".join(f"{number:,} {shown(kind)}" for kind, number in sorted(reader.left_out.items()))
        print(f"left out in the folders: {kinds}", file=sys.stderr)
    reader.check_read()
    if not seen:
        raise InputError("no files to classify; name files or folders, or `-` for a list of files in standard input")
