"""The accuracy if a network decides before its last time step."""

from dataclasses import dataclass

from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.grid import Cell


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
