"""The registry of claims: its content, what it refuses, and that the profiles have its claims' configurations."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.config import NetworkConfig
from pipeline.ground.errors import InputError
from pipeline.ground.paths import CLAIMS, PROFILES, ROOT
from pipeline.judge.claims import AccuracyClaim, DifferenceClaim, half_unit, read_claims
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.params import load_params
from tests.judge.claimed import CONFIGURATION, accuracy, counted, difference

TEXT = CLAIMS.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("printed", "value", "precision"), [("94.14 %", 94.14, 0.005), ("94.1 %", 94.1, 0.05), ("94 %", 94.0, 0.5)]
)
def test_value_and_precision_are_those_in_print(printed: str, value: float, precision: float) -> None:
    claim = accuracy(printed=printed)
    assert (claim.value, claim.precision) == (value, pytest.approx(precision))
    assert half_unit("0.800") == pytest.approx(0.0005)


@pytest.mark.parametrize(
    "printed", ["94.14", "94,14 %", "about 94 %", "101 %", "-1 %", "94.14 % ± 0.1", "\u0669\u0664 %", "94.1234567 %"]
)
def test_what_is_no_percentage_is_refused(printed: str) -> None:
    with pytest.raises(ValidationError, match="printed must be a percentage such as"):
        accuracy(printed=printed)


def test_a_margin_is_wider_than_the_rounding() -> None:
    with pytest.raises(ValidationError, match="is not above the rounding"):
        accuracy(printed="94 %", margin=0.5)
    with pytest.raises(ValidationError, match="is not above the rounding"):
        difference(printed="+1 points", relation="as printed", margin=0.5)


def test_other_kinds_have_their_own_form_of_number() -> None:
    assert counted("2,545,376").count == 2545376
    with pytest.raises(ValidationError, match="must be a whole number"):
        counted("2.5 M")
    with pytest.raises(ValidationError, match="must be a whole number"):
        counted("1" + 7 * ",000")
    with pytest.raises(ValidationError, match="must be a difference"):
        difference(printed=f"+{'9' * 400} points", relation="as printed")
    with pytest.raises(ValidationError, match="must be a difference"):
        difference(printed="better", relation="as printed")
    with pytest.raises(ValidationError, match="the same configuration"):
        difference(second=CONFIGURATION)


def test_the_guides_ablations_are_claims(tmp_path: Path) -> None:
    """The example as it stands, put under `claims`: two differences of one part each."""
    guide = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    (example,) = [block.split("```")[0] for block in guide.split("```yaml\n") if "kind: difference" in block[:200]]
    (tmp_path / "claims.yaml").write_text(TEXT.replace("\nclaims:\n", f"\nclaims:\n{example}\n", 1), encoding="utf-8")
    added = [claim for claim in read_claims(tmp_path / "claims.yaml").claims if isinstance(claim, DifferenceClaim)]
    parts = [
        {key for key, value in asdict(claim.first.network).items() if value != asdict(claim.second.network)[key]}
        for claim in added
    ]
    assert parts == [{"shortcut"}, {"downsampling"}]
    assert [claim.value for claim in added] == [0.0, None]


def test_the_registry_has_the_papers_numbers() -> None:
    claims = [claim for claim in read_claims(CLAIMS).claims if isinstance(claim, AccuracyClaim)]
    papers = {claim.id: claim.value for claim in claims if claim.origin == "paper"}
    assert papers == {
        "cifar10-accuracy": 94.14,
        "cifar100-accuracy": 74.65,
        "cifar10-dvs-accuracy": 72.98,
        "cifar10-accuracy-v1": 94.1,
        "cifar100-accuracy-v1": 74.5,
        "cifar10-dvs-accuracy-v1": 71.3,
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    margin: 1.0\n", "", r"claims\.0\.margin: is missing"),
        ("    margin: 1.0\n", "    margin: 1.0\n    weight: 2\n", r"claims\.0\.weight: is an unknown key"),
        ("origin: paper", "origin: rumour", r"claims\.0\.origin: .*, not \"rumour\""),
        ("kind: accuracy", "kind: hope", r"claims\.0: Input tag 'hope'"),
        ("    blocks: 6\n", "    blocks: 6\n      dropout: 0.1\n", r"configurations\.cifar10\.network\.dropout"),
        ("      precision: float32\n", "", r"configurations\.cifar10\.network\.precision: is missing"),
        ("      epochs: 70\n", '      epochs: "70"\n', r"configurations\.cifar10\.training\.epochs"),
        ("id: cifar100-accuracy\n", "id: cifar10-accuracy\n", "more than one claim has the id cifar10-accuracy"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in TEXT
    path = tmp_path / "claims.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        read_claims(path)


@pytest.mark.parametrize(
    ("profile", "pairs"),
    [
        ("paper", {"cifar10": "cifar10", "cifar100": "cifar100", "cifar10-dvs": "cifar10-dvs"}),
        ("quick", {"digits": "digits", "digits-dvs": "digits-dvs"}),
    ],
)
def test_the_profiles_train_what_the_claims_are_about(profile: str, pairs: dict[str, str]) -> None:
    configurations, params = read_claims(CLAIMS).configurations, load_params(PROFILES / f"{profile}.yaml")
    for name, experiment in pairs.items():
        trained = params.experiments[experiment]
        assert (configurations[name].network, configurations[name].training) == (trained.model, trained.training)


def test_claims_refer_to_configurations_that_are_written_once() -> None:
    registry = read_claims(CLAIMS)
    known: list[Any] = list(registry.configurations.values())
    for claim in registry.claims:
        about = getattr(claim, "configuration", None)
        assert about is None or about in known, claim.id


def test_a_configuration_is_compared_in_the_form_of_a_record() -> None:
    parts = CONFIGURATION.parts
    assert parts["training"]["decay_after"] == [50]
    assert list(parts["network"]) == [field.name for field in fields(NetworkConfig)]
    assert list(parts["training"]) == [field.name for field in fields(TrainingConfig)]
    assert "rows" not in parts["dataset"]
