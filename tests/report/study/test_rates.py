"""Parts at their own learning rate: the best rate of each, and the difference there."""

import pytest

from pipeline.evaluate.record import Record
from pipeline.ground.paths import PROFILES
from pipeline.protocol.params import load_params
from pipeline.report.study.answers import answered_questions
from pipeline.report.study.labels import best_rate_text, rate_text
from pipeline.report.study.write import as_recorded
from tests.report.study.test_study import dataset_of, made

RATES = {"-slow": 0.1, "": 0.3, "-fast": 0.9}


def rated(part: str, accuracies: dict[str, list[float]], **changed: object) -> list[Record]:
    return [
        record
        for ending, values in accuracies.items()
        for record in made(part + ending, values, learning_rate=RATES[ending], **changed)
    ]


SAME = {"-slow": [79.0, 80.0, 81.5], "": [80.0, 81.0, 82.0], "-fast": [70.0, 71.1, 71.9]}
RECORDS = [
    *rated("base", SAME),
    *rated(
        "bn", {"-slow": [60.0, 61.1, 61.9], "": [70.0, 71.1, 71.9], "-fast": [84.0, 85.1, 85.9]}, normalization="bn"
    ),
    *rated("leak", {"-slow": [10.0, 10.0, 11.0], "": [80.0, 15.0, 70.0], "-fast": [10.0, 9.0, 10.0]}, leak=1.0),
    *rated("membrane", {ending: [70.0, 71.0, 72.1] for ending in RATES}, shortcut="membrane"),
    *made("reset", [50.0, 51.1, 51.9], reset="zero", learning_rate=0.3),
]


def test_a_part_that_wants_another_rate_is_compared_at_it() -> None:
    dataset = dataset_of(RECORDS)
    base, *others = dataset.rated
    assert (base.part, base.best, base.difference) == ("base", 0.3, None)
    assert {one.part: one.best for one in others} == {"bn": 0.9, "membrane": 0.1, "leak": None}
    bn = next(one for one in others if one.part == "bn")
    assert bn.difference is not None
    assert bn.difference.points == pytest.approx(4.0)
    assert {one.part: best_rate_text(dataset, one) for one in others} == {
        "bn": "better", "membrane": "worse", "leak": "trains at none",
    }  # fmt: skip
    assert [rate_text(bn, rate) for rate in (0.1, 0.3, 0.9)] == ["61.0", "71.0", "85.0"]
    assert rate_text(others[-1], 0.9) == "did not train"
    assert {cell.part for cell in dataset.further} == {
        part + ending for part in ("base", "bn", "leak", "membrane") for ending in ("-slow", "-fast")
    }


def test_the_sentence_says_which_parts_have_another_label_at_their_own_rate() -> None:
    """bn is worse at the base's rate and better at its own; membrane is worse at both; leak trains at none."""
    said = {
        one.question.name: "".join(piece.text for piece in one.sentence).replace("\u00a0", " ")
        for one in answered_questions([dataset_of(RECORDS)])
    }
    assert said["normalization"].startswith("keep BNTT; worse: bn (-10.0 [")
    assert "; at its own learning rate: bn better (+4.0 [" in said["normalization"]
    assert not any("own learning rate" in text for name, text in said.items() if name != "normalization")
    normalization = answered_questions([dataset_of(RECORDS)])[0]
    other = dataset_of(
        [
            *made("base", [80.0, 81.0, 82.0]),
            *made("bn", [40.0, 42.0, 41.0], normalization="bn"),
            *made("leak", [80.0, 81.5, 81.0], leak=1.0),
        ]
    )
    both = answered_questions([dataset_of(RECORDS), other])[0]
    assert "; but worse on Tiny)" in "".join(piece.text for piece in both.sentence)
    assert "study-digits-bn-fast" in [piece.run for piece in normalization.sentence]


def test_a_part_that_has_records_at_another_rate_only_is_in_the_table() -> None:
    """At the base's rate every loss stopped being a number."""
    dataset = dataset_of([one for one in RECORDS if one.experiment != "study-digits-bn"])
    bn = next(one for one in dataset.rated if one.part == "bn")
    assert list(bn.experiments.items()) == [(0.1, "bn-slow"), (0.3, "bn"), (0.9, "bn-fast")]
    assert (rate_text(bn, 0.3), bn.best) == ("no record", 0.9)
    assert best_rate_text(dataset, bn) == "better"


def test_other_rates_are_no_parts_and_do_not_change_the_spread() -> None:
    alone = dataset_of([record for record in RECORDS if not record.experiment.endswith(("-slow", "-fast"))])
    dataset = dataset_of(RECORDS)
    assert [cell.part for cell in dataset.cells] == [cell.part for cell in alone.cells]
    assert dataset.evidence is not None
    assert alone.evidence is not None
    assert dataset.evidence.spread == alone.evidence.spread
    assert alone.rated == []


def test_a_rate_that_lost_a_seed_is_not_chosen_and_one_without_a_record_is_said() -> None:
    """A training whose loss stops being a number has no record: the seeds that are left are the lucky ones."""
    lost = [
        record
        for record in RECORDS
        if not (record.experiment.endswith("bn-fast") and record.seed) and not record.experiment.endswith("leak-fast")
    ]
    found = {one.part: one for one in dataset_of(lost).rated}
    assert (rate_text(found["bn"], 0.9), found["bn"].best) == ("1 of 3 seeds", 0.3)
    assert rate_text(found["leak"], 0.9) == "no record"
    without_base = [record for record in RECORDS if not record.experiment.endswith("base-fast")]
    assert dataset_of(without_base).rated[0].accuracies[0.9] == "no record"


def test_the_profile_has_every_part_on_the_digits_at_a_third_and_three_times_its_rate() -> None:
    study, rates = (load_params(PROFILES / f"{name}.yaml") for name in ("study", "study-rates"))
    parts = {name for name in study.experiments if study.experiments[name].dataset == "digits"}
    single = {name for name in parts if f"{name}-slow" in rates.experiments}
    pairs = ("bn-membrane", "reset-zero-spike-count", "half-time-tet", "double-time-tet")
    assert parts - single == {f"study-digits-{name}" for name in ("low-rate", *pairs)}
    for name in single:
        own = as_recorded(study.experiments[name])
        for ending, factor in (("-slow", 1 / 3), ("-fast", 3)):
            changed = as_recorded(rates.experiments[name + ending])
            assert changed.pop("learning_rate") == pytest.approx(factor * own["learning_rate"])  # type: ignore[operator]
            assert changed == {key: value for key, value in own.items() if key != "learning_rate"}
    assert len(rates.runs) == 3 * len(rates.experiments)
