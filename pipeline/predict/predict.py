"""Classes and probabilities of samples, in batches. Shapes: B samples, K classes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from pipeline.predict.files import Pixels
from pipeline.predict.network import Trained
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.inputs import prepare

BATCH = 32
"""Samples in a batch; results do not depend on it, but for rounding."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a network says of one sample."""

    sample: str
    """The file, with `@<start>-<end>ms` for a window of a recording."""
    class_name: str
    """The most probable class."""
    probabilities: npt.NDArray[np.float32]
    """Softmax of the logits, (K,); not calibrated."""


def predictions(trained: Trained, samples: Iterable[tuple[str, Pixels]]) -> Iterator[Prediction]:
    """Yields a prediction for each sample, in their order; holds one batch in memory."""
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, waiting = trained.model.to(device).eval(), iter(samples)
    generator = torch.Generator(device).manual_seed(0)  # for Poisson encoding
    while batch := list(islice(waiting, BATCH)):
        pixels = np.stack([one for _, one in batch])
        values = prepare(pixels, trained.inputs.scale, trained.inputs, device)
        with torch.no_grad():
            likely = model(values, generator=generator).softmax(1).cpu().numpy()
        for (name, _), one in zip(batch, likely, strict=True):
            yield Prediction(sample=name, class_name=trained.inputs.classes[int(one.argmax())], probabilities=one)
