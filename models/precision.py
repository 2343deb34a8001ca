"""What float32 means to the libraries that compute convolutions and matrix products.

By PyTorch's default, a float32 convolution on a GPU of compute capability 8.0 or later rounds its inputs to TF32, which
keeps 10 of the 23 bits of the mantissa. Here float32 is IEEE float32, and TF32 is a choice of its own.
https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

from typing import Any

import torch

CONVOLUTIONS_ON_GPU: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined] # which torch's types do not know
IEEE_ONLY: tuple[Any, ...] = (
    torch.backends.cuda.matmul,
    torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
)


def set_precision(precision: str) -> None:
    """From now on this process computes float32 convolutions as `precision` says, and matrix products in IEEE float32.

    The setting is global in PyTorch, and a backward pass uses it too, so it stays. A network sets it whenever it
    computes: in whatever process that is, nobody has to remember it.
    """
    CONVOLUTIONS_ON_GPU.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    for operations in IEEE_ONLY:
        operations.fp32_precision = "ieee"


def computed_as(precision: str, device: torch.device) -> str:
    """What the convolutions of a network of that precision compute in on that device."""
    if precision == "bfloat16":
        return "bfloat16"
    return "TF32" if precision == "tf32" and device.type == "cuda" else "float32"
