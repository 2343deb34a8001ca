"""The questions that a builder of a network has, and the parts that answer each."""

from dataclasses import dataclass
from statistics import fmean

from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.grid import Cell


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
    _question("steps", "How many time steps?", "the number of steps here", "time_steps"),
    _question("size", "How deep, and how wide?", "the size here", "blocks", "width"),
    _question("spikes", "Spikes or ReLU?", "spikes", "neuron"),
)


@dataclass(frozen=True, kw_only=True)
class QuestionRow:
    """A part that answers a question, on each dataset."""

    part: str
    reference: str
    changed: str
    cells: list[Cell | None]
    """In the order of the datasets; None where it was not run."""


def question_of(cell: Cell) -> Question:
    """The question that most of a cell's changes belong to; the last of them in a tie, so that relu is about spikes."""
    return max(reversed(QUESTIONS), key=lambda question: len(question.keys & cell.changes.keys()))


def rows_of(question: Question, datasets: list[StudyDataset]) -> list[QuestionRow]:
    """The parts that answer a question, from the best to the worst by their mean difference."""
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
