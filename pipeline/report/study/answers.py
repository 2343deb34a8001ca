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
    better, perhaps, worse = (
        [_labelled(row, datasets, words) for row in rows] for words in ("better", "better (by itself)", "worse")
    )
    pairs = list(zip(rows, better, perhaps, worse, strict=True))
    take = [(row, good) for row, good, _, bad in pairs if good and not bad]
    turns = [(row, good + bad) for row, good, _, bad in pairs if good and bad]
    maybe = [(row, fair) for row, good, fair, bad in pairs if fair and not good and not bad]
    avoid = [(row, bad) for row, good, _, bad in reversed(pairs) if bad and not good]
    keep = "" if take or turns else f"keep {question.authors}"
    named = {"take": take, "better on some, worse on others": turns, "maybe": maybe, "worse": avoid}
    said = [[Piece(text=keep)]] * bool(keep) + [[*_clause(*one, datasets)] for one in named.items() if one[1]]
    said += [[*_at_own_rates(turned)]] if (turned := _turned_by_rate(rows, datasets)) else []
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


RatedLabel = tuple[StudyDataset, RatedPart, str]


def _turned_by_rate(rows: list[QuestionRow], datasets: list[StudyDataset]) -> list[RatedLabel]:
    """The parts that have another label where part and base have their own best learning rates."""
    cells = [(one, cell) for row in rows for one, cell in zip(datasets, row.cells, strict=True) if cell]
    cells = [(one, cell) for one, cell in cells if cell.reference == BASE and not one.recordings]
    found = [(one, cell, part) for one, cell in cells for part in one.rated if part.part == cell.part]
    labels = [(one, part, best_rate_text(one, part), one.words(cell)) for one, cell, part in found if part.difference]
    return [(one, part, best) for one, part, best, words in labels if best.split()[0] != words.split()[0]]


def _at_own_rates(turned: list[RatedLabel]) -> Iterator[Piece]:
    yield Piece(text="at its own learning rate: ")
    for place, (dataset, part, label) in enumerate(turned[:MOST_NAMED_EFFECTS]):
        assert part.best is not None, "it has a difference"
        yield Piece(text=f"{', ' if place else ''}{part.part} {label} (")
        yield Piece(text=interval_text(part.difference), run=f"{PREFIX}{dataset.name}-{part.experiments[part.best]}")
        yield Piece(text=f" on {dataset.title})")
    if (left := len(turned) - MOST_NAMED_EFFECTS) > 0:
        yield Piece(text=f" and {left} more")
