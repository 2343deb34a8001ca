"""A checkpoint of the authors has the accuracy of the same network in our format. Unsuitable files are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.sresnet import SResNet
from pipeline.authors import published
from pipeline.authors.checkpoint import AUTHORS_LEAK, parameter_names
from pipeline.authors.published import PROTOCOL, Audited, audit_checkpoint, audit_text, says
from pipeline.data.store import VERSION, Manifest, Row, Store, rows_digest, shard_name, write_manifest, write_shard
from pipeline.evaluate.predictions import read_predictions
from pipeline.ground.errors import InputError
from pipeline.protocol.inputs import prepare
from tests.train.tiny import NETWORK, ONE

SAMPLES = 50
SHAPES = {"images": [3, 32, 32], "frames": [2, 2, 64, 64]}


def network(kind: str, *, boosting: bool = False) -> SResNet:
    """A network of drawn weights whose running statistics and biases are not those of an empty one."""
    config = replace(NETWORK, readout="boosting" if boosting else "mean-voltage")
    model = SResNet(config, input_shape=tuple(SHAPES[kind][-3:]), classes=10, frames=kind == "frames")
    model.reset_parameters(torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(4)
    for name, value in model.state_dict().items():
        if ".norm." in name:
            value.add_(0.3 * torch.rand(value.shape, generator=generator))
    return model


def under_their_names(model: SResNet) -> dict[str, Tensor]:
    """As their train.py writes it: wrapped, and some layers twice."""
    values = model.state_dict()
    theirs = {
        name: values[ours][t] if ".norm." in ours else values[ours]
        for ours, names in parameter_names(model).items()
        for t, name in enumerate(names)
    }
    twice = {"conv1." + name[12:]: value for name, value in theirs.items() if name.startswith("conv_list.0.")}
    counters = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(7) for name in theirs if "mean" in name
    }
    return {f"module.{name}": value.clone() for name, value in (theirs | twice | counters).items()}


def checkpoint(folder: Path, model: SResNet) -> Path:
    path = folder / "best.pth.tar"
    torch.save({"epoch": 70, "accuracy": 0.9, "state_dict": under_their_names(model)}, path)
    return path


def split(folder: Path, kind: str, *, classes: int = 10, title: str = "CIFAR-10") -> Path:
    """A test split of random pixels."""
    drawn = np.random.default_rng(5).integers(0, 256, (SAMPLES, *SHAPES[kind]), dtype=np.uint8)
    made = [
        Row(id=f"{index:03}", label=index % classes, pixels=pixels, source_sha256="0" * 64)
        for index, pixels in enumerate(drawn)
    ]
    write_shard(made, folder / shard_name("test", 0, 1), kind, "none", {})
    manifest = Manifest(
        version=VERSION,
        dataset="made",
        title=title,
        note="random pixels",
        licence="made",
        citation="made",
        published=False,
        kind=kind,  # type: ignore[arg-type] # one of two
        split="test",
        split_rule="none",
        framing_rule=None,
        scale=1 / 255,
        classes=[str(label) for label in range(classes)],
        sample_shape=SHAPES[kind],
        shards=1,
        rows=SAMPLES,
        rows_per_class=[SAMPLES // classes] * classes,
        digest=rows_digest(row.digest() for row in made),
    )
    write_manifest(manifest, folder)
    return folder


def audited(folder: Path, kind: str, model: SResNet) -> tuple[Audited, Path]:
    return audit_checkpoint(
        checkpoint(folder, model), split(folder / "data", kind), "made", AUTHORS_LEAK, ONE, folder / "results"
    )


@pytest.mark.parametrize(("kind", "boosting"), [("images", False), ("images", True), ("frames", False)])
def test_the_accuracy_is_that_of_our_own_network(tmp_path: Path, kind: str, boosting: bool) -> None:
    model = network(kind, boosting=boosting)
    found, folder = audited(tmp_path, kind, model)
    store = Store(tmp_path / "data", "test")
    protocol = PROTOCOL if kind == "images" else replace(PROTOCOL, pixel_mean=(), pixel_std=())
    with torch.no_grad():
        logits = model.eval()(prepare(store.read(np.arange(SAMPLES)), store.scale, protocol, torch.device("cpu")))
    right = logits.argmax(1).numpy() == store.labels
    assert 0 < right.sum() < SAMPLES
    assert found.test["correct"] == right.sum()
    assert found.protocols["every_test_sample"] == pytest.approx(100 * right.mean())
    assert found.protocols["full_batches_only"] == pytest.approx(100 * right[:42].mean())
    voltage = read_predictions(folder / "predictions.parquet").voltage
    assert np.allclose(voltage[:, -1] / NETWORK.time_steps, logits.numpy(), atol=1e-5)
    assert json.loads((folder / "record.json").read_text())["test"]["correct"] == right.sum()
    assert found.network["readout"] == ("boosting" if boosting else "mean-voltage")


def test_what_is_said(tmp_path: Path) -> None:
    text = audit_text(*audited(tmp_path, "images", network("images")))
    assert "best.pth.tar: S-ResNet8, 2 filters, T = 2, mean-voltage" in text
    assert "cifar10-accuracy, printed 94.14 %: the printed number lies above the 95 % interval" in text
    assert "CIFAR-10 is not the published data (random pixels)" in text
    assert "it says nothing of other seeds" in text


@pytest.mark.parametrize(
    ("every", "batches", "text"),
    [
        (94.14, 94.2, "the printed number, counted as every"),
        (72.9, 72.9814, "not the printed number, but that lies within"),
        (90.0, 94.1377, "the printed number, counted as full"),
        (94.144, 94.136, "the printed number, counted as every and as full"),
        (80.0, None, "the printed number lies above"),
        (99.9, None, "the printed number lies below"),
    ],
)
def test_a_printed_number(every: float, batches: float | None, text: str) -> None:
    number = "72.97 %" if every < 73 else "94.14 %"
    assert says(number, {"every": every, "full": batches}, every - 1, every + 1).startswith(text)


@pytest.mark.parametrize(
    ("kind", "classes", "message"),
    [
        (
            "frames",
            10,
            r"samples of shape \[3, 32, 32\], but those of CIFAR-10 have \[2, 2, 64, 64\]",
        ),
        ("images", 5, r"10 outputs, but CIFAR-10 has 5 classes"),
    ],
)
def test_data_that_do_not_fit(tmp_path: Path, kind: str, classes: int, message: str) -> None:
    data = split(tmp_path / "data", kind, classes=classes)
    with pytest.raises(InputError, match=message):
        audit_checkpoint(checkpoint(tmp_path, network("images")), data, "made", AUTHORS_LEAK, ONE, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    store = Store(split(tmp_path / "data", "images"), "test")
    with pytest.raises(InputError, match=r"absent\.tar: not found"):
        published.fitting(tmp_path / "absent.tar", store, AUTHORS_LEAK)
    (tmp_path / "text.tar").write_text("text")
    with pytest.raises(InputError, match=r"text\.tar: not a checkpoint, damaged"):
        published.fitting(tmp_path / "text.tar", store, AUTHORS_LEAK)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.tar")
    with pytest.raises(InputError, match=r"other\.tar: not a checkpoint of the authors"):
        published.fitting(tmp_path / "other.tar", store, AUTHORS_LEAK)


def test_a_number_beyond_float32_is_an_error_and_not_infinity(tmp_path: Path) -> None:
    model = network("images").double()
    model.readout.linear.weight.data[0, 0] = 1e39
    data = split(tmp_path / "data", "images")
    with pytest.raises(InputError, match=r"readout\.linear\.weight as float32: 1 of \d+ values are NaN or infinite"):
        audit_checkpoint(checkpoint(tmp_path, model), data, "made", AUTHORS_LEAK, ONE, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_failed_audit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on the device")

    monkeypatch.setattr(published, "write_whole", full)
    with pytest.raises(OSError, match="no space left"):
        audited(tmp_path, "images", network("images"))
    assert not (tmp_path / "results").exists()
