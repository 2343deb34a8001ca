"""The page of the study, from made-up records with known differences."""

import json
from dataclasses import asdict, replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.ground.paths import PROFILES, RESULTS, ROOT
from pipeline.judge.matching import name_of
from pipeline.protocol.params import load_params
from pipeline.report.study.dataset import Declared, StudyDataset, make_dataset
from pipeline.report.study.grid import Cell, configuration_of, not_run, significant
from pipeline.report.study.page import write_study
from pipeline.report.study.pooled import PairedDifference, contrast_of, in_points
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


def hits_of(records: list[Record]) -> dict[str, SampleHits]:
    """The best training gets what all others get, and more: no sample is hard for a good one and easy for a bad one."""
    return {
        name_of(record): SampleHits(right=np.arange(1000) < round(10 * record.test["top1_percent"]), order="digits")
        for record in records
    }


def dataset_of(records: list[Record], about: list[Record] | None = None) -> StudyDataset:
    one = make_dataset("digits", records, declared(about or records), hits_of(records))
    assert one is not None
    return one


def found(records: list[Record]) -> list[Cell]:
    return dataset_of(records).cells


def test_what_changes_many_values_is_read_against_the_base(records: list[Record]) -> None:
    recipe = made("recipe", [80.0, 81.0, 82.0], normalization="bn", reset="zero", learning_rate=0.7)
    by_part = {cell.part: cell for cell in found(records + recipe)}
    assert by_part["recipe"].reference == "base"
    assert by_part["recipe"].difference is not None
    assert by_part["recipe"].difference.points == pytest.approx(81.0 - by_part["base"].accuracy)


def test_each_part_is_read_against_the_one_from_which_one_value_differs(records: list[Record]) -> None:
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
    part = dataset_of(left, records)
    (balanced,) = [cell for cell in part.cells if cell.part == "balanced"]
    assert (balanced.reference, balanced.difference) == ("no-normalization", None)


def test_a_record_of_another_configuration_is_left_out(records: list[Record]) -> None:
    stale = [replace(record, network=record.network | {"width": 99}) for record in records[3:6]]
    part = dataset_of(records[:3] + stale, records)
    assert [cell.part for cell in part.cells] == ["base"]


def test_only_what_stands_all_comparisons_is_called_better_without_more(records: list[Record]) -> None:
    """slight is 1.2 points above the base, p = 0.03: below 5 %, but not below the half that the last two leave it."""
    slight = made("slight", [91.2, 92.2, 93.2], reset="zero")
    part = dataset_of(records + slight)
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
    assert len(part.compared) == 5


def test_the_label_is_on_the_intervals_side_of_zero(records: list[Record]) -> None:
    """355, 355, 285 of 355 against 335, 336, 334: the mean accuracy is lower, the mean log-odds are higher."""
    found = PairedDifference(n=3, points=-0.94, low=3.8, high=6.3, p_value=0.001)
    cell = replace(dataset_of(records).cells[1], difference=found)
    below = replace(cell, difference=replace(found, points=0.94, low=-6.3, high=-3.8))
    assert [one.words(True) for one in (cell, below)] == ["better", "worse"]


def test_trainings_that_failed_say_nothing_of_a_part(records: list[Record]) -> None:
    """They get no interval, no place, and do not widen those of others; 10 classes: chance is 10 %."""
    failed = [*made("torn", [90.0, 25.0, 80.0], leak=0.5), *made("silent", [10.0, 30.0, 12.0], leak=0.1)]
    part, without = dataset_of(records + failed), dataset_of(records)
    assert part.evidence is not None
    assert without.evidence is not None
    assert part.evidence.spread.total == pytest.approx(without.evidence.spread.total)
    words = {cell.part: part.words(cell) for cell in part.cells}
    assert (words["torn"], words["silent"]) == ("unstable", "did not train")
    torn = next(cell for cell in part.cells if cell.part == "torn")
    assert torn.difference is not None
    assert (torn.difference.points, torn.difference.low) == (pytest.approx(-26.0), None)


def test_answers_in_another_order_are_not_compared(records: list[Record]) -> None:
    hits = hits_of(records)
    hits["study-digits-bn/1.json"] = replace(hits["study-digits-bn/1.json"], order="other")
    with pytest.raises(InputError, match=r"study-digits-bn/1\.json: its per-sample answers have other samples"):
        make_dataset("digits", records, declared(records), hits)


def test_without_answers_a_difference_has_no_interval(records: list[Record]) -> None:
    hits = {name: one for name, one in hits_of(records).items() if "bn" not in name}
    one = make_dataset("digits", records, declared(records), hits)
    assert one is not None
    (bn,) = [cell for cell in one.cells if cell.part == "bn"]
    assert bn.difference is not None
    assert (bn.difference.points, bn.difference.low, one.words(bn)) == (pytest.approx(4.0), None, "no interval")
    assert len(one.compared) == 3


def test_more_seeds_decide_smaller_differences(records: list[Record]) -> None:
    three, five, ten = (dataset_of(records).decided_by(seeds) or 0.0 for seeds in (3, 5, 10))
    assert three > five > ten > 0
    one = dataset_of(records)
    assert one.evidence is not None
    scores, spread = one.evidence.scores, one.evidence.spread
    contrasts = [contrast_of(scores, {cell.part: 1, cell.reference: -1}, spread) for cell in one.compared]
    median = np.median([contrast.decides(3) for contrast in contrasts])
    assert three == pytest.approx(in_points(log(910.5 / 90.5), median)), "half a sample on either side of 910 of 1,000"
    assert make_dataset("digits", records, declared(records), {}).decided_by(3) is None  # type: ignore[union-attr]


def test_one_common_seed_says_nothing_of_more(records: list[Record]) -> None:
    alone = [record for record in records if record.seed == 0 or not record.experiment.endswith(("-bn", "-leak"))]
    one = dataset_of(alone)
    assert [cell.part for cell in one.compared if cell not in one.repeated] == ["bn", "leak"]
    few = replace(one, cells=[cell for cell in one.cells if cell.part in ("base", "bn", "leak")])
    assert (few.repeated, few.decided_by(3)) == ([], None)


def test_records_of_other_samples_are_not_compared(records: list[Record]) -> None:
    other = [replace(one, digests=one.digests | {"test_rows": "other"}) for one in records[3:6]]
    with pytest.raises(InputError, match="study-digits-bn-0: its test_rows differ from those of study-digits-base-0"):
        dataset_of(records[:3] + other, records)


def test_a_record_of_another_configuration_has_not_run(records: list[Record]) -> None:
    stale = replace(records[3], network=records[3].network | {"width": 99})
    configurations = {name: about.configuration for name, about in declared(records).items()}
    assert not_run(configurations, [*records[:3], stale, *records[4:]]) == ["study-digits-bn-0"]


def test_what_benchmarks_measured_is_shown(records: list[Record], tmp_path: Path) -> None:
    results = tmp_path / "results"
    for record in records:
        record.write(results / record.experiment / f"{record.seed}.json")
    ratios = {"bn": {"median": 0.87, "low": 0.8, "high": 0.9}}
    seconds = {"datasets": {"digits": {"ratios": ratios}}, "machine": "made of sand"}
    (results / "bench-study.json").write_text(json.dumps(seconds), encoding="utf-8")
    changes = [{"change": "dropped", "part": part, "accuracy": 80.0 - 100 * part} for part in (0.0, 0.25)]
    one = {"title": "Made recordings", "samples": 100, "rows": changes, "machine": "made of wood"}
    other = one | {"rows": [row | {"accuracy": row["accuracy"] + 1} for row in changes]}
    robust = {"study-digits-base-0": one | {"seed": 0}, "study-digits-base-1": other | {"seed": 1}}
    (results / "robustness.json").write_text(json.dumps(robust), encoding="utf-8")
    network = asdict(NETWORK)
    row = {"epochs": 3, "drawn": {"0": 50.0}, "fine_tuned": {"0": 61.5}}
    row |= {"difference": {"mean": 11.5, "low": None, "high": None, "seeds": [0]}}
    sizes = {"image_samples": 1442, "image_epochs": 6, "train_samples": 480, "test_samples": 120}
    tuned = {
        "images": "Digits",
        "events": "Events of them",
        "network": network,
        "rows": [row],
        "machine": "of tin",
    } | sizes
    (results / "fine-tuning.json").write_text(json.dumps(tuned), encoding="utf-8")
    times = {time: {"platforms": [time], "correct": correct} for time, correct in (("first", 94), ("again", 95))}
    rerun = {"experiment": "study-digits-bn", "seed": 0, "samples": 100, "same_weights": False} | times
    (results / "study-rerun.json").write_text(json.dumps({"runs": [rerun]}), encoding="utf-8")
    text = write_study(declared(records), tmp_path, tmp_path)[0].read_text(encoding="utf-8")
    assert "Events of them (480 training and 120 test samples)" in text
    assert "| 3 | 50.00 | 61.50 | +11.50, 1 |" in text
    (line,) = [line for line in text.splitlines() if line.startswith('| <a id="study-digits-bn"></a>study-digits-bn |')]
    assert "| 0, 1, 2 | 94.00, 95.10, 95.90 |" in line
    assert line.endswith("| 0.87 |")
    assert all(machine in text for machine in ("made of sand", "Measured on made of wood.", "Measured on of tin."))
    assert "0 of 1 trainings have equal weights" in text
    assert "| study-digits-bn | 0 | 94.00 | 95.00 | none |" in text
    assert "| whole | 25 % dropped |" in text
    assert "| study-digits-base | 0, 1 | 80.50 | 55.50 |" in text


def test_the_page_says_sizes_and_what_did_not_run(records: list[Record], tmp_path: Path) -> None:
    for record in records[:-3]:
        record.write(tmp_path / "results" / record.experiment / f"{record.seed}.json")
    written = write_study(declared(records), tmp_path, tmp_path)
    assert written == [tmp_path / "study.md"], "without per-sample answers there are no intervals to draw"
    text = written[0].read_text(encoding="utf-8")
    assert (
        "| **bn**: normalization bn | [+4.0](#study-digits-bn)<br>no interval<br>1.00\u00a0×, 1.00\u00a0×\u00a0µJ |"
        in text
    )
    assert "12 of 15 |" in text
    assert "12 of 15 declared trainings have a record" in text


def test_without_a_base_there_is_nothing_to_compare_with(records: list[Record]) -> None:
    assert make_dataset("digits", records[3:], declared(records), {}) is None


def test_the_profiles_records_are_told_apart_by_their_configurations() -> None:
    """What is declared is what a record has: JSON's lists and numbers."""
    profile = load_params(PROFILES / "quick.yaml")
    record = read_record(RESULTS / "digits" / "0.json")
    assert as_recorded(profile.experiments["digits"]) == configuration_of(record)


def test_the_committed_page_is_of_the_committed_records(tmp_path: Path) -> None:
    """And every committed record of the study is of its profile's configuration."""
    written = write(tmp_path)
    committed = ROOT / "docs" / "study.md"
    assert written[0].read_text(encoding="utf-8") == committed.read_text(encoding="utf-8"), "sresnet study"
    experiments = {
        name: one
        for profile in ("study.yaml", "study-rates.yaml")
        for name, one in load_params(PROFILES / profile).experiments.items()
    }
    for path in RESULTS.glob("study-*/*.json"):
        record = read_record(path)
        assert as_recorded(experiments[record.experiment]) == configuration_of(record), path
