"""The precision in which libraries compute float32 convolutions and matrix products.

By default, PyTorch rounds the inputs of a float32 convolution to TF32 on a GPU of compute capability 8.0 or later; TF32
keeps 10 of the 23 mantissa bits. Here float32 is IEEE float32, and TF32 has to be chosen.
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
    """Makes this process compute float32 convolutions as `precision` says, and matrix products in IEEE float32.

    The setting is global in PyTorch. It is not restored, because the backward pass uses it too. A network sets it at
    each forward pass, so that callers do not have to.
    """
    CONVOLUTIONS_ON_GPU.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    for operations in IEEE_ONLY:
        operations.fp32_precision = "ieee"


def computed_as(precision: str, device: torch.device) -> str:
    """The number format in which convolutions compute on that device, for a network of that precision."""
    if precision == "bfloat16":
        return "bfloat16"
    return "TF32" if precision == "tf32" and device.type == "cuda" else "float32"
