"""The page of the study, from made-up records with known differences."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PROFILES, RESULTS, ROOT
from pipeline.protocol.params import load_params
from pipeline.report.study.figures import best_by_step, frontier
from pipeline.report.study.grid import Cell, configuration_of, not_run, significant
from pipeline.report.study.page import in_both, write_study
from pipeline.report.study.part import Declared, make_part
from pipeline.report.study.write import as_recorded, write
from tests.judge.claimed import run
from tests.train.tiny import NETWORK

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
            dataset=basis.dataset | {"name": "digits", "classes": [str(digit) for digit in range(10)]},
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
    assert by_part["bn"].difference.points == pytest.approx(4.0)
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
    """slight is 1.2 points above the base, p = 0.03: below 5 %, but not below the half that the last two leave it."""
    slight = made("slight", [91.2, 92.2, 93.2], reset="zero")
    part = make_part("digits", records + slight, declared(records + slight))
    assert part is not None
    assert part.holds == {"bn", "no-normalization", "balanced"} == significant(part.cells)
    words = {cell.part: part.words(cell) for cell in part.cells}
    assert words == {
        "base": "no interval",
        "bn": "better",
        "no-normalization": "worse",
        "balanced": "better",
        "leak": "open",
        "slight": "better (by itself)",
    }
    assert part.compared == 5
    assert part.called("better (by itself)") == "slight (+1.20)"


def test_trainings_that_failed_say_nothing_of_a_part(records: list[Record]) -> None:
    """They get no interval, no place, and do not widen those of others; 10 classes: chance is 10 %."""
    failed = [*made("torn", [90.0, 25.0, 80.0], leak=0.5), *made("silent", [10.0, 30.0, 12.0], leak=0.1)]
    part, without = (
        make_part("digits", records + failed, declared(records + failed)),
        make_part("digits", records, declared(records)),
    )
    assert part is not None
    assert without is not None
    assert part.spread == without.spread
    words = {cell.part: part.words(cell) for cell in part.cells}
    assert (words["torn"], words["silent"]) == ("unstable", "did not train")
    torn = next(cell for cell in part.cells if cell.part == "torn")
    assert torn.difference is not None
    assert (torn.difference.points, torn.difference.low) == (pytest.approx(-26.0), None)
    assert part.places == without.places


def test_records_of_other_samples_are_not_compared(records: list[Record]) -> None:
    other = [replace(one, digests=one.digests | {"test_rows": "other"}) for one in records[3:6]]
    with pytest.raises(InputError, match="study-digits-bn-0: its test_rows differ from those of study-digits-base-0"):
        make_part("digits", records[:3] + other, declared(records))


def test_a_record_of_another_configuration_has_not_run(records: list[Record]) -> None:
    stale = replace(records[3], network=records[3].network | {"width": 99})
    configurations = {name: about.configuration for name, about in declared(records).items()}
    assert not_run(configurations, [*records[:3], stale, *records[4:]]) == ["study-digits-bn-0"]


def test_the_frontier_is_what_nothing_beats(records: list[Record]) -> None:
    """half is worse than all and costs less; leak costs more than bn and is worse."""
    half = made("half", [60.0, 61.0, 62.0], width=2)
    cheap = [replace(one, operations=records[0].operations) for one in half]
    dear = [replace(one, operations=records[-1].operations) for one in records[:-3]]
    assert frontier(found([*dear, *records[-3:], *cheap])) == {"bn", "half"}


def test_a_place_leaves_out_only_what_is_surely_better_or_worse(records: list[Record]) -> None:
    """leak differs from the base by 0, 0.5 and -1 points; all else is apart."""
    part = make_part("digits", records, declared(records))
    assert part is not None
    assert part.places == {
        "bn": (1, 1),
        "base": (2, 3),
        "leak": (2, 3),
        "balanced": (4, 4),
        "no-normalization": (5, 5),
    }


def test_the_best_after_each_number_of_steps(records: list[Record]) -> None:
    """leak leads after the first step, bn from the second on, and has no third, where the base's is worse: bn stays."""
    steps = {"bn": [50.0, 95.0], "leak": [60.0, 70.0], "base": [10.0, 20.0, 90.0]}
    cells = [replace(cell, by_step=steps[cell.part]) for cell in found(records) if cell.part in steps]
    best = best_by_step(cells)
    assert [(row["part"], row["step"], row["name"]) for row in best] == [
        ("leak", 1, "leak"),
        ("bn", 2, "bn"),
        ("bn", 3, ""),
    ]
    assert [row["accuracy"] for row in best] == [60.0, 95.0, 95.0]


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
    network = asdict(NETWORK)
    row = {"epochs": 3, "drawn": {"0": 50.0}, "fine_tuned": {"0": 61.5}}
    row |= {"difference": {"mean": 11.5, "low": None, "high": None, "seeds": [0]}}
    sizes = {"image_samples": 1442, "image_epochs": 6, "train_samples": 480, "test_samples": 120}
    tuned = {"images": "Digits", "events": "Events of them", "network": network, "rows": [row]} | sizes
    (results / "fine-tuning.json").write_text(json.dumps(tuned), encoding="utf-8")
    text = write_study(declared(records), results, tmp_path)[0].read_text(encoding="utf-8")
    assert "Events of them (480 training and 120 test samples)" in text
    assert "| 3 | 50.00 | 61.50 | +11.50, 1 |" in text
    assert "| 0.87 |" in text
    assert "made of sand" in text
    assert "| whole | 25 % dropped |" in text
    assert "| study-digits-base | 0, 1 | 80.50 | 55.50 |" in text


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
    profile = load_params(PROFILES / "quick.yaml")
    record = read_record(RESULTS / "digits" / "0.json")
    assert as_recorded(profile.experiments["digits"]) == configuration_of(record)


def test_the_committed_page_is_of_the_committed_records(tmp_path: Path) -> None:
    """And every committed record of the study is of the profile's configuration."""
    written = write(tmp_path)
    committed = ROOT / "docs" / "study.md"
    assert written[0].read_text(encoding="utf-8") == committed.read_text(encoding="utf-8"), "sresnet study"
    profile = load_params(PROFILES / "study.yaml")
    for path in RESULTS.glob("study-*/*.json"):
        record = read_record(path)
        assert as_recorded(profile.experiments[record.experiment]) == configuration_of(record), path
