"""Numbers of recordings, packets, words, windows and events that were found, used and left out, and why, by name.

For each kind, names are `events` (all that were found), `events used` and, for each reason, `events left out:
<reason>`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

Counts = Mapping[str, int]
_KINDS = ("recordings", "packets", "words", "windows", "events")


def left_out(kind: str, reason: str) -> str:
    """Name of the count of items that are left out for a reason."""
    return f"{kind} left out: {reason}"


def all_left_out(counts: Counts) -> Counts:
    """The counts of items that are left out."""
    return {name: number for name, number in counts.items() if " left out: " in name}


def check(counts: Counts, where: str) -> None:
    """Raises AssertionError unless, for each kind, the counts used and left out sum to the count found."""
    rest: dict[str, int] = {}
    for name, number in counts.items():
        kind, _, outcome = name.partition(" ")
        rest[kind] = rest.get(kind, 0) + (-number if outcome else number)
    if wrong := [kind for kind, number in rest.items() if number]:
        raise AssertionError(f"{where}: used and left out do not sum to the number found of {wrong}: {dict(counts)}")


def total(parts: Iterable[Counts]) -> dict[str, int]:
    """The sums by name, without zeros."""
    summed: Counter[str] = Counter()
    for part in parts:
        summed.update(part)
    return {name: number for name, number in sorted(summed.items()) if number}


def in_words(counts: Counts) -> str:
    """One line for all kinds, such as: recordings: 10 (all used); events: 5,000 (4,990 used, 10 left out: invalid)."""
    return "; ".join(_kind_in_words(counts, kind) for kind in _KINDS if kind in counts)


def _kind_in_words(counts: Counts, kind: str) -> str:
    start = left_out(kind, "")
    out = [
        f"{number:,} left out: {name.removeprefix(start)}" for name, number in counts.items() if name.startswith(start)
    ]
    used = f"{counts.get(f'{kind} used', 0):,} used" if out else "all used"
    return f"{kind}: {counts[kind]:,} ({', '.join([used, *out])})"
