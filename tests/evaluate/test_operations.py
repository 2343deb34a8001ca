"""Operation counts: by hand on a tiny layer, against a count over all pairs, and under each convention."""

import json
import re
from dataclasses import asdict, replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from models.residual import Downsampling, Layer, SpikingLayer
from pipeline.evaluate.observe import kinds_of, of_layer, of_linear, over_samples, work_of
from pipeline.evaluate.operations import Operations, Work, read_operations, summed_work
from pipeline.evaluate.record import read_record
from pipeline.ground.paths import ROOT
from tests.models.small import drawn, small_inputs, small_network
from tests.train.tiny import NETWORK

BY_HAND = Work(
    samples=10,
    inputs=100,
    nonzero=40,
    dense=1000,
    binary=30,
    graded=50,
    graded_units=70,
    real=20,
    normalized=12,
    neurons=8,
)


def pairs(conv: nn.Conv2d, values: Tensor) -> tuple[int, int]:
    """Nonzero inputs that meet nonzero weights, and all that meet, of (B, C, H, W): every pair looked at."""
    (stride, _), size, pad = conv.stride, conv.kernel_size[0], int(conv.padding[0])
    samples, channels, height, width = values.shape
    places = range((height + 2 * pad - size) // stride + 1)
    met = effective = 0
    for b, o, c, y, x, ky, kx in product(
        range(samples), range(conv.out_channels), range(channels), places, places, range(size), range(size)
    ):
        row, column = y * stride + ky - pad, x * stride + kx - pad
        if 0 <= row < height and 0 <= column < width:
            met += 1
            effective += int(values[b, c, row, column] != 0 and conv.weight[o, c, ky, kx] != 0)
    return effective, met


def layer_of_ones(inputs: int, outputs: int, stride: int) -> SpikingLayer:
    layer = SpikingLayer(NETWORK, inputs, outputs, stride=stride)
    nn.init.ones_(layer.conv.weight)
    return layer


def test_a_corner_an_edge_and_the_middle_by_hand() -> None:
    # 3 x 3 kernels on 4 x 4 pixels, 2 outputs: a corner meets 4 places, an edge 6, the middle 9.
    spikes = torch.zeros(1, 1, 1, 4, 4)
    for (row, column), places in {(0, 0): 4, (0, 1): 6, (1, 1): 9}.items():
        spikes.zero_()[..., row, column] = 1
        assert of_layer(layer_of_ones(1, 2, 1), spikes, 1).binary == 2 * places
    # A stride of 2 has its places around rows and columns 0 and 2.
    for (row, column), places in {(0, 0): 1, (0, 1): 2, (1, 1): 4, (3, 3): 1}.items():
        spikes.zero_()[..., row, column] = 1
        assert of_layer(layer_of_ones(1, 2, 2), spikes, 1).binary == 2 * places
    # All 16 pixels: (4 + 2 * 3)**2 = 100 places, each with 2 outputs.
    work = of_layer(layer_of_ones(1, 2, 1), spikes, 1)
    assert (work.dense, work.inputs, work.nonzero, work.normalized, work.neurons) == (200, 16, 1, 32, 32)


def test_the_kinds_by_hand() -> None:
    # Two steps of one sample: {0, 1}, then {0, 3}; one pixel in the middle, one in a corner, 9 + 4 places.
    values = torch.zeros(2, 1, 1, 4, 4)
    values[0, 0, 0, 1, 1] = values[0, 0, 0, 0, 0] = 1
    values[1, 0, 0, 1, 1] = values[1, 0, 0, 0, 0] = 3
    work = of_layer(layer_of_ones(1, 1, 1), values, 2)
    assert (work.binary, work.graded, work.graded_units, work.real, work.kind) == (13, 13, 39, 0, "graded")
    values[1, 0, 0, 1, 1] = 0.5
    work = of_layer(layer_of_ones(1, 1, 1), values, 2)
    assert (work.binary, work.graded, work.graded_units, work.real, work.kind) == (13, 0, 0, 13, "real")


def test_an_input_that_is_stored_once_counts_at_every_step() -> None:
    once = (drawn(1, 2, 1, 4, 4) > 0).float()
    stored, repeated = (
        of_layer(layer_of_ones(1, 3, 1), values, 5) for values in (once, once.expand(5, -1, -1, -1, -1))
    )
    assert stored == repeated


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("kind", [SpikingLayer, Downsampling])
def test_every_pair_is_counted(kind: type[Layer], stride: int, size: int) -> None:
    layer = kind(NETWORK, 2, 3, stride=stride) if kind is SpikingLayer else kind(NETWORK, 2, 3)  # type: ignore[call-arg]
    layer.conv.weight.data = drawn(*layer.conv.weight.shape) * (drawn(*layer.conv.weight.shape, seed=3) > 0)
    values = (drawn(1, 3, 2, size, size, seed=4) > 0.5).double()
    values = values.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (1, 3))
    work = of_layer(layer, values, 1)
    assert (work.binary, work.dense) == pairs(layer.conv, values[0])
    assert 0 < work.binary < work.dense


def test_a_linear_layer_by_hand() -> None:
    linear = nn.Linear(3, 2, bias=False)
    linear.weight.data = torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0]])
    work = of_linear(linear, torch.tensor([[[0.5, 1.0, 0.0]]]))
    assert (work.real, work.dense, work.nonzero, work.inputs) == (3, 6, 2, 3)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1], "binary"),
        ([-1, 0, 1], "binary"),
        ([0, 0], "binary"),
        ([0, 2], "graded"),
        ([-1, 3], "graded"),
        ([0, 1.5], "real"),
        ([1e-30, 0], "real"),
    ],
)
def test_kinds(values: list[float], kind: str) -> None:
    steps = torch.tensor([[values, [0] * len(values)], [[0] * len(values), values]], dtype=torch.float32)
    assert kinds_of(steps, (steps != 0).float()) == [kind, kind]


def test_sums_over_samples_are_exact() -> None:
    values = (drawn(3000, 7) > 0).float() * 7
    assert torch.equal(over_samples(values.unsqueeze(0)).long()[0], values.long().sum(0))


@pytest.mark.parametrize("frames", [False, True])
def test_a_network_is_watched_and_left_as_it_was(frames: bool) -> None:
    model = small_network(blocks=2, frames=frames, classes=5).eval()
    inputs = small_inputs(model)
    before = model.observe(inputs)
    with work_of(model, every=1) as work:
        seen = model.observe(inputs)
    again = model.observe(inputs)
    for other in (seen, again):
        assert torch.equal(other.voltage, before.voltage)
    names = ["stem", "blocks.0.first", "blocks.0.second", "blocks.1.first", "blocks.1.second", "blocks.2.first"]
    assert [*work][:6] == names
    assert len(work) == 1 + 6 * 2 + 2 + 1
    assert work["stem"].kind == "real"
    assert {work[name].kind for name in work if name.endswith(".second")} == {"binary"}
    assert work["blocks.1.first"].kind == "graded"
    assert work["blocks.4.first"].kind == "real"  # after a stage's shortcut, which has no neuron
    for name in seen.spikes:
        assert work[name].neurons == seen.neurons[name] * 4 * 3
        assert work[name].normalized == work[name].neurons
    # What goes into the second layer of a block are the spikes of the first.
    assert work["blocks.0.second"].nonzero == int(seen.spikes["blocks.0.first"].sum())


def test_layers_of_38_by_the_kind_of_their_input() -> None:
    model = small_network(blocks=6).eval()
    with work_of(model, every=1) as work:
        model.observe(small_inputs(model))
    kinds = {kind: [name for name in work if work[name].kind == kind] for kind in ("binary", "graded", "real")}
    assert kinds["binary"] == ["blocks.0.first", *(f"blocks.{index}.second" for index in range(18))]
    assert kinds["graded"] == [*(f"blocks.{index}.first" for index in range(1, 7)), "blocks.6.skip"]
    assert len(kinds["real"]) == 14


def test_every_fourth_sample_is_looked_at() -> None:
    model = small_network().eval()
    inputs = small_inputs(model, batch=10)
    with work_of(model) as work:
        model.observe(inputs)
    with work_of(model, every=1) as same:
        model.observe(inputs[[0, 4, 8]])
    assert work == same
    assert work["stem"].samples == 3


def test_parts_add_up() -> None:
    model = small_network().eval()
    inputs = small_inputs(model)
    works = []
    for batch in (inputs, inputs[:1], inputs[1:]):
        with work_of(model, every=1) as work:
            model.observe(batch)
        works.append(work)
    assert summed_work(works[1:]) == works[0]


def test_the_conventions_by_hand() -> None:
    operations = Operations(steps=4, layers={"a": BY_HAND, "b": replace(BY_HAND, real=0)})
    spikes, neurobench, graded, relu = operations.costs()
    assert (spikes.multiply_adds, spikes.additions) == (0, 18)
    assert (neurobench.multiply_adds, neurobench.additions) == (12, 6)
    assert (graded.multiply_adds, graded.additions) == (2, 20)
    assert (relu.multiply_adds, relu.additions) == (50, 0)
    assert neurobench.microjoules == pytest.approx((12 * 4.6 + 6 * 0.9) / 1e6)


def test_a_record_keeps_them() -> None:
    operations = Operations(steps=4, layers={"a": BY_HAND})
    assert read_operations(json.loads(json.dumps(operations.as_json()))) == operations
    assert read_operations(None) is None
    with pytest.raises(TypeError):
        read_operations({"steps": 1, "layers": {"a": {**asdict(BY_HAND), "more": 1}}})


def test_the_documentation_has_the_energy_of_the_recorded_results() -> None:
    """To a tenth: other processors train other weights, which fire a little more or less."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    names = ["every nonzero input taken for a spike", "NeuroBench", "a graded input taken for as many spikes"]
    stored = [read_record(ROOT / "results" / name / "0.json").operations for name in ("digits", "digits-dvs")]
    costs = [operations.costs() for operations in map(read_operations, stored) if operations]
    for name, both in zip([*names, "the same network with ReLU"], zip(*costs, strict=True), strict=True):
        (stated,) = re.findall(rf"^\| {name} \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
        assert [float(number) for number in stated] == pytest.approx([cost.microjoules for cost in both], rel=0.1)


def test_our_definitions_are_neurobenchs() -> None:
    """On a step-by-step form of the same network, in the same batches. Needs the extra `audit`."""
    pytest.importorskip("neurobench")
    from benchmarks.neurobench_operations import neurobench, ours

    for frames in (False, True):
        model = small_network(blocks=2, frames=frames).eval()
        model.blocks[0].first.conv.weight.data[0] = 0  # NeuroBench leaves zero weights out
        batches = [small_inputs(model), small_inputs(model, batch=3)]
        assert ours(model, batches) == neurobench(model, batches)


@pytest.mark.parametrize(
    ("shortcut", "downsampling", "kinds"),
    [
        ("spike-add", "real", {"binary", "graded", "real"}),
        ("spike-add", "spiking", {"binary", "graded"}),
        ("and", "spiking", {"binary"}),
        ("iand", "spiking", {"binary"}),
        ("or", "spiking", {"binary"}),
        ("vanilla", "real", {"binary"}),
        ("none", "real", {"binary"}),
        ("membrane", "real", {"binary", "real"}),
    ],
)
def test_what_each_shortcut_feeds_its_layers(shortcut: str, downsampling: str, kinds: set[str]) -> None:
    """Beside the first layer, which is given pixels, and the readout, which is given means."""
    model = small_network(shortcut=shortcut, downsampling=downsampling, blocks=2, width=4).eval()
    with work_of(model, every=1) as work:
        model.observe(small_inputs(model))
    layers = Operations(steps=3, layers=work).synaptic()
    assert {done.kind for name, done in layers.items() if name not in ("stem", "readout")} == kinds
    real = {name for name, done in layers.items() if done.kind == "real"} - {"stem", "readout"}
    assert shortcut != "membrane" or all(name.endswith("skip") for name in real)


def test_neurons_that_stand_alone_have_no_operations() -> None:
    """Vanilla has as many neurons as the authors' network, after its sums."""
    counted = {}
    for shortcut in ("spike-add", "vanilla"):
        model = small_network(shortcut=shortcut).eval()
        with work_of(model, every=1) as work:
            seen = model.observe(small_inputs(model))
        counted[shortcut] = Operations(steps=3, layers=work)
        assert set(seen.spikes) <= set(work)
    alone = counted["vanilla"].layers["blocks.0.leave"]
    assert (alone.dense, alone.inputs, alone.neurons) == (0, 0, 3 * 4 * 2 * 8 * 8)
    assert "blocks.0.leave" not in counted["vanilla"].synaptic()
    assert counted["vanilla"].total()["neurons"] == counted["spike-add"].total()["neurons"]
