"""The configuration of an S-ResNet: one frozen value. The authors' choice comes first in each list of parts."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from .bounds import STRICT, Within, check_bounds


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The parts and sizes of an S-ResNet, without what depends on the data (input shape, classes).

    Raises ValueError for parts that cannot be combined, with the reason.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    blocks: Annotated[int, Within(1, 200)]
    """n, residual blocks in each of the three stages; the network has 6n + 2 weighted layers. Authors: 6. The deepest
    ResNet on CIFAR-10 (He et al. 2016) has 200."""
    width: Annotated[int, Within(1, 1024)]
    """Filters of the first stage; the second has twice, the third four times as many. Authors: 32. With 1024, a layer
    of the third has 150 million weights."""
    time_steps: Annotated[int, Within(1, 10_000)]
    """T, time steps per sample. Authors: 50. Networks converted from ANNs have used several thousand."""
    neuron: Literal["lif", "relu"]
    """relu: the non-spiking network of the same shape, without time, as a baseline; it ignores leak, reset and
    surrogate."""
    leak: Annotated[float, Within(0, 1)]
    """Factor by which a membrane decays in one time step; 1 gives the integrate-and-fire neuron, which does not decay,
    0 a neuron without memory, a control: only its normalization can tell time steps apart. Authors' README: 0.8744."""
    leak_trained: Literal["never", "layer", "channel"]
    """Whether the leak is trained, starting from `leak`, as one value per layer or per channel (models/neuron.py)."""
    reset: Literal["subtract", "subtract-with-gradient", "zero", "none"]
    """What a spike does to its membrane (models/neuron.py)."""
    surrogate: Literal["triangle", "rectangle", "sigmoid", "arctangent", "fast-sigmoid", "multi-gaussian"]
    surrogate_height: Annotated[float, Within(1e-6, 1000)]
    """The derivative at the threshold. Authors: 0.3."""
    surrogate_width: Annotated[float, Within(1e-6, 1000)]
    """Scale of the distance from the threshold, in units of the threshold (models/surrogate.py). Authors: 1."""
    normalization: Literal["bntt", "bntt-without-biases", "bn", "tdbn", "tebn", "none"]
    shortcut: Literal["spike-add", "and", "iand", "or", "vanilla", "membrane", "none"]
    downsampling: Literal["real", "spiking"]
    """Whether the shortcut into a stage of half the size ends with its normalization or with neurons."""
    encoding: Literal["direct", "poisson", "latency"]
    """For images; event frames need no encoding and take direct."""
    readout: Literal["mean-voltage", "boosting", "last-voltage", "maximum-voltage", "spike-count"]
    initialization: Literal["xavier", "kaiming", "threshold-balanced"]
    precision: Literal["float32", "tf32", "bfloat16"]
    """Precision of convolutions and, with bfloat16, of stored activations; everything else is float32. float32 is IEEE
    float32 on every device. tf32: on a GPU, convolutions round their inputs to 10 mantissa bits, for speed; on a CPU it
    is the same as float32, and the record says so (models/precision.py)."""

    def __post_init__(self) -> None:
        check_bounds(self)
        for reason in self._refusals():
            raise ValueError(reason)

    def _refusals(self) -> list[str]:
        """Why these parts cannot be combined; empty if they can."""
        binary, relu = self.shortcut in ("and", "iand", "or"), self.neuron == "relu"
        refusals = {
            "leak_trained needs leak between 0 and 1: a trained leak is a logistic function, which reaches neither": (
                self.leak_trained != "never" and self.leak in (0.0, 1.0)
            ),
            f"reset must be subtract with leak 0, which forgets what a reset leaves, not {self.reset}": (
                self.leak == 0.0 and self.reset != "subtract"
            ),
            f"shortcut {self.shortcut} combines spikes with spikes, so downsampling must be spiking, not real": (
                binary and self.downsampling == "real"
            ),
            "shortcut membrane passes membranes on, so downsampling must be real, not spiking": (
                self.shortcut == "membrane" and self.downsampling == "spiking"
            ),
            "shortcut none has no downsampling, so downsampling must be real, which is ignored there": (
                self.shortcut == "none" and self.downsampling == "spiking"
            ),
            f"neuron relu has no time, so time_steps must be 1, not {self.time_steps}": relu and self.time_steps != 1,
            f"neuron relu has no spikes, but shortcut {self.shortcut} combines spikes": relu and binary,
            f"neuron relu has no spikes, but encoding {self.encoding} gives spikes; encoding must be direct": (
                relu and self.encoding != "direct"
            ),
            "neuron relu has no spikes, but readout spike-count counts them": relu and self.readout == "spike-count",
            "neuron relu has no leak to train, so leak_trained must be never": relu and self.leak_trained != "never",
        }
        return [reason for reason, holds in refusals.items() if holds]
