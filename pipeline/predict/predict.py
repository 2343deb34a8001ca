"""Classes and probabilities of samples, in batches. Shapes: B samples, K classes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from pipeline.ground.errors import InputError
from pipeline.predict.files import Pixels
from pipeline.predict.network import Trained
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.inputs import prepare

_BATCH = 32
"""Samples in a batch; results do not depend on it, but for rounding. Poisson encoding draws spikes for a whole batch:
there, each sample is a batch of its own, so that its result does not depend on the files before it."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a network says of one sample."""

    sample: str
    """The file, with `@<start>-<end>ms` for a window of a recording."""
    class_name: str
    """The most probable class."""
    probabilities: npt.NDArray[np.float32]
    """Softmax of the logits, (K,); not calibrated."""


def predicted(trained: Trained, samples: Iterable[tuple[str, Pixels]]) -> Iterator[Prediction]:
    """Yields a prediction for each sample, in their order; holds one batch in memory.

    Raises InputError if a logit is not a number.
    """
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, waiting = trained.model.to(device).eval(), iter(samples)
    size = 1 if model.config.encoding == "poisson" else _BATCH
    while batch := list(islice(waiting, size)):
        values = prepare(np.stack([one for _, one in batch]), trained.inputs.scale, trained.inputs, device)
        with torch.no_grad():
            likely = model(values, generator=torch.Generator(device).manual_seed(0)).softmax(1).cpu().numpy()
        for (name, _), one in zip(batch, likely, strict=True):
            if not np.isfinite(one).all():
                raise InputError(f"{trained.name}: its logits for {name} are not numbers; train or fetch it again")
            yield Prediction(sample=name, class_name=trained.inputs.classes[int(one.argmax())], probabilities=one)
