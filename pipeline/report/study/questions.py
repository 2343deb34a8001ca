"""The study by question: which parts answer it, a row for each, and one sentence that says what to choose."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.report.study.dataset import PLANNED_SEEDS, StudyDataset, sizes
from pipeline.report.study.grid import BASE, Cell
from pipeline.report.study.pairs import PartPair
from pipeline.report.study.pooled import MOST_SEEDS, PairedDifference
from pipeline.report.study.rates import RatedPart

MOST_NAMED_PARTS = 2
"""Most parts that a sentence recommends, and most that it warns of."""
MOST_NAMED_EFFECTS = 3
"""Most datasets that a sentence has a part's effect on."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A choice that a builder of a network has."""

    name: str
    """Anchor of its table."""
    title: str
    authors: str
    """The authors' answer, which the base has."""
    keys: frozenset[str]
    """The keys of network and training that it is about."""


def _question(name: str, title: str, authors: str, *keys: str) -> Question:
    return Question(name=name, title=title, authors=authors, keys=frozenset(keys))


_SURROGATE = ("surrogate", "surrogate_height", "surrogate_width")
_TRAINING = (
    *("loss", "tet_lambda", "label_smoothing", "distillation", "schedule", "decay_after", "warmup_epochs", "momentum"),
    *("nesterov", "weight_decay", "learning_rate", "augmentation", "average_decay", "statistics", "epochs"),
    *("batch_size", "micro_batches", "threads", "drop_last", "pixel_mean", "pixel_std", "selection", "precision"),
    *("validation_percent", "test_each_epoch"),
)
QUESTIONS = (
    _question("normalization", "Which normalization?", "BNTT", "normalization"),
    _question("shortcut", "Which shortcut?", "the addition of spikes", "shortcut", "downsampling"),
    _question("reset", "Which reset, and which leak?", "reset by subtraction", "reset", "leak", "leak_trained"),
    _question("surrogate", "Which surrogate gradient?", "the low triangle", *_SURROGATE),
    _question("input", "Which input and initial weights?", "direct input and Xavier", "encoding", "initialization"),
    _question("readout", "Which readout?", "the mean voltage", "readout"),
    _question("training", "Which loss and training?", "plain cross-entropy and SGD", *_TRAINING),
    _question("steps", "How many time steps?", "the steps here", "time_steps"),
    _question("size", "How deep, and how wide?", "the size here", "blocks", "width"),
    _question("spikes", "Spikes or ReLU?", "spikes", "neuron"),
)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Text of a sentence."""

    text: str
    run: str | None = None
    """The experiment that the text is a number of."""


@dataclass(frozen=True, kw_only=True)
class QuestionRow:
    """A part that answers a question, on each dataset."""

    part: str
    reference: str
    changed: str
    cells: list[Cell | None]
    """In the order of the datasets; None where it was not run."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says to a question."""

    question: Question
    rows: list[QuestionRow]
    """From the best to the worst, by their mean difference."""
    sentence: list[Piece]


def question_of(cell: Cell) -> Question:
    """The question that most of a cell's changes belong to; the last of them in a tie, so that relu is about spikes."""
    return max(reversed(QUESTIONS), key=lambda question: len(question.keys & cell.changes.keys()))


def answered_questions(datasets: list[StudyDataset]) -> list[Answer]:
    """The answered questions in their order."""
    made = [(question, _rows(question, datasets)) for question in QUESTIONS]
    return [
        Answer(question=question, rows=rows, sentence=_sentence(question, rows, datasets))
        for question, rows in made
        if rows
    ]


def _rows(question: Question, datasets: list[StudyDataset]) -> list[QuestionRow]:
    named = [{(cell.part, cell.reference): cell for cell in one.others} for one in datasets]
    keys = dict.fromkeys(key for each in named for key, cell in each.items() if question_of(cell) is question)
    rows = [_row(*key, [each.get(key) for each in named]) for key in keys]
    return sorted(rows, key=lambda row: (-_mean(row), row.part))


def _row(part: str, reference: str, found: list[Cell | None]) -> QuestionRow:
    changed = dict.fromkeys(cell.changed for cell in found if cell)
    return QuestionRow(part=part, reference=reference, changed=" or ".join(changed), cells=found)


def _mean(row: QuestionRow) -> float:
    """Mean difference over the datasets (points); parts that were steady nowhere come last."""
    found = [cell.difference.points for cell in row.cells if cell and cell.difference and cell.state == "steady"]
    return fmean(found) if found else -100.0


LabelledCell = tuple[StudyDataset, Cell]
NamedPart = tuple[QuestionRow, list[LabelledCell]]
CONTRARY = {
    "better": ("worse (by itself)", "unstable", "did not train"),
    "better by itself": ("worse (by itself)", "unstable", "did not train"),
    "worse": ("better (by itself)",),
}
"""By lead of a clause, the labels on other datasets that speak against it."""


def _sentence(question: Question, rows: list[QuestionRow], datasets: list[StudyDataset]) -> list[Piece]:
    better, perhaps, worse = (
        [_labelled(row, datasets, words) for row in rows] for words in ("better", "better (by itself)", "worse")
    )
    pairs = list(zip(rows, better, perhaps, worse, strict=True))
    take = [(row, good) for row, good, _, bad in pairs if good and not bad]
    turns = [(row, good + bad) for row, good, _, bad in pairs if good and bad]
    maybe = [(row, fair) for row, good, fair, bad in pairs if fair and not good and not bad]
    avoid = [(row, bad) for row, good, _, bad in reversed(pairs) if bad and not good]
    keep = "" if take or turns else f"nothing is found to be better than {question.authors}"
    named = {"better": take, "better on some, worse on others": turns, "better by itself": maybe, "worse": avoid}
    said = [[Piece(text=keep)]] * bool(keep) + [[*_clause(*one, datasets)] for one in named.items() if one[1]]
    joined = [piece for clause in said for piece in (Piece(text="; "), *clause)][1:]
    return [*joined, Piece(text=".")]


def _labelled(row: QuestionRow, datasets: list[StudyDataset], *words: str) -> list[LabelledCell]:
    """The row's cells with one of these labels; windows of few recordings answer no question."""
    found = [(one, cell) for one, cell in zip(datasets, row.cells, strict=True) if cell and not one.recordings]
    return [(one, cell) for one, cell in found if one.words(cell) in words]


def _clause(lead: str, parts: list[NamedPart], datasets: list[StudyDataset]) -> Iterator[Piece]:
    """The first parts, each with its effects and with what speaks against them."""
    yield Piece(text=f"{lead}: ")
    for place, (row, found) in enumerate(parts[:MOST_NAMED_PARTS]):
        against = "" if row.reference == BASE else f" against {row.reference}"
        yield Piece(text=f"{', ' if place else ''}{row.part}{against} (")
        yield from _effects(found)
        for one, cell in _labelled(row, datasets, *CONTRARY.get(lead, ())):
            yield from (Piece(text="; but "), Piece(text=one.words(cell), run=one.run(cell)))
            yield Piece(text=f" on {one.title}")
        yield Piece(text=")")
    if (left := len(parts) - MOST_NAMED_PARTS) > 0:
        yield Piece(text=f" and {left} more")


def _effects(found: list[LabelledCell]) -> Iterator[Piece]:
    """Effects on each dataset, largest first."""
    ordered = sorted(found, key=lambda pair: -abs(pair[1].difference.points) if pair[1].difference else 0.0)
    for number, (dataset, cell) in enumerate(ordered[:MOST_NAMED_EFFECTS]):
        yield Piece(text="; " if number else "")
        yield Piece(text=interval_text(cell.difference), run=dataset.run(cell))
        yield Piece(text=f" on {dataset.title}, {dataset.relative(cell):.2f}\u00a0×")
    if (left := len(found) - MOST_NAMED_EFFECTS) > 0:
        yield Piece(text=f" and {left} more")


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


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """Accuracies (percent) if every network decides after so many time steps, by dataset; None past the last step."""

    step: int
    base: list[float | None]
    best: list[tuple[float, Cell] | None]
    """The best spiking part."""


def best_by_step(datasets: list[StudyDataset]) -> list[StepRow]:
    """A row for each time step at test that a base has."""
    steps = max((len(one.at_base.by_step) for one in datasets), default=0)
    return [
        StepRow(
            step=step, base=[_at(one.at_base, step) for one in datasets], best=[_best(one, step) for one in datasets]
        )
        for step in range(1, steps + 1)
    ]


def _at(cell: Cell, step: int) -> float | None:
    return cell.by_step[step - 1] if step <= len(cell.by_step) else None


def _best(dataset: StudyDataset, step: int) -> tuple[float, Cell] | None:
    """The best at a step among the steady parts that spike; None where the base has no such step."""
    if _at(dataset.at_base, step) is None:
        return None
    spiking = [cell for cell in dataset.cells if cell.state == "steady" and "neuron" not in cell.changes]
    reached = [(value, cell) for cell in spiking if (value := _at(cell, step)) is not None]
    return max(reached, key=lambda pair: pair[0])


def content_of(datasets: list[StudyDataset]) -> dict[str, Any]:
    """What both pages of the study show, and the functions that word it."""
    return {
        "datasets": datasets,
        "answers": answered_questions(datasets),
        "open_sentence": open_sentence(datasets),
        "planned_seeds": PLANNED_SEEDS,
        "by_step": best_by_step(datasets),
        "sizes": sizes,
        "interval": interval_text,
        "interaction": pair_text,
        "at_rate": rate_text,
        "at_best": best_rate_text,
        "verdict": verdict_text,
        "cost": cost_text,
    }
