"""Numbers of the study as the pages' words."""

from pipeline.report.study.dataset import PLANNED_SEEDS, StudyDataset
from pipeline.report.study.grid import Cell
from pipeline.report.study.pairs import PartPair
from pipeline.report.study.pooled import MOST_SEEDS, PairedDifference
from pipeline.report.study.rates import RatedPart


def cost_text(dataset: StudyDataset, cell: Cell) -> str:
    """Operations and energy relative to the reference's."""
    return f"{dataset.relative(cell):.2f}\u00a0×, {dataset.relative_energy(cell):.2f}\u00a0×\u00a0µJ"


def interval_text(found: PairedDifference | None) -> str:
    """A difference in points with its interval, if it has one."""
    if found is None:
        return "–"
    interval = "" if found.low is None else f"\u00a0[{found.low:+.1f},\u00a0{found.high:+.1f}]"
    return f"{found.points:+.1f}{interval}"


def pair_text(dataset: StudyDataset, pair: PartPair) -> str:
    """The label of an interaction, with its p-value."""
    p_value = "p < 0.001" if pair.p_value < 0.001 else f"p = {pair.p_value:.3f}"
    if pair.both in dataset.interact:
        return f"depend on each other, {p_value}"
    return f"{'by itself' if pair.p_value < 0.05 else 'open'}, {p_value}"


def rate_text(one: RatedPart, rate: float) -> str:
    """The accuracy (percent) at a rate, or why there is none."""
    value = one.accuracies[rate]
    return value if isinstance(value, str) else f"{value:.1f}"


def best_rate_text(dataset: StudyDataset, one: RatedPart) -> str:
    """The label of a difference at the best rates."""
    if one.best is None:
        return "trains at none"
    if one.difference is None:
        return "no interval"
    low, high = one.difference.low or 0.0, one.difference.high or 0.0
    if low <= 0 <= high:
        return "open"
    direction = "better" if low > 0 else "worse"
    return direction if one.part in dataset.hold_at_best else f"{direction} (by itself)"


def verdict_text(dataset: StudyDataset, cell: Cell) -> str:
    """The label of a difference, with what an open one needs and the seeds of an unstable one."""
    words = dataset.words(cell)
    if words == "open" and cell.difference and cell.difference.n > 1:
        return f"open, {cell.difference.seeds_needed or f'>{MOST_SEEDS}'} seeds"
    if words in ("unstable", "did not train"):
        return f"{words}: " + ", ".join(f"seed {seed} {value:.1f} %" for seed, value in cell.accuracies.items())
    return words


def open_sentence(datasets: list[StudyDataset]) -> str:
    """How many comparisons of two seeds or more are open, and in how many more seeds would find a difference."""
    pairs = [(one, cell) for one in datasets if not one.recordings for cell in one.repeated]
    undecided = [cell.difference for one, cell in pairs if one.words(cell) == "open"]
    needed = [found.seeds_needed or MOST_SEEDS + 1 for found in undecided if found]
    within = {seeds: sum(one <= seeds for one in needed) for seeds in (*PLANNED_SEEDS[1:], MOST_SEEDS)}
    return (
        f"{len(undecided)} of {len(pairs)} comparisons are open; a true difference of the size seen would be found "
        "(with a probability of 80 %) by "
        + ", by ".join(f"{seeds} seeds in {number or 'none'} of them" for seeds, number in within.items())
    )
