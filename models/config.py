"""What an S-ResNet is made of: one frozen value, with the authors' choice first in each list of parts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from models.bounds import STRICT, Within, check_bounds


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The parts and sizes of an S-ResNet; what depends on the data (input shape, classes) is not here.

    Raises ValueError for parts that do not go together, with the reason.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    blocks: Annotated[int, Within(1, 200)]
    """n, residual blocks in each of the three stages; the network has 6n + 2 weighted layers. Authors: 6. The deepest
    ResNet on CIFAR-10 (He et al. 2016) has 200."""
    width: Annotated[int, Within(1, 1024)]
    """Filters of the first stage; the second has twice, the third four times as many. Authors: 32. With 1024, a layer
    of the third has 150 million weights."""
    time_steps: Annotated[int, Within(1, 10_000)]
    """T, time steps of a sample. Authors: 50. Converted networks have had some thousands."""
    neuron: Literal["lif", "relu"]
    """relu: the network of the same shape without spikes and time, to compare with; leak, reset and surrogate say
    nothing there."""
    leak: Annotated[float, Within(1e-6, 1)]
    """Factor by which a membrane decays in one time step; 1 is the integrate-and-fire neuron, which keeps
    all. Authors' README: 0.8744."""
    leak_trained: Literal["never", "layer", "channel"]
    """Whether the leak is trained from there on, one a layer or one a channel (models/neuron.py)."""
    reset: Literal["subtract", "subtract-with-gradient", "zero", "none"]
    """What a spike does to its membrane (models/neuron.py)."""
    surrogate: Literal["triangle", "rectangle", "sigmoid", "arctangent", "fast-sigmoid", "multi-gaussian"]
    surrogate_height: Annotated[float, Within(1e-6, 1000)]
    """The derivative at the threshold. Authors: 0.3."""
    surrogate_width: Annotated[float, Within(1e-6, 1000)]
    """Unit of the distance from the threshold, in thresholds (models/surrogate.py). Authors: 1."""
    normalization: Literal["bntt", "bntt-without-biases", "bn", "tdbn", "tebn", "none"]
    shortcut: Literal["spike-add", "and", "iand", "or", "vanilla", "membrane", "none"]
    downsampling: Literal["real", "spiking"]
    """Whether the shortcut into a stage of half the size ends with its normalization or with neurons."""
    encoding: Literal["direct", "poisson", "latency"]
    """Of images; event frames are their own encoding, which is direct."""
    readout: Literal["mean-voltage", "boosting", "last-voltage", "maximum-voltage", "spike-count"]
    initialization: Literal["xavier", "kaiming", "threshold-balanced"]
    precision: Literal["float32", "tf32", "bfloat16"]
    """Of convolutions and, with bfloat16, of stored activations; all else is float32. float32 is IEEE float32 on every
    device. tf32: on a GPU, convolutions round their inputs to 10 bits of mantissa, for speed; on a CPU the same as
    float32, and the record says so (models/precision.py)."""

    def __post_init__(self) -> None:
        check_bounds(self)
        for reason in self._refusals():
            raise ValueError(reason)

    def _refusals(self) -> list[str]:
        """Why these parts do not go together; empty if they do."""
        binary, relu = self.shortcut in ("and", "iand", "or"), self.neuron == "relu"
        refusals = {
            "leak_trained needs leak below 1: the logistic function, which keeps a trained leak under 1, never is 1": (
                self.leak_trained != "never" and self.leak == 1.0
            ),
            f"shortcut {self.shortcut} joins spikes with spikes, so downsampling must be spiking, not real": (
                binary and self.downsampling == "real"
            ),
            "shortcut membrane hands membranes on, so downsampling must be real, not spiking": (
                self.shortcut == "membrane" and self.downsampling == "spiking"
            ),
            "shortcut none has no downsampling, so downsampling must be real, which says nothing there": (
                self.shortcut == "none" and self.downsampling == "spiking"
            ),
            f"neuron relu has no time, so time_steps must be 1, not {self.time_steps}": relu and self.time_steps != 1,
            f"neuron relu has no spikes, which shortcut {self.shortcut} joins": relu and binary,
            f"neuron relu has no spikes, which encoding {self.encoding} gives; encoding must be direct": (
                relu and self.encoding != "direct"
            ),
            "neuron relu has no spikes, which readout spike-count counts": relu and self.readout == "spike-count",
            "neuron relu has no leak to train, so leak_trained must be never": relu and self.leak_trained != "never",
        }
        return [reason for reason, holds in refusals.items() if holds]
