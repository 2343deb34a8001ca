"""The page of the study, from made records whose differences are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.audit.record import Record
from pipeline.audit.study import cells, significant
from pipeline.params import load
from pipeline.paths import PROFILES
from pipeline.report.study import frontier, make_part, write_study
from tests.audit.claimed import run

WORK: dict[str, int] = {
    "samples": 10, "inputs": 100, "nonzero": 40, "dense": 1000, "binary": 300, "graded": 0, "graded_units": 0,
    "real": 100, "normalized": 12, "neurons": 8,
}  # fmt: skip


def made(part: str, accuracies: list[float], work: int = 1, **changed: Any) -> list[Record]:
    """Records of seeds 0, 1, ... of a part of the study on the digits, in thousandths of 1,000 test samples."""
    basis = run(experiment=f"study-digits-{part}")
    network = basis.network | {key: value for key, value in changed.items() if key in basis.network}
    training = basis.training | {key: value for key, value in changed.items() if key in basis.training}
    layers = {"stem": {name: value * work if name != "samples" else value for name, value in WORK.items()}}
    return [
        replace(
            basis,
            seed=seed,
            dataset=basis.dataset | {"name": "digits"},
            network=network,
            training=training,
            test=basis.test
            | {"samples": 1000, "top1_percent": value, "correct_by_step": [int(5 * value), int(10 * value)]},
            operations={"steps": 2, "layers": layers},
        )
        for seed, value in enumerate(accuracies)
    ]


@pytest.fixture
def records() -> list[Record]:
    return [
        *made("base", [90.0, 91.0, 92.0]),
        *made("bn", [94.0, 95.1, 95.9], normalization="bn"),
        *made("no-normalization", [50.0, 52.0, 51.0], normalization="none"),
        *made("balanced", [58.0, 64.0, 67.0], normalization="none", initialization="threshold-balanced"),
        *made("leak", [90.0, 91.5, 91.0], work=2, leak=1.0),
    ]


def test_each_part_is_read_against_the_one_it_differs_least_from(records: list[Record]) -> None:
    found = {cell.part: cell for cell in cells(records, "digits")}
    assert {part: cell.reference for part, cell in found.items()} == {
        "base": "base",
        "bn": "base",
        "leak": "base",
        "balanced": "no-normalization",
        "no-normalization": "base",
    }
    assert found["balanced"].changed == "initialization threshold-balanced"
    assert found["bn"].difference is not None
    assert found["bn"].difference.mean == pytest.approx(4.0)
    assert found["base"].difference is None
    assert found["leak"].operations == 2 * found["base"].operations == 80
    assert found["base"].by_step == pytest.approx([45.5, 91.0])


def test_only_what_stands_all_comparisons_is_called_better_without_more(records: list[Record]) -> None:
    """balanced: +8, +12, +16 points, p = 0.035: below 5 %, but not below the half of it that two comparisons leave."""
    part = make_part("digits", records)
    assert part is not None
    assert part.holds == {"bn", "no-normalization"} == significant(part.cells)
    words = {cell.part: part.words(cell) for cell in part.cells}
    assert words == {
        "base": "no interval",
        "bn": "better",
        "no-normalization": "worse",
        "balanced": "better (by itself)",
        "leak": "open",
    }


def test_the_frontier_is_what_nothing_beats(records: list[Record]) -> None:
    assert frontier(cells(records, "digits")) == {"bn"}


def test_the_page_says_sizes_and_what_did_not_run(records: list[Record], tmp_path: Path) -> None:
    for record in records:
        record.write(tmp_path / "results" / record.experiment / f"{record.seed}.json")
    declared = load(PROFILES / "study.yaml").runs
    write_study({name: run.dataset for name, run in declared.items()}, tmp_path / "results", tmp_path)
    text = (tmp_path / "study.md").read_text(encoding="utf-8")
    assert "| bn | normalization bn | base | +4.00 [" in text
    assert "Small-scale evidence" in text
    assert "| digits | 9 | 120 |" in text  # base, bn and no-normalization are cells of the profile
    assert "9 of 297 declared trainings ran" in text
    assert (tmp_path / "study-digits.svg").read_text(encoding="utf-8").startswith("<svg")


def test_without_a_base_there_is_nothing_to_compare_with(records: list[Record]) -> None:
    assert cells(records[3:], "digits") == []
