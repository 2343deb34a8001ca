"""Counter-based random numbers: stateless, so they do not depend on the number or order of workers."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def counter_hash(seed: int, epoch: int, indices: Indices, stream: int) -> npt.NDArray[np.uint64]:
    """One uniform 64-bit number per index, a function of (seed, epoch, index, stream) only.

    Each of these is mixed in by the splitmix64 finalizer (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195).
    """
    state = np.zeros(len(indices), dtype=np.uint64)
    for value in (np.uint64(seed), np.uint64(epoch), np.uint64(stream), np.asarray(indices).astype(np.uint64)):
        state = _mix(state ^ value)
    return state


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
