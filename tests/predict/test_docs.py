"""The pages about using a trained network: their commands and their Python run, in the order of the page."""

import json
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import models
from models.sresnet import SResNet
from pipeline.cli.command_line import main
from pipeline.ground.params import PreprocessParams
from pipeline.ground.schema import as_json
from pipeline.preprocess.samples import reading_of
from tests.predict.networks import described
from tests.preprocess.made import record
from tests.train.tiny import NETWORK, write_split

DIGITS = [str(digit) for digit in range(10)]
DOCS = Path(__file__).resolve().parents[2] / "docs"
FRAMES = PreprocessParams(split="every-fifth-tests", shards=4, frames=8, size=64, compression="none", window=None)
pytestmark = pytest.mark.filterwarnings("ignore:the fused kernels support only", "ignore::DeprecationWarning")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages take for granted: untrained networks of the shapes of profile quick, and samples."""
    framing = as_json(reading_of(FRAMES, None))
    for name, shape, rule, parts in (
        ("digits", [1, 32, 32], None, {"time_steps": 4}),
        ("digits-dvs", [8, 2, 64, 64], framing, {"time_steps": 8}),
        ("chip", [8, 2, 64, 64], framing, {"time_steps": 8, "reset": "zero", "normalization": "bn"}),
    ):
        trained(tmp_path / "artifacts" / name / "0", shape, rule, parts)
        arrow, kind = tmp_path / "data" / "arrow" / name, "frames" if rule else "images"
        write_split(arrow, "test", kind, 3, tuple(shape), DIGITS)
    (tmp_path / "data" / "raw" / "digits-dvs" / "3").mkdir(parents=True)
    for seed in range(2):
        record(tmp_path / "data" / "raw" / "digits-dvs" / "3" / f"3_000{seed}.aedat", seed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.predict.network.ROOT", tmp_path)
    monkeypatch.setattr("pipeline.cli.export.arrow", lambda dataset: tmp_path / "data" / "arrow" / dataset)
    monkeypatch.setitem(sys.modules, "sresnet", models)
    return tmp_path


def trained(folder: Path, shape: list[int], framing: Any, parts: dict[str, Any]) -> None:
    """An untrained network where a training would have put one."""
    config = replace(NETWORK, **{"width": 8, **parts})
    channels, height, width = shape[-3:]
    model = SResNet(config, input_shape=(channels, height, width), classes=10, frames=framing is not None)
    model.reset_parameters(torch.Generator().manual_seed(0))
    model.inputs = described(DIGITS, shape, framing)
    model.save_pretrained(folder)
    content = json.loads((folder / "config.json").read_text()) | {"dataset": folder.parent.name}
    (folder / "config.json").write_text(json.dumps(content))


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and content of the page's blocks of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "files"),
    [
        ("classify.md", ["predictions.parquet"]),
        ("features.md", ["cups-backbone/model.safetensors"]),
        ("chip.md", ["export/stream/window.onnx", "export/chip/network.nir"]),
    ],
)
def test_a_page_runs_as_it_stands(page: str, files: list[str], checkout: Path) -> None:
    names: dict[str, Any] = {}
    ran = 0
    for language, content in blocks(page):
        if language == "python":
            exec(compile(content, page, "exec"), names)
            ran += 1
        for line in content.splitlines() if language == "sh" else []:
            command = shlex.split(line, comments=True)
            if command[0] == "sresnet":
                main(command[1:])
                ran += 1
            else:
                assert command[0] in ("make", "pip"), line  # tests/models/test_wheel.py
    assert ran >= 3
    assert [name for name in files if not (checkout / name).is_file()] == []
