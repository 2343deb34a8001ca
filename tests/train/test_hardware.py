"""A record states its precision if that is not the default."""

import pytest
import torch

from pipeline.protocol.hardware import computed_by, describe

CPU = torch.device("cpu")


def test_on_a_cpu_records_say_what_they_always_said() -> None:
    assert computed_by(CPU, "float32") == computed_by(CPU, "bfloat16") == describe(CPU)
    assert computed_by(CPU, "tf32") == describe(CPU).replace(", torch", ", convolutions in float32, torch")


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "float32"), ("tf32", "TF32"), ("bfloat16", "bfloat16")]
)
def test_on_a_gpu_the_precision_is_said(precision: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H100")
    found = computed_by(torch.device("cuda"), precision)
    assert found == f"H100, convolutions in {expected}, torch {torch.__version__}"
