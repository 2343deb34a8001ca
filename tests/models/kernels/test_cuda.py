"""The kernels for GPUs compute what the reference does: on a GPU, or without one in Triton's interpreter.

The interpreter shows that indices, masks and arithmetic are right. That the compiler takes the kernels is a test of its
own; races and speed are seen on a GPU only.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.kernels import reference
from models.kernels.choice import chosen, implementation
from models.surrogate import AUTHORS, Surrogate
from models.surrogate import SHAPES as SURROGATES
from pipeline.authors.checkpoint import from_authors
from pipeline.authors.recorded import recorded_network
from pipeline.authors.replay import by_name, deviation
from pipeline.ground.paths import ROOT
from tests.models.kernels.plain import Case
from tests.models.small import drawn, normalized

pytest.importorskip("triton", reason="comes with torch for CUDA only")
from models.kernels import cuda, triton_kernels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LEAKS = (None, 0.0, 1.0, 0.8744)
SHAPES = [
    (3, 3, 37, 5),
    (3, 1, 37, 5),
    (1, 1, 1, 1),
    (2, 1, 129, 7),
]
"""T, S, P, C."""
WIDE = (2, 2, 67, 67)
"""Two tiles of channels, nine of pixels: two blocks of moments."""
Shape = tuple[int, int, int, int]


def computed(
    name: str, shape: Shape, leak: float | None, skip: bool, dtype: torch.dtype, surrogate: Surrogate = AUTHORS
) -> dict[str, Tensor]:
    """What the four passes of an implementation return for the same numbers."""
    steps, stored, pixels, channels = shape
    statistics = reference.statistics_type(dtype)
    currents = (drawn(stored, pixels, channels) * 2 + torch.arange(channels) % 3).to(DEVICE, dtype)
    grad, joined = (drawn(steps, pixels, channels, seed=seed).to(DEVICE, dtype) for seed in (3, 4))
    scale, shift, mean = (drawn(steps, channels, seed=seed).to(DEVICE, statistics) for seed in (5, 6, 7))
    with implementation(name):
        passes = chosen(currents, "triangle")
    found = dict(zip(("mean", "deviations"), passes.moments(currents), strict=True))
    found["fired"] = passes.fire(currents, scale + 1.5, shift, joined if skip else None, leak)
    sums = passes.fire_backward(grad, currents, scale + 1.5, shift, mean, leak, surrogate)
    found |= dict(zip(("driven", "total", "centred"), sums, strict=True))
    return found | {"combined": passes.combine(grad.clone(), currents, scale, shift, mean)}


def differing(found: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> list[str]:
    """What differs by more than `limit` times the largest value, or is of another type or shape."""
    assert found.keys() == expected.keys()
    kinds = [key for key in found if (found[key].dtype, found[key].shape) != (expected[key].dtype, expected[key].shape)]
    pairs = {key: (found[key].double(), expected[key].double()) for key in found if key not in kinds}
    far = [key for key, (one, other) in pairs.items() if (one - other).abs().max() > limit * max(1, other.abs().max())]
    return kinds + far


@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_in_float64(name: str) -> None:
    surrogate = Surrogate(shape=name, height=0.7, width=0.6)
    found, expected = (
        computed(module, (3, 3, 37, 5), 0.8744, True, torch.float64, surrogate) for module in ("cuda", "reference")
    )
    assert not differing(found, expected, 1e-12)


def test_the_kernels_are_those_asked_for() -> None:
    """And run in the interpreter where there is no GPU."""
    with implementation("cuda"):
        assert chosen(torch.zeros(1), "triangle") is cuda
    assert (type(triton_kernels.fire).__name__ == "InterpretedFunction") == (DEVICE == "cpu")


@pytest.mark.parametrize(
    ("shape", "leak", "skip"), [*product(SHAPES, LEAKS, (True, False)), (WIDE, 0.8744, True)], ids=str
)
def test_passes_in_float64(shape: Shape, leak: float | None, skip: bool) -> None:
    given = (shape, leak, skip, torch.float64)
    assert not differing(computed("cuda", *given), computed("reference", *given), 1e-10)


@pytest.mark.parametrize("leak", [None, 0.8744])
@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 2 * 2.0**-7)], ids=str)
def test_passes_in_smaller_types(shape: Shape, leak: float | None, dtype: torch.dtype, limit: float) -> None:
    """To two units in the last place of bfloat16: the interpreter cuts off where a GPU rounds. Sums are float32."""
    given = (shape, leak, True, dtype)
    found = computed("cuda", *given)
    assert not differing(found, computed("reference", *given), limit)
    assert {found[key].dtype for key in ("fired", "driven", "combined")} == {dtype}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_spikes_are_the_same(dtype: torch.dtype) -> None:
    """Also where the membrane meets the threshold exactly, which does not fire: whole currents, added up."""
    currents = (drawn(5, 37, 3) * 2).round().to(DEVICE, dtype)
    one = torch.ones(5, 3, dtype=reference.statistics_type(dtype), device=DEVICE)
    found, expected = (module.fire(currents, one, 0 * one, None, 1.0) for module in (cuda, reference))
    assert torch.equal(found, expected)
    assert 0.1 < expected.double().mean() < 0.9


@pytest.mark.parametrize(("dtype", "stored"), [(torch.float32, 7), (torch.bfloat16, 1)], ids=str)
def test_pieces_change_no_bit(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, stored: int) -> None:
    """Seven pieces of a time step, whose membranes all go through memory; 3 of 3 and 2 of 4, the last shorter; one."""
    found, given = [], ((7, stored, 37, 5), 0.8744, True, dtype)
    for piece in (1, 3, 5, 7):
        monkeypatch.setattr(cuda, "PIECE", piece)
        found.append(computed("cuda", *given))
    assert all(torch.equal(one[key], found[0][key]) for one in found for key in one)
    assert not differing(found[0], computed("reference", *given), 2 * 2.0**-7)


@pytest.mark.parametrize(("steps", "pieces"), [(1, (1, 1)), (5, (1, 5)), (6, (2, 3)), (7, (2, 4)), (50, (10, 5))])
def test_pieces_are_few_and_equal(steps: int, pieces: tuple[int, int]) -> None:
    assert cuda.pieces_of(steps) == pieces


def test_the_same_bits_each_time() -> None:
    one, again = (computed("cuda", (3, 3, 300, 5), 0.8744, True, torch.float32) for _ in range(2))
    assert all(torch.equal(one[key], again[key]) for key in one)


def test_given_values_are_left_alone() -> None:
    """Only `driven` may be overwritten, and only by `combine`."""
    given = [drawn(2, 37, 5, seed=seed).to(DEVICE) for seed in (2, 3)]
    given += [drawn(2, 5, seed=seed).to(DEVICE) for seed in (4, 5, 6)]
    kept = [value.clone() for value in given]
    grad, currents, scale, shift, mean = given
    cuda.moments(currents)
    cuda.fire(currents, scale, shift, grad, 0.8744)
    driven, *_ = cuda.fire_backward(grad, currents, scale, shift, mean, 0.8744, AUTHORS)
    cuda.combine(driven, currents, scale, shift, mean)
    assert all(torch.equal(value, before) for value, before in zip(given, kept, strict=True))


def through_the_operation(case: Case, name: str) -> dict[str, Tensor]:
    """Output, gradients of every input and running statistics."""
    norm, currents = case.norm().to(DEVICE), case.currents().to(DEVICE).requires_grad_()
    joined = case.joined()
    skip = None if joined is None else joined.to(DEVICE).requires_grad_()
    with implementation(name):
        output = normalized(norm, currents, steps=case.steps, skip=skip, leak=case.leak)
    (output * case.weights().to(DEVICE)).sum().backward()
    inputs = {"currents": currents, "gain": norm.gain, "bias": norm.bias} | ({} if skip is None else {"skip": skip})
    grads = {key: value.grad for key, value in inputs.items()}
    return {"output": output.detach()} | grads | {key: value.clone() for key, value in norm.named_buffers()}


CASES = [
    *(Case(stored=stored, leak=leak, skip=skip) for stored, leak, skip in product((4, 1), LEAKS, (True, False))),
    Case(normalization="bn", stored=1),
    Case(normalization="tdbn", training=False),
    Case(shape=(1, 5, 4, 3), stored=1),  # one sample: pixels side by side as a view
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_of_every_input(case: Case) -> None:
    found, expected = (through_the_operation(case, name) for name in ("cuda", "reference"))
    assert not differing(found, expected, 1e-10)
    assert all(expected[key].abs().max() > 0.01 for key in ("output", "currents", "gain", "bias"))


@pytest.mark.long
def test_golden_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits, loss and every gradient of the first step are those of the authors' code."""
    if DEVICE == "cpu":
        monkeypatch.setattr(cuda, "VALUES", (16384, 16384))  # the interpreter's time goes by tiles
    file = recorded_network(ROOT / "paper" / "golden", "sresnet")
    model = from_authors(file.state_dict("init"), leak=file.leak, boosting=file.boosting).train().to(DEVICE)
    with implementation("cuda"):
        logits = model(file.input("step0").to(DEVICE))
        loss = cross_entropy(logits, file.values["step0/label"].to(DEVICE))
        loss.backward()
    assert deviation(logits.detach().cpu(), file.values["step0/logits"]) <= 1e-9
    assert deviation(loss.detach().cpu(), file.values["step0/loss"].reshape(())) <= 1e-9
    gradients = {key: value.grad.cpu() for key, value in model.named_parameters()}
    assert max(by_name(model, gradients, file.state_dict("step0/grad"))) <= 1e-9


COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

class Absent:
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device=0: 0)

def compiled(kernel, grid):
    return lambda *given, **others: print(kernel.__name__, len(kernel.warmup(*given, grid=grid, **others).asm["cubin"]))

driver.set_active(Absent())
JITFunction.__getitem__ = compiled
from models.kernels import cuda
from models.surrogate import AUTHORS

for steps, pixels, channels, leak in ((4, 64, 32, 0.8744), (50, 64, 32, 0.8744), (1, 1, 1, 0.5), (1, 1, 1, None)):
    values = torch.zeros(steps, pixels, channels, dtype=torch.bfloat16)
    of_channels = torch.zeros(steps, channels)
    cuda.moments(values)
    cuda.fire(values, of_channels, of_channels, values if leak else None, leak)
    cuda.fire_backward(values, values, of_channels, of_channels, of_channels, leak, AUTHORS)
    cuda.combine(values, values, of_channels, of_channels, of_channels)
"""


def test_the_compiler_takes_them(tmp_path: Path) -> None:
    """For an H100, without one: its kernels are made and not run. Sizes of 1 are constants to it, others are not."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    made = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    names = [line.split()[0] for line in made.stdout.splitlines()]
    assert names == ["moments", "fire", "fire_backward", "combine"] * 4
