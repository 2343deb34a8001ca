"""Evidence that an epoch used each sample once: a digest of the ids of its samples in the order of use.

The sampler determines the order, so the expected digest follows from the shards' ids, the seed and the epoch, and can
be computed without torch. It is a hash chain over the samples, so a checkpoint within an epoch can store it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np


def extend(digest: str, names: Iterable[str]) -> str:
    """The chain with more ids at its end: SHA-256 (hexadecimal) of the digest so far, a zero byte and the id."""
    for name in names:
        digest = hashlib.sha256(f"{digest}\0{name}".encode()).hexdigest()
    return digest


def epoch_digest(ids: Sequence[str], batches: Iterable[np.ndarray]) -> str:
    """The expected digest of an epoch with these batches (indices of samples); empty without samples."""
    return extend("", (ids[index] for batch in batches for index in batch))


def lost_or_doubled(batches: Sequence[np.ndarray], samples: np.ndarray, left_out: int) -> list[int]:
    """Indices of samples that are not in the batches exactly once; up to `left_out` samples may be missing."""
    counts = Counter(int(index) for batch in batches for index in batch)
    wrong = [index for index, count in counts.items() if count != 1] + sorted(counts.keys() - set(samples.tolist()))
    missing = [int(index) for index in samples if int(index) not in counts]
    return wrong + (missing if len(missing) > left_out else [])
