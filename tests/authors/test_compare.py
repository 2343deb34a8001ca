"""An introduced spike flip is found in its place, with its margin. A computation compared with itself has no flips."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models import checkpoint
from models.normalization import EPSILON
from models.sresnet import SResNet
from pipeline.authors.compare import Comparison, compare, first_flip, flip_table, flips_of, in_precision, pair, rate
from pipeline.cli.command_line import main
from tests.models.small import small_inputs, small_network

REFERENCE = ("reference", "reference")
LEAK = 0.8744


def stem_that_shows_the_image() -> SResNet:
    """In evaluation: the first channel of the first layer is driven by the first channel of the image, others by 0."""
    model = small_network().eval()
    with torch.no_grad():
        model.stem.conv.weight.zero_()
        model.stem.conv.weight[0, 0, 1, 1] = 1.0
        model.stem.norm.running_var.fill_(1.0 - EPSILON)
    return model


def images_with_one_pixel() -> Tensor:
    images = torch.zeros(2, 3, 8, 8).double()
    images[1, 0, 2, 3] = 0.95
    return images


def test_a_planted_flip_is_found_with_its_margin() -> None:
    """One pixel drives with 0.95, in the other network with 0.1 more at step 0. Before the reset its membranes are

    0.95, then 0.95 leak + 0.95 = 1.78, then 0.78 leak + 0.95 = 1.63: fires at steps 1 and 2;
    1.05, then 0.05 leak + 0.95 = 0.99, then 0.99 leak + 0.95 = 1.82: fires at steps 0 and 2.
    """
    exact, other = stem_that_shows_the_image(), stem_that_shows_the_image()
    with torch.no_grad():
        other.stem.norm.bias[0, 0] += 0.1
    found = compare(exact, other, images_with_one_pixel(), implementations=REFERENCE)
    for layers in (found.alone, found.free):
        assert [layer.layer for layer in layers][:3] == ["stem", "blocks.0.first", "blocks.0.second"]
        stem = layers[0]
        assert (stem.neurons, stem.spikes, stem.flips) == (2 * 2 * 8 * 8, 2, (1, 1, 0))
        assert stem.rate == 2 / (3 * 256)
        assert stem.first is not None
        assert replace(stem.first, margin=0).__dict__ == {
            "step": 0, "sample": 1, "channel": 0, "row": 2, "column": 3, "margin": 0
        }  # fmt: skip
        assert stem.first.margin == pytest.approx(0.05, rel=1e-9)
        assert stem.greatest_margin == pytest.approx(0.05, rel=1e-9)
        assert first_flip(layers) == ("stem", stem.first)
    assert not any(any(layer.flips) for layer in found.alone[1:])


def test_a_flip_in_the_middle_leaves_what_comes_before_it_alone() -> None:
    """Channel 1 is driven by 0.5: 0.5, 0.9372 without a spike; with 0.1 more at step 1, a spike at every pixel."""
    exact, other = small_network().eval(), small_network().eval()
    for model in (exact, other):
        with torch.no_grad():
            norm = model.get_submodule("blocks.1.first").norm
            norm.gain.zero_()
            norm.bias[:, 1] = torch.tensor([0.5, 0.5, 0.0])
    with torch.no_grad():
        other.get_submodule("blocks.1.first").norm.bias[1, 1] += 0.1
    found = compare(exact, other, small_inputs(exact), implementations=REFERENCE)
    at = [layer.layer for layer in found.alone].index("blocks.1.first")
    assert [sum(layer.flips) for layer in found.alone] == [4 * 4 * 4 if i == at else 0 for i in range(7)]
    assert not any(any(layer.flips) for layer in found.free[:at])
    assert found.free[at] == found.alone[at]
    assert any(any(layer.flips) for layer in found.free[at + 1 :])
    name, flip = first_flip(found.free) or ("", None)
    assert name == "blocks.1.first"
    assert flip is not None
    assert (flip.step, flip.sample, flip.channel, flip.row, flip.column) == (1, 0, 1, 0, 0)
    assert flip.margin == pytest.approx(1 - 0.5 * LEAK - 0.5, rel=1e-9)
    assert rate(found.alone) == 64 / (3 * sum(layer.neurons for layer in found.alone))


def test_flips_are_counted_by_step_and_the_reset_is_not_taken_for_a_margin() -> None:
    """Neuron 0 flips at steps 1 and 2, neuron 1 at step 2: the margins that count are those of (1, 0) and (2, 1)."""
    spikes = torch.zeros(3, 1, 2, 1, 1, dtype=torch.bool)
    others = spikes.clone()
    others[1, 0, 0] = others[2] = True
    margins = torch.tensor([[0.9, 0.9], [0.1, 0.9], [0.8, 0.2]]).view(3, 1, 2, 1, 1)
    found = flips_of("stem", spikes, others, lambda: margins)
    assert found.flips == (0, 1, 2)
    assert found.greatest_margin == pytest.approx(0.2)
    assert found.first is not None
    assert (found.first.step, found.first.channel) == (1, 0)
    assert found.first.margin == pytest.approx(0.1)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("parts", [{}, {"frames": True}, {"encoding": "poisson"}, {"normalization": "bn"}])
def test_the_same_computation_has_no_flips_and_leaves_the_network_alone(
    parts: dict[str, object], training: bool
) -> None:
    model = small_network(**parts).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = compare(model, model, small_inputs(model), implementations=REFERENCE)
    assert [sum(layer.flips) for layer in found.free + found.alone] == [0] * 14
    assert all(layer.first is None for layer in found.alone)
    assert found.alone[0].spikes > 0
    assert first_flip(found.free) is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_each_network_is_computed_by_its_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes whose neurons never fire, in the place of the CPU's: each spike is a flip."""
    from models.kernels import cpu, reference

    def silent(currents: Tensor, scale: Tensor, shift: Tensor, skip: Tensor | None, leak: float | None) -> Tensor:
        return torch.zeros(len(scale), *currents.shape[1:], dtype=currents.dtype) if skip is None else skip.clone()

    model = small_network().eval()
    monkeypatch.setattr(cpu, "fire", silent)
    for name in ("cpu", None):
        found = compare(model, model, small_inputs(model), implementations=("reference", name))
        assert all(sum(layer.flips) == layer.spikes for layer in found.alone)
        assert sum(found.free[0].flips) == found.free[0].spikes > 0
    monkeypatch.setattr(reference, "fire", silent)
    assert compare(model, model, small_inputs(model), implementations=("reference", "cpu")).free[0].spikes == 0


def test_rounding_flips_spikes_near_the_threshold() -> None:
    """bfloat16 has 8 bits: what flips first lies within some units of 2^-8 of the threshold."""
    model = small_network(width=8).float()
    exact, other, _ = pair(model, "bfloat16")
    assert (exact.activations(), other.activations()) == (torch.float32, torch.bfloat16)
    found = compare(exact, other, small_inputs(model, 16).float(), implementations=REFERENCE)
    assert 0 < rate(found.alone) < 0.01
    assert 0 < max(layer.greatest_margin for layer in found.alone) < 0.1
    assert rate(found.free) > rate(found.alone)


def test_float64_is_the_more_exact_computation() -> None:
    exact, other, implementations = pair(small_network(), "float64")
    assert (exact.activations(), other.activations()) == (torch.float64, torch.float32)
    assert implementations == ("reference", None)


@pytest.mark.filterwarnings("ignore:the fused kernels support only")
@pytest.mark.parametrize(
    ("part", "reason"), [({"shortcut": "vanilla"}, "shortcut vanilla"), ({"reset": "zero"}, "reset zero")]
)
def test_layers_that_cannot_be_watched_alone_are_refused(part: dict[str, str], reason: str) -> None:
    model = small_network(**part)
    with pytest.raises(ValueError, match=f"not with {reason}"):
        compare(model, model, small_inputs(model))


def test_a_shortcut_of_spikes_is_compared() -> None:
    model = small_network(shortcut="iand", downsampling="spiking").eval()
    comparison = compare(model, model, small_inputs(model))
    assert sum(layer.spikes for layer in comparison.free) > 0
    assert sum(sum(layer.flips) for layer in (*comparison.free, *comparison.alone)) == 0


def test_two_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="two different networks"):
        compare(small_network(), small_network(leak=0.5), small_inputs(small_network()))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint.save_network(small_network().float(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = np.random.default_rng(0).normal(size=(3, 3, 8, 8))
    np.save(tmp_path / "inputs.npy", inputs)
    output = tmp_path / "flips.json"
    given = [f"--inputs={tmp_path / 'inputs.npy'}", "--images=2", f"--output={output}"]
    main(["compare-spikes", str(saved), "--against=bfloat16", *given])
    model = in_precision(checkpoint.load_network(saved), "float32").eval()
    expected = compare(model, in_precision(model, "bfloat16"), torch.from_numpy(inputs[:2]).float())
    assert capsys.readouterr().out == flip_table(expected) + "\n"
    written = json.loads(output.read_text())
    assert [layer["flips"] for layer in written["free"]] == [list(layer.flips) for layer in expected.free]


def test_the_table_has_all_layers_and_steps() -> None:
    exact, other = stem_that_shows_the_image(), stem_that_shows_the_image()
    with torch.no_grad():
        other.stem.norm.bias[0, 0] += 0.1
    found = compare(exact, other, images_with_one_pixel(), implementations=REFERENCE)
    lines = flip_table(Comparison(alone=found.alone[:1], free=found.free[:1])).splitlines()
    assert lines[1].split() == ["stem", "2", "2", "2604.2", "0", "5.0e-02", "5.0e-02", "2", "2604.2"]
    assert lines[2].split() == ["all", "2", "2", "2604.2", "2", "2604.2"]
    assert lines[3] == "alone, flips of each time step: 1 1 0"
    assert lines[4] == "alone, first flip: stem, step 0, sample 1, channel 0, row 2, column 3, margin 5.0e-02"
    assert "first flip: none" in flip_table(compare(exact, exact, images_with_one_pixel(), implementations=REFERENCE))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing.safetensors"], "missing.safetensors"),
        (["model.safetensors", "--images=0"], "--images must be at least 1, not 0"),
        (["model.safetensors", "--inputs=missing.npy"], "missing.npy"),
        (["model.safetensors", "--inputs=wrong.npy"], "wrong.npy: float64 of shape (2, 8, 8); expected numbers of"),
        (["model.safetensors", "--inputs=damaged.npy"], "damaged.npy"),
        (["model.safetensors", "--inputs=several.npz"], "several.npz: not an array (.npy), or damaged"),
        (["half.safetensors"], "half.safetensors: tensor stem.conv.weight: F16 of shape"),
        (["relu.safetensors"], "spikes can be compared only if neurons are part of a layer"),
    ],
)
def test_what_cannot_be_read_is_one_error(
    arguments: list[str],
    named: str,
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    np.save(tmp_path / "wrong.npy", np.zeros((2, 8, 8)))
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY")
    np.savez(tmp_path / "several.npz", one=np.zeros(2))
    checkpoint.save_network(small_network().half(), tmp_path / "half.safetensors")
    checkpoint.save_network(small_network(neuron="relu", time_steps=1).float(), tmp_path / "relu.safetensors")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["compare-spikes", *arguments])
    shown = str(stop.value.code)
    assert named in shown
    assert shown.startswith("error: ")
    assert shown.count("error: ") == 1
