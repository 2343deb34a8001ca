"""The document matches the results of the matrix, and some of its faults are injected and detected here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline.ground.paths import RESULTS, ROOT
from tests.faults import matrix
from tests.faults.auditors import AUDITORS, ask_all
from tests.faults.bases import images
from tests.faults.clean import HONEST
from tests.faults.fault import Fault
from tests.faults.lab import Lab, copy_of
from tests.faults.matrix import (
    DOCUMENT,
    EMPTY,
    RESULT,
    alarms,
    differing,
    document,
    failed,
    failures,
    found,
    look,
    with_row,
)
from tests.faults.planted import EDITS, FAULTS

ASKED = {
    "label leak",
    "train used as test",
    "duplicated recordings across splits",
    "dropped remainder",
    "swapped polarity",
    "wrong reset",
    "removed biases",
    "stale checkpoint",
    "edited metrics",
    "edited predictions",
    "duplicated seed",
    "missing cell of the grid",
    "a shortened run renamed",
    "another dataset under the claim's name",
    "a changed package",
    "a threshold that fires on equality",
    "test-set selection reported as ours",
    "a rounding in our favour",
    "a broken chain link",
    "a forged signature",
}


def test_the_document_says_what_came_out_for_every_fault() -> None:
    result = json.loads((RESULTS / "audit-matrix.json").read_text(encoding="utf-8"))
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == document(result)
    assert result["auditors"] == list(AUDITORS)
    assert failures(result) == []
    if f"of {len(FAULTS) + len(HONEST)} rows" in text:
        return
    assert [(row["fault"], row["form"]) for row in result["faults"]] == [(one.name, one.form) for one in FAULTS]
    assert [row["run"] for row in result["clean"]] == [one.name for one in HONEST]
    assert {row["fault"] for row in result["faults"]} >= ASKED


def test_an_incomplete_document_says_so() -> None:
    row = failed(FAULTS[0], "ValueError('no such passage')")
    text = document(with_row(EMPTY, row))
    assert f"Incomplete, 1 of {len(FAULTS) + len(HONEST)} rows: 1 faults in 1 forms: 0 found, 0 not" in text
    assert "could not be planted: ValueError('no such passage')" in text


@pytest.mark.parametrize("edits", EDITS, ids="+".join)
def test_code_that_a_fault_replaces_exists_once(edits: dict[str, list[tuple[str, str]]]) -> None:
    for name, passages in edits.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert {old: text.count(old) for old, _ in passages} == {old: 1 for old, _ in passages}


@pytest.mark.parametrize("error", [ValueError("no such passage"), SystemExit("no such passage")])
def test_what_raises_becomes_a_row(
    error: BaseException, clean: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant(lab: Lab) -> None:
        raise error

    fault = Fault(name="none", form="nothing", anew=False, about=".", plant=plant)
    monkeypatch.setattr(matrix, "FAULTS", [fault])
    row = look(("fault", 0), clean[0].parent, {"images": []})
    assert row["failed"] == f"could not be planted: {error!r}"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A repository of three seeds of one epoch, and what the auditors that take no time say of it."""
    lab = images(tmp_path_factory.mktemp("lab") / "images", epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("sresnet canaries", "sresnet verify --root --train-again"):
            patch.setitem(AUDITORS, name, lambda lab: [])
        yield lab.root, [text for _, texts in ask_all(lab) for text in texts]
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def lab(clean: tuple[Path, list[str]], tmp_path: Path) -> Lab:
    return copy_of(clean[0], tmp_path / "copy")


QUICK = {
    "stale checkpoint: weights of another training in the place of these": ("the stages, while they run",),
    "edited metrics: more correct samples in the result": ("sresnet verify", "sresnet verify"),
    "edited metrics: an invented number of parameters": ("sresnet verify --root",),
    "edited metrics: spike rates divided by ten, and another processor's name": ("sresnet verify --root --again",),
    "edited metrics: a deviation from the authors' numbers that was not measured": ("sresnet verify --root --again",),
    "edited predictions: three wrong answers made right, and another processor's name": (
        "sresnet verify --root --again",
    ),
    "edited predictions: wrong answers made right": ("sresnet verify", "sresnet verify"),
    "edited predictions: the same, the history's last score made to fit": ("sresnet verify --root --again",),
    "duplicated seed: the weights of seed 1, with noise of 1e-6, as those of seed 2": ("sresnet verify",),
    "duplicated seed: the weights of seed 1, with noise of 0.2 on the readout, as those of seed 2": (
        "sresnet verify --root",
    ),
    "duplicated seed: the weights of a seed that is not shown, as those of seed 2": ("sresnet verify --root --again",),
    "another dataset under the claim's name: the user's own images, SOURCE.json says CIFAR-10": (
        "the stages, while they run",
    ),
    "another dataset under the claim's name: the user's own images, called CIFAR-10 from preprocessing on": (
        "sresnet verify --root",
    ),
    "invented counts of a recorded run: beside its answers": ("the stages, while they run",),
    "invented counts of a recorded run: beside its answers, in the report alone": ("sresnet verify",),
    "invented counts of a recorded run: without answers": ("sresnet verify",),
    "invented counts of a recorded run: with answers that give them": (None,),
    "missing cell of the grid: a seed between others taken out everywhere": ("sresnet verify",),
    "missing cell of the grid: the last seed taken out everywhere": (None,),
    "a rounding in our favour: a claim's margin made wider after the run": ("sresnet verify",),
    "a rounding in our favour: the paper's 94.14 % printed as 94 %": ("sresnet verify",),
    "a forged signature: by another key; the reader names the right one": ("sresnet verify",),
}


SHORT = (
    "edited metrics: more correct samples in the result",
    "edited metrics: an invented number of parameters",
    "edited predictions: three wrong answers made right, and another processor's name",
    "another dataset under the claim's name: the user's own images, SOURCE.json says CIFAR-10",
    "missing cell of the grid: the last seed taken out everywhere",
    "a forged signature: by another key; the reader names the right one",
)
"""One for each that finds them, and one that nobody finds."""


@pytest.mark.parametrize(
    ("place", "by"),
    [
        pytest.param(
            place,
            by[sum(other.id == one.id for other in FAULTS[:place])],
            marks=[] if one.id in SHORT else pytest.mark.long,
        )
        for place, one in enumerate(FAULTS)
        for by in [QUICK.get(one.id)]
        if by
    ],
)
def test_a_planted_fault_is_found_by_what_it_is_said_to_be(
    place: int, by: str | None, lab: Lab, clean: tuple[Path, list[str]]
) -> None:
    row = found(FAULTS[place], lab, clean[1])
    assert (row["found"], row["by"]) == (by is not None, by), row


def test_the_committed_matrix_says_the_same() -> None:
    rows = json.loads(RESULT.read_text(encoding="utf-8"))["faults"]
    for name, by in QUICK.items():
        assert tuple(row["by"] for row in rows if f"{row['fault']}: {row['form']}" == name) == by


HONEST_HERE = [
    HONEST[0].name,
    "another processor: other last digits",
    "two seeds recorded by an earlier profile, with their answers",
]


@pytest.mark.parametrize("name", HONEST_HERE)
def test_nobody_is_accused_of_a_clean_repository(lab: Lab, name: str) -> None:
    (honest,) = (one for one in HONEST if one.name == name)
    assert alarms(honest, lab)["alarms"] == []


def test_a_line_of_a_clean_repository_is_no_discovery(lab: Lab) -> None:
    """Whatever its pattern says, a fault that plants nothing is not found."""
    nothing = Fault(name="none", form="nothing", anew=False, about=".", plant=lambda lab: None)
    everything = [text for _, texts in ask_all(lab) for text in texts]
    assert not found(nothing, lab, everything)["found"]


def test_what_was_found_and_is_no_more_is_said() -> None:
    row = {"fault": "a leak", "form": "a pixel", "digests": "made anew", "by": "sresnet check"}
    before = EMPTY | {"faults": [row]}
    accused = {"run": "as it was made", "alarms": ["not so"]}
    assert list(differing(before, EMPTY | {"faults": [row]})) == []
    assert list(differing(before, EMPTY | {"faults": [row | {"by": None}], "clean": [accused]})) == [
        "a leak: a pixel: made anew: None, before sresnet check",
        "accused: as it was made",
    ]
