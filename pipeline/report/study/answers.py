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
    clauses = {lead: [*_clause(lead, parts, datasets)] for lead, parts in _by_lead(rows, datasets).items() if parts}
    clauses |= {lead: [*_rated_clause(lead, parts)] for lead, parts in _at_own_rates(rows, datasets).items()}
    said = [clauses[lead] for lead in sorted(clauses, key=_place)]
    if not any(lead.startswith(("take", "better")) for lead in clauses):
        said = [[Piece(text=f"keep {question.authors}")], *said]
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


def _place(lead: str) -> int:
    return ("take", "better", "maybe", "open", "worse").index(lead.partition(" ")[0])


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


RatedLabel = tuple[StudyDataset, RatedPart]
AT_OWN_RATE = {"better": "better", "better (by itself)": "maybe", "open": "open", "worse": "worse"}
"""Leads of clauses, by the label at the best learning rates."""


def _at_own_rates(rows: list[QuestionRow], datasets: list[StudyDataset]) -> dict[str, list[RatedLabel]]:
    """By lead, the parts that have another label where part and base have their own best learning rates."""
    cells = [(one, cell) for row in rows for one, cell in zip(datasets, row.cells, strict=True) if cell]
    cells = [(one, cell) for one, cell in cells if cell.reference == BASE and not one.recordings]
    found = [(one, part, one.words(cell)) for one, cell in cells for part in one.rated if part.part == cell.part]
    labels = [(one, part, best_rate_text(one, part), words) for one, part, words in found if part.difference]
    return {
        f"{lead} at its own learning rate": parts
        for label, lead in AT_OWN_RATE.items()
        if (parts := [(one, part) for one, part, best, words in labels if best == label and _turned(best, words)])
    }


def _turned(best: str, words: str) -> bool:
    """Whether a label at the best rates says something else; a worse part that is surely worse does not."""
    return best != words if best.startswith("better") else best.partition(" ")[0] != words.partition(" ")[0]


def _rated_clause(lead: str, parts: list[RatedLabel]) -> Iterator[Piece]:
    yield Piece(text=f"{lead}: ")
    ordered = sorted(parts, key=lambda pair: -pair[1].difference.points if pair[1].difference else 0.0)
    for place, (dataset, part) in enumerate(ordered[:MOST_NAMED_PARTS]):
        assert part.best is not None, "it has a difference"
        yield Piece(text=f"{', ' if place else ''}{part.part} (")
        yield Piece(text=interval_text(part.difference), run=f"{PREFIX}{dataset.name}-{part.experiments[part.best]}")
        yield Piece(text=f" on {dataset.title})")
    if (left := len(parts) - MOST_NAMED_PARTS) > 0:
        yield Piece(text=f" and {left} more")
