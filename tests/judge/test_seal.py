"""Each difference between a report and its seal gives one line. A damaged seal is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluate.record import Record
from pipeline.ground.errors import InputError
from pipeline.judge.audit import Audit
from pipeline.judge.claims import Claim, Rows, Spread
from pipeline.judge.seal import NOT_SEALED, SEAL, Seal, make_seal, read_seal, seal_differences, seal_lines
from pipeline.judge.verdicts import judge
from pipeline.protocol.identity import training_identity
from pipeline.protocol.params import ExperimentParams, ResultParams, RunParams
from tests.judge.claimed import NETWORK, TRAINING, accuracy, run, weights

CODE = "the sealed code"
CLAIMS: list[Claim] = [accuracy(), weights(id="w")]


def trained(seed: int, code: str = CODE, experiment: str = "digits", **parts: dict[str, Any]) -> Record:
    """A result of data `mine`, trained by this code."""
    record = run(seed=seed, experiment=experiment, **parts)
    name = training_identity(record.network, record.training, seed, [record.digests["train_rows"]], code, "2.15.0")
    return replace(record, digests=record.digests | {"identity": name}, platforms=["a CPU, torch 2.15.0"])


def audit_of(records: list[Record], claims: list[Claim] = CLAIMS, recorded: list[Record] | None = None) -> Audit:
    more = recorded or []
    return Audit(
        profile="made",
        claims=claims,
        judgements=[judge(claim, [*records, *more]) for claim in claims],
        deviations=[],
        not_checked=[],
        records=records,
        recorded=more,
        unchecked=[],
        hits={},
        measured=None,
    )


def sealed(*seeds: int) -> Seal:
    experiment = ExperimentParams(dataset="mine", model=NETWORK, training=TRAINING)
    params = ResultParams.model_construct(
        profile="made",
        experiments={"digits": experiment, "without runs": experiment},
        runs={f"digits-{seed}": RunParams(experiment="digits", dataset="mine", seed=seed) for seed in seeds},
    )
    return make_seal(params, CLAIMS, {"mine": Rows(train="train", test="test")}, CODE)


def test_what_was_sealed_has_no_differences() -> None:
    assert seal_differences(sealed(1, 0), audit_of([trained(0), trained(1)])) == []
    assert sealed(1, 0).as_json() == sealed(0, 1).as_json()
    assert list(sealed(0).experiments) == ["digits"]


def test_a_test_set_scored_each_epoch_is_in_the_name_of_a_training() -> None:
    scored = {"test_each_epoch": True}
    record = run(training=scored)
    name = training_identity(record.network, record.training, 0, ["train", "test"], CODE, "2.15.0")
    record = replace(record, digests=record.digests | {"identity": name}, platforms=["a GPU", "a CPU, torch 2.15.0"])
    seal = sealed().model_copy(update={"runs": ["any-0"]})
    assert not any("code" in line for line in seal_differences(seal, audit_of([record])))
    assert any("code" in line for line in seal_differences(seal.model_copy(update={"code": "b"}), audit_of([record])))


WIDER = accuracy(margin=4.0)
SPREAD = Spread(sd=0.1, trainings=5, seeds=[], source="s")
REPORTS: dict[str, tuple[Audit, list[str]]] = {
    "seed left out": (audit_of([trained(0)]), ["digits-1 was sealed and is not in this report"]),
    "seed added": (
        audit_of([trained(0), trained(1), trained(7)]),
        ["digits-7 is in this report and was not sealed"],
    ),
    "recorded result that decides": (
        audit_of([trained(0), trained(1)], recorded=[trained(2, experiment="other")]),
        ["other-2 is in this report and was not sealed"],
    ),
    "recorded result of no claim": (
        audit_of([trained(0), trained(1)], recorded=[trained(2, experiment="other", network={"leak": 0.1})]),
        [],
    ),
    "seed moved to the recorded results": (audit_of([trained(0)], recorded=[trained(1)]), []),
    "margin": (
        audit_of([trained(0), trained(1)], [WIDER, CLAIMS[1]]),
        ["c: the margin was sealed as 3.0 and is 4.0"],
    ),
    "printed": (
        audit_of([trained(0), trained(1)], [accuracy(printed="91.0 %"), CLAIMS[1]]),
        ["c: what is printed was sealed as 90.0 % and is 91.0 %"],
    ),
    "kind": (
        audit_of([trained(0), trained(1)], [CLAIMS[0], accuracy(id="w", printed="90.0 %")]),
        [
            "w: the kind was sealed as weights and is accuracy",
            "w: what is printed was sealed as p and is 90.0 %",
            "w: the margin was sealed as None and is 3.0",
        ],
    ),
    "spread": (
        audit_of([trained(0), trained(1)], [accuracy(spread=SPREAD), CLAIMS[1]]),
        ["c: its configuration, spread or wording is not what was sealed"],
    ),
    "claim left out": (audit_of([trained(0), trained(1)], CLAIMS[:1]), ["w was sealed and is not among the claims"]),
    "claim added": (
        audit_of([trained(0), trained(1)], [*CLAIMS, accuracy(id="new")]),
        ["new is among the claims and was not sealed"],
    ),
    "configuration": (
        audit_of([trained(seed, training={"epochs": 5}, network={"leak": 0.9}) for seed in (0, 1)]),
        [
            "experiments.digits.model.leak was sealed as 0.5 and is 0.9",
            f"experiments.digits.training.epochs was sealed as {TRAINING.epochs} and is 5",
        ],
    ),
    "data": (
        audit_of([trained(seed, digests={"train_rows": "others"}) for seed in (0, 1)]),
        ["rows.mine.train was sealed as train and is others"],
    ),
    "other data": (
        audit_of([trained(seed, dataset={"name": "b"}) for seed in (0, 1)]),
        [
            "experiments.digits.dataset was sealed as mine and is b",
            "rows.b.train was sealed as nothing and is train",
            "rows.b.test was sealed as nothing and is test",
        ],
    ),
    "code": (
        audit_of([trained(0), trained(1, code="other code")]),
        ["digits-1: the training code differs from the sealed one"],
    ),
    "profile": (
        replace(audit_of([trained(7)]), profile="other"),
        ["the runs of profile made were sealed, and this report is about profile other"],
    ),
}


@pytest.mark.parametrize(("audit", "lines"), REPORTS.values(), ids=REPORTS)
def test_a_report_that_is_not_what_was_sealed(audit: Audit, lines: list[str]) -> None:
    assert seal_differences(sealed(0, 1), audit) == lines


def test_a_configuration_is_sealed_whole() -> None:
    """A key that the seal does not have is a difference, as one that the training does not have."""
    seal = sealed(0)
    del seal.experiments["digits"]["model"]["leak"]
    seal.experiments["digits"]["more"] = 1
    assert seal_differences(seal, audit_of([trained(0)])) == [
        "experiments.digits.model.leak was sealed as nothing and is 0.5",
        "experiments.digits.more was sealed as 1 and is nothing",
    ]


def test_the_sentence(tmp_path: Path) -> None:
    assert seal_lines(tmp_path, audit_of([trained(0)])) == [NOT_SEALED]
    (tmp_path / "results").mkdir()
    (tmp_path / SEAL).write_bytes(sealed(0).as_json())
    (line,) = seal_lines(tmp_path, audit_of([trained(0)]))
    assert line.startswith("sealed, SHA-256 ")
    assert line.endswith(": the runs of this report are those that were sealed, no more and no less")
    first, *others = seal_lines(tmp_path, audit_of([trained(1)]))
    assert first.endswith("this report is not what was sealed, 2 difference(s):")
    assert len(others) == 2


def with_key(key: str, value: object) -> Callable[[dict[str, Any]], str]:
    return lambda content: json.dumps(content | {key: value})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (with_key("date", "today"), r"date: is an unknown key"),
        (with_key("runs", None), r"runs: .* not null"),
        (with_key("claims", {"c": {"kind": "k", "printed": "p", "margin": "3", "sha256": ""}}), r"claims\.c\.margin"),
        (lambda content: json.dumps({key: content[key] for key in content if key != "code"}), "code: is missing"),
        (lambda content: json.dumps(content)[:-1] + ', "code": "b"}', "the key 'code' occurs twice"),
        (lambda _: "{", "not valid JSON"),
    ],
)
def test_a_damaged_seal_is_named(tmp_path: Path, damage: Callable[[dict[str, Any]], str], said: str) -> None:
    path = tmp_path / "seal.json"
    path.write_bytes(sealed(0).as_json())
    assert read_seal(path) == sealed(0)
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(InputError, match=f"seal.json: .*{said}"):
        read_seal(path)
