"""What the study says to each question: one sentence with what to choose, and what speaks against it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.grid import BASE, PREFIX, Cell
from pipeline.report.study.labels import best_rate_text, interval_text
from pipeline.report.study.questions import QUESTIONS, Question, QuestionRow, rows_of
from pipeline.report.study.rates import RatedPart

MOST_NAMED_PARTS = 2
"""Most parts that a sentence recommends, and most that it warns of."""
MOST_NAMED_EFFECTS = 3
"""Most datasets that a sentence has a part's effect on."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Text of a sentence."""

    text: str
    run: str | None = None
    """The experiment that the text is a number of."""
    lead: bool = False
    """Whether a clause begins with it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says to a question."""

    question: Question
    rows: list[QuestionRow]
    """From the best to the worst, by their mean difference."""
    sentence: list[Piece]


def answered_questions(datasets: list[StudyDataset]) -> list[Answer]:
    """The answered questions in their order."""
    made = [(question, rows_of(question, datasets)) for question in QUESTIONS]
    return [
        Answer(question=question, rows=rows, sentence=_sentence(question, rows, datasets))
        for question, rows in made
        if rows
    ]


LabelledCell = tuple[StudyDataset, Cell]
NamedPart = tuple[QuestionRow, list[LabelledCell]]
CONTRARY = {
    "take": ("worse (by itself)", "unstable", "did not train"),
    "maybe": ("worse (by itself)", "unstable", "did not train"),
    "worse": ("better (by itself)",),
}
"""By lead of a clause, the labels on other datasets that speak against it."""


def _sentence(question: Question, rows: list[QuestionRow], datasets: list[StudyDataset]) -> list[Piece]:
    """Without a part to take, the authors' answer is kept."""
    named = {lead: parts for lead, parts in _by_lead(rows, datasets).items() if parts}
    better = {"take", "better on some, worse on others"} & named.keys()
    keep = [] if better else [Piece(text="keep", lead=True), Piece(text=f" {question.authors}")]
    clauses = [[*_clause(lead, parts, datasets)] for lead, parts in named.items()]
    at_own_rates = [*_at_own_rates(_turned(rows, datasets), datasets)]
    said = [clause for clause in (keep, *clauses, at_own_rates) if clause]
    joined = [piece for clause in said for piece in (Piece(text="; "), *clause)][1:]
    return [*joined, Piece(text=".")]


def _by_lead(rows: list[QuestionRow], datasets: list[StudyDataset]) -> dict[str, list[NamedPart]]:
    """The parts to take, to try and to avoid, each with the cells that say so."""
    better, perhaps, worse = (
        [_labelled(row, datasets, words) for row in rows] for words in ("better", "better (by itself)", "worse")
    )
    parts = list(zip(rows, better, perhaps, worse, strict=True))
    return {
        "take": [(row, good) for row, good, _, bad in parts if good and not bad],
        "better on some, worse on others": [(row, good + bad) for row, good, _, bad in parts if good and bad],
        "maybe": [(row, fair) for row, good, fair, bad in parts if fair and not good and not bad],
        "worse": [(row, bad) for row, good, _, bad in reversed(parts) if bad and not good],
    }


def _labelled(row: QuestionRow, datasets: list[StudyDataset], *words: str) -> list[LabelledCell]:
    """The row's cells with one of these labels; windows of few recordings answer no question."""
    found = [(one, cell) for one, cell in zip(datasets, row.cells, strict=True) if cell and not one.recordings]
    return [(one, cell) for one, cell in found if one.words(cell) in words]


def _clause(lead: str, parts: list[NamedPart], datasets: list[StudyDataset]) -> Iterator[Piece]:
    """The first parts, each with its effects and with what speaks against them."""
    yield from (Piece(text=lead, lead=True), Piece(text=": "))
    for place, (row, found) in enumerate(parts[:MOST_NAMED_PARTS]):
        against = "" if row.reference == BASE else f" against {row.reference}"
        yield Piece(text=f"{', ' if place else ''}{row.part}{against} (")
        yield from _effects(found)
        yield from _but(_labelled(row, datasets, *CONTRARY.get(lead, ())))
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


def _but(against: list[LabelledCell]) -> Iterator[Piece]:
    """The datasets that speak against a part, by label."""
    for label in dict.fromkeys(one.words(cell) for one, cell in against):
        yield Piece(text=f"; but {label} on ")
        for place, (one, cell) in enumerate(pair for pair in against if pair[0].words(pair[1]) == label):
            yield from (Piece(text=", " if place else ""), Piece(text=one.title, run=one.run(cell)))


TurnedPart = tuple[QuestionRow, StudyDataset, RatedPart]


def _turned(rows: list[QuestionRow], datasets: list[StudyDataset]) -> list[TurnedPart]:
    """The parts with another label where part and base have their own best learning rates, the best first."""
    compared = [row for row in rows if row.reference == BASE]
    pairs = [(row, one) for row in compared for one in datasets if one.rated and not one.recordings]
    rated = [(row, one, part) for row, one in pairs for part in one.rated if part.part == row.part and part.difference]
    turned = [(row, one, part) for row, one, part in rated if _label_turned(row, one, part)]
    return sorted(turned, key=lambda found: -found[2].difference.points if found[2].difference else 0.0)


def _label_turned(row: QuestionRow, dataset: StudyDataset, part: RatedPart) -> bool:
    """Whether another rate gives another label; at the same rates only the correction differs."""
    there = [cell for cell in row.cells if cell and cell in dataset.cells]
    same_rates = dataset.rated[0].own_is_best and part.own_is_best
    return not same_rates and any(dataset.words(cell) != best_rate_text(dataset, part) for cell in there)


def _at_own_rates(turned: list[TurnedPart], datasets: list[StudyDataset]) -> Iterator[Piece]:
    """The first of these parts, each with what other datasets say against it."""
    if turned:
        yield from (Piece(text="at its own learning rate", lead=True), Piece(text=": "))
    for place, (row, dataset, part) in enumerate(turned[:MOST_NAMED_EFFECTS]):
        assert part.best is not None, "it has a difference"
        label = best_rate_text(dataset, part)
        yield Piece(text=f"{', ' if place else ''}{part.part} {label} (")
        yield Piece(text=interval_text(part.difference), run=f"{PREFIX}{dataset.name}-{part.experiments[part.best]}")
        yield Piece(text=f" on {dataset.title}")
        contrary = ("worse", *CONTRARY["take"]) if label.startswith("better") else ()
        yield from _but([(one, cell) for one, cell in _labelled(row, datasets, *contrary) if one is not dataset])
        yield Piece(text=")")
    if (left := len(turned) - MOST_NAMED_EFFECTS) > 0:
        yield Piece(text=f" and {left} more")
