"""S-ResNet, a spiking residual network: `SResNet`, and `NetworkConfig` for its parts.

Within this repository the package is `models`; installed alone it is `sresnet` (wheel/pyproject.toml).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import NetworkConfig
    from .sresnet import SResNet

__all__ = ["NetworkConfig", "SResNet"]


def __getattr__(name: str) -> Any:
    """A name of `__all__`, imported when it is used: torch takes seconds, and some of the package needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import config, sresnet

    return getattr(config if name == "NetworkConfig" else sresnet, name)
