"""Proof that an epoch used each sample once: a Merkle tree over the ids of its samples, in the order of use.

The tree is that of RFC 6962, section 2.1 (certificate transparency): it grows leaf by leaf, so that a training keeps
the roots of its complete subtrees alone, and one sample's place in an epoch can be shown with a few digests. The order
is fixed by the sampler (step, logical shard, position), so the root follows from the shards' ids, the seed and the
epoch: anyone can compute what it has to be, without torch.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

BYTES = 32
"""Of a leaf: SHA-256."""
Peaks = list[tuple[int, str]]
"""Leaves and root (hexadecimal) of each complete subtree, from left to right; ever fewer leaves."""


def leaf(name: str) -> bytes:
    """The leaf of a sample's id."""
    return hashlib.sha256(b"\0" + name.encode()).digest()


def node(left: str, right: str) -> str:
    """The root of two subtrees."""
    return hashlib.sha256(b"\1" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def grow(peaks: Peaks, leaves: Iterable[bytes]) -> None:
    """Adds leaves at the right: two subtrees of one size become one, as bits carry in a sum."""
    for new in leaves:
        size, root = 1, new.hex()
        while peaks and peaks[-1][0] == size:
            size, root = 2 * size, node(peaks.pop()[1], root)
        peaks.append((size, root))


def root_of(peaks: Peaks) -> str:
    """The root of the whole tree (hexadecimal); of no leaves the digest of nothing."""
    if not peaks:
        return hashlib.sha256().hexdigest()
    *lefts, (_, root) = peaks
    for _, left in reversed(lefts):
        root = node(left, root)
    return root


def epoch_root(leaves: Sequence[bytes], batches: Iterable[np.ndarray]) -> str:
    """The root that an epoch of these batches (indices of samples) has to have; `leaves` of all samples by index."""
    peaks: Peaks = []
    for batch in batches:
        grow(peaks, (leaves[index] for index in batch))
    return root_of(peaks)


def packed(leaves: Sequence[bytes], room: int) -> np.ndarray:
    """Leaves as float32, (1 + room * BYTES,): their number, then byte by byte; those beyond `room` are only counted.

    A byte is exact in any floating-point number, so leaves travel with the gradients, in the same message.
    """
    columns = np.zeros(1 + room * BYTES, dtype=np.float32)
    content = np.frombuffer(b"".join(leaves[:room]), dtype=np.uint8)
    columns[0], columns[1 : 1 + len(content)] = len(leaves), content
    return columns


def unpacked(columns: np.ndarray) -> list[bytes]:
    """The leaves that were packed; an empty one for each that had no room."""
    count, content = int(columns[0]), columns[1:].astype(np.uint8).tobytes()
    return [content[index * BYTES : (index + 1) * BYTES] for index in range(count)]


def difference(used: Sequence[bytes], expected: Sequence[bytes], names: dict[bytes, str]) -> str:
    """What is wrong with the samples of a step, in words."""
    names = {b"": "one too many"} | names
    lost, doubled = Counter(expected) - Counter(used), Counter(used) - Counter(expected)
    parts = [
        f"{what}: {', '.join(names.get(one, 'one that this worker does not have') for one in list(counted)[:3])}"
        for what, counted in (("not used", lost), ("used too often", doubled))
        if counted
    ]
    return f"{len(used)} samples used, {len(expected)} expected; {'; '.join(parts) or 'in another order'}"


def lost_or_doubled(batches: Sequence[np.ndarray], samples: np.ndarray, left_out: int) -> list[int]:
    """Indices of samples that the batches do not hold exactly once, less the `left_out` that they may leave out."""
    counts = Counter(int(index) for batch in batches for index in batch)
    wrong = [index for index, count in counts.items() if count != 1] + sorted(counts.keys() - set(samples.tolist()))
    missing = [int(index) for index in samples if int(index) not in counts]
    return wrong + (missing if len(missing) > left_out else [])
