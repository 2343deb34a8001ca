"""The page of the study, from made records whose differences are known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.audit.record import Record, read_record
from pipeline.audit.study import Cell, configuration_of, places, significant
from pipeline.params import load
from pipeline.paths import PROFILES, RESULTS
from pipeline.report.study import in_both, write_study
from pipeline.report.study_figures import best_by_step, frontier
from pipeline.report.study_part import Declared, make_part
from pipeline.study import as_recorded
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
        *made("no-normalization", [50.0, 52.0, 51.0], normalization="none", learning_rate=0.5),
        *made(
            "balanced", [58.0, 64.0, 67.0], normalization="none", initialization="threshold-balanced", learning_rate=0.5
        ),
        *made("leak", [90.0, 91.5, 91.0], work=2, leak=1.0),
    ]


def declared(records: list[Record]) -> dict[str, Declared]:
    return {
        f"{record.experiment}-{record.seed}": Declared(
            experiment=record.experiment, dataset="digits", configuration=configuration_of(record)
        )
        for record in records
    }


def found(records: list[Record]) -> list[Cell]:
    part = make_part("digits", records, declared(records))
    return part.cells if part else []


def test_each_part_is_read_against_the_one_it_differs_least_from(records: list[Record]) -> None:
    by_part = {cell.part: cell for cell in found(records)}
    assert {part: cell.reference for part, cell in by_part.items()} == {
        "base": "base",
        "bn": "base",
        "leak": "base",
        "balanced": "no-normalization",
        "no-normalization": "base",
    }
    assert by_part["balanced"].changed == "initialization threshold-balanced"
    assert by_part["bn"].difference is not None
    assert by_part["bn"].difference.mean == pytest.approx(4.0)
    assert by_part["base"].difference is None
    assert by_part["leak"].operations == 2 * by_part["base"].operations == 80
    assert by_part["base"].by_step == pytest.approx([45.5, 91.0])


def test_the_reference_is_the_profiles_also_where_it_has_not_run(records: list[Record]) -> None:
    left = [record for record in records if not record.experiment.endswith("no-normalization")]
    part = make_part("digits", left, declared(records))
    assert part is not None
    (balanced,) = [cell for cell in part.cells if cell.part == "balanced"]
    assert (balanced.reference, balanced.difference) == ("no-normalization", None)


def test_a_record_of_another_configuration_is_left_out(records: list[Record]) -> None:
    stale = [replace(record, network=record.network | {"width": 99}) for record in records[3:6]]
    part = make_part("digits", records[:3] + stale, declared(records))
    assert part is not None
    assert [cell.part for cell in part.cells] == ["base"]


def test_only_what_stands_all_comparisons_is_called_better_without_more(records: list[Record]) -> None:
    """balanced: +8, +12, +16 points, p = 0.035: below 5 %, but not below the half of it that two comparisons leave."""
    part = make_part("digits", records, declared(records))
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
    assert frontier(found(records)) == {"bn"}


def test_a_place_leaves_out_only_what_is_surely_better_or_worse(records: list[Record]) -> None:
    """leak differs from the base by 0, 0.5 and -1 points; all else is apart, also for a part's four pairs together:
    the weakest is balanced against no-normalization, p = 0.035, which as the last of its four stands."""
    assert places(found(records)) == {
        "bn": (1, 1),
        "base": (2, 3),
        "leak": (2, 3),
        "balanced": (4, 4),
        "no-normalization": (5, 5),
    }


def test_the_best_after_each_number_of_steps(records: list[Record]) -> None:
    """Each cell has half its accuracy after the first of two steps; a name stands where another takes over."""
    cells = found(records)
    longer = [replace(cell, by_step=[*cell.by_step, 50.0]) if cell.part == "bn" else cell for cell in cells]
    best = best_by_step(longer)
    assert [(row["part"], row["step"], row["name"]) for row in best] == [("bn", 1, "bn"), ("bn", 2, ""), ("bn", 3, "")]
    assert best[2]["accuracy"] == best[1]["accuracy"] == pytest.approx(95.0)


def test_what_benchmarks_measured_is_shown(records: list[Record], tmp_path: Path) -> None:
    results = tmp_path / "results"
    for record in records:
        record.write(results / record.experiment / f"{record.seed}.json")
    ratios = {"bn": {"median": 0.87, "low": 0.8, "high": 0.9}}
    seconds = {"datasets": {"digits": {"ratios": ratios}}, "machine": "made of sand"}
    (results / "bench-study.json").write_text(json.dumps(seconds), encoding="utf-8")
    changes = [{"change": "dropped", "part": part, "accuracy": 80.0 - 100 * part} for part in (0.0, 0.25)]
    one = {"title": "Made recordings", "samples": 100, "rows": changes}
    other = one | {"rows": [row | {"accuracy": row["accuracy"] + 1} for row in changes]}
    robust = {"study-digits-base-0": one | {"seed": 0}, "study-digits-base-1": other | {"seed": 1}}
    (results / "robustness.json").write_text(json.dumps(robust), encoding="utf-8")
    text = write_study(declared(records), results, tmp_path)[0].read_text(encoding="utf-8")
    assert "| 0.87 |" in text
    assert "made of sand" in text
    assert "| whole | 25 % dropped |" in text
    assert "| study-digits-base | 0, 1 | 80.50 | 55.50 |" in text
    assert "fine_tune" not in text


def test_comparisons_of_two_datasets_stand_side_by_side_only_if_they_are_the_same(records: list[Record]) -> None:
    part = make_part("digits", records, declared(records))
    assert part is not None
    other = replace(part, cells=[replace(cell, reference="another") for cell in part.cells if cell.part != "bn"])
    assert in_both([part, other]) == []
    assert [name for name, _ in in_both([part, part])] == [f"{cell.part} - {cell.reference}" for cell in part.others]


def test_the_page_says_sizes_and_what_did_not_run(records: list[Record], tmp_path: Path) -> None:
    for record in records[:-3]:
        record.write(tmp_path / "results" / record.experiment / f"{record.seed}.json")
    written = write_study(declared(records), tmp_path / "results", tmp_path)
    assert written == [tmp_path / "study.md", tmp_path / "study-digits.svg"]
    text = written[0].read_text(encoding="utf-8")
    assert "| bn | normalization bn | +4.00 [" in text
    assert "Small-scale evidence" in text
    assert "| digits | 12 | 15 |" in text
    assert "12 of 15 declared trainings ran" in text
    assert written[1].read_text(encoding="utf-8").startswith("<svg")


def test_without_a_base_there_is_nothing_to_compare_with(records: list[Record]) -> None:
    assert make_part("digits", records[3:], declared(records)) is None


def test_the_profiles_records_are_told_apart_by_their_configurations() -> None:
    """What is declared is what a record has: JSON's lists and numbers."""
    profile = load(PROFILES / "quick.yaml")
    record = read_record(RESULTS / "digits" / "0.json")
    assert as_recorded(profile.experiments["digits"]) == configuration_of(record)
