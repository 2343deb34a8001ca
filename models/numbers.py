"""Values that no network can have, however it was trained."""

from torch import Tensor


def unsound(name: str, value: Tensor) -> str | None:
    """Why a tensor cannot belong to a trained network (values not finite, variances below 0), or None."""
    if wrong := value.numel() - int(value.isfinite().sum()):
        return f"{wrong} of {value.numel()} values are NaN or infinite"
    if name.endswith("running_var") and bool((value < 0).any()):
        return f"{float(value.min()):g} is a negative variance"
    return None
