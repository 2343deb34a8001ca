"""float32 is IEEE float32 and tf32 is TF32, in forward and backward, whatever the previous settings of the process.
The settings can be read without a GPU."""

from collections.abc import Iterator

import pytest
import torch

from models.precision import CONVOLUTIONS_ON_GPU, IEEE_ONLY, computed_as, set_precision
from pipeline.authors.compare import compare
from tests.models.small import small_inputs, small_network

CONVOLUTIONS = {"float32": "ieee", "bfloat16": "ieee", "tf32": "tf32"}
"""bfloat16 has float32 convolutions too: the first one."""


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    set_precision("float32")


def settings() -> list[str]:
    return [operations.fp32_precision for operations in (CONVOLUTIONS_ON_GPU, *IEEE_ONLY)]


@pytest.mark.parametrize("precision", CONVOLUTIONS)
@pytest.mark.parametrize("before", ["ieee", "tf32"])
def test_a_network_computes_in_its_own_precision(precision: str, before: str) -> None:
    for operations in (CONVOLUTIONS_ON_GPU, *IEEE_ONLY):
        operations.fp32_precision = before
    model, in_backward = small_network(precision=precision).float(), list[list[str]]()
    logits = model.train()(small_inputs(model).float())
    expected = [CONVOLUTIONS[precision], "ieee", "ieee", "ieee"]
    assert settings() == expected
    model.stem.conv.weight.register_hook(lambda gradient: in_backward.append(settings()))
    logits.sum().backward()
    assert in_backward == [expected]


def test_older_settings_of_torch_do_not_stand_against_it() -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        model = small_network().float()
        model.eval()(small_inputs(model).float())
        assert settings() == ["ieee"] * 4
    finally:
        torch.backends.cudnn.allow_tf32 = True  # torch's default
        torch.backends.cuda.matmul.allow_tf32 = False


def test_two_networks_that_are_compared_compute_each_in_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, other = small_network().float(), small_network(precision="tf32").float()
    seen: list[tuple[bool, str]] = []
    convolve = torch.nn.functional.conv2d

    def watched(values: torch.Tensor, weight: torch.Tensor, **given: int) -> torch.Tensor:
        mine = any(weight.data_ptr() == parameter.data_ptr() for parameter in other.parameters())
        seen.append((mine, CONVOLUTIONS_ON_GPU.fp32_precision))
        return convolve(values, weight, **given)

    monkeypatch.setattr("models.residual.conv2d", watched)
    compare(exact, other, small_inputs(exact).float())
    assert set(seen) == {(False, "ieee"), (True, "tf32")}


def test_a_cpu_computes_tf32_as_float32() -> None:
    exact, other = (small_network(precision=precision).float().eval() for precision in ("float32", "tf32"))
    inputs = small_inputs(exact).float()
    assert torch.equal(exact(inputs), other(inputs))


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("float32", "cpu", "float32"),
        ("float32", "cuda", "float32"),
        ("tf32", "cpu", "float32"),
        ("tf32", "cuda", "TF32"),
        ("bfloat16", "cuda", "bfloat16"),
    ],
)
def test_what_computes_is_said(precision: str, device: str, expected: str) -> None:
    assert computed_as(precision, torch.device(device)) == expected
