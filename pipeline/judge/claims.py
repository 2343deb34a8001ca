"""paper/claims.yaml as strict, frozen, typed values. docs/claims.md says how to add a claim."""

import re
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field, model_validator

from models.config import NetworkConfig
from pipeline.ground.params import PositiveFloat, PositiveInt, Section
from pipeline.ground.schema import validate
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.config import TrainingConfig

_SIGNED_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class Rows(Section):
    """Digests of the samples of both splits, pixels and labels."""

    train: str
    test: str


class ClaimedDataset(Section):
    """What a record must say of its dataset."""

    title: str
    published: bool
    split_rule: str
    framing_rule: str | None
    """null for images."""
    sample_shape: list[int]
    train_samples: PositiveInt
    test_samples: PositiveInt
    rows: Rows | None = None
    """For data whose title does not say all: those of the repository, made with parameters."""


class Configuration(Section):
    """What a number is about. Every key of a network and a training has to be stated, as in a profile."""

    dataset: ClaimedDataset
    network: NetworkConfig
    training: TrainingConfig

    @cached_property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Values by part and key, in the form of a record's."""
        dataset = self.dataset.model_dump(mode="json", exclude={"rows"})
        rows = self.dataset.rows
        digests = {"train_rows": rows.train, "test_rows": rows.test} if rows else {}
        return {
            "dataset": dataset,
            "digests": digests,
            "network": asdict(self.network),
            "training": _lists(asdict(self.training)),
        }


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists, which JSON has."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


class Stated(Section):
    """What every claim says of itself."""

    id: str
    origin: Literal["paper", "code", "repository"]
    """paper: printed in it; code: read in or computed with the authors' released code; repository: our own."""
    statement: str
    printed: str
    """As it stands where it was published."""
    where: str
    """Where it is printed, and where that was seen."""


class Spread(Section):
    """How far seeds differ, from trainings of the same configuration."""

    sd: PositiveFloat
    """Standard deviation of the accuracy over seeds (points)."""
    trainings: Annotated[int, Field(ge=2)]
    """How many it was estimated from."""
    seeds: list[int]
    """Of those trainings, where they are ours: their spread is not counted twice if they are judged too."""
    source: str


class DecidedBy(Section):
    """The training that would decide a claim."""

    profile: str
    run: str
    """Its name under `runs:` of that profile, seed 0."""
    download: str
    """Size of what it fetches, for example 0.2 GB."""


class AccuracyClaim(Stated):
    """A test accuracy in percent."""

    kind: Literal["accuracy"]
    protocol: str
    """How the printed number was scored, as far as it is known."""
    margin: PositiveFloat
    """Points on both sides of the value in which an accuracy counts as the same."""
    margin_reason: str
    spread: Spread | None = None
    """Known before the runs that are judged; without it one seed decides nothing."""
    decided_by: DecidedBy | None = None
    configuration: Configuration

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property below a decorator
    @property
    def value(self) -> float:
        """The printed number."""
        return float(self.printed.removesuffix(" %"))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def precision(self) -> float:
        """Half a unit of the last printed digit (points)."""
        return half_unit(self.printed.removesuffix(" %"))

    @model_validator(mode="after")
    def _number_with_a_margin(self) -> "AccuracyClaim":
        number, unit = self.printed.removesuffix(" %"), self.printed.endswith(" %")
        if not unit or not _SIGNED_NUMBER.fullmatch(number) or not 0 <= float(number) <= 100:
            raise ValueError(f"{self.id}: printed must be a percentage such as 94.14 %, not {self.printed!r}")
        if self.margin <= self.precision:
            raise ValueError(f"{self.id}: a margin of {self.margin} is not above the rounding of {self.printed}")
        return self


class WeightsClaim(Stated):
    """One trained network, to the bit."""

    kind: Literal["weights"]
    seed: int
    weights: dict[str, str]
    """SHA-256 of model.safetensors by platform."""
    configuration: Configuration


class CountClaim(Stated):
    """A size of a network, which is built and counted."""

    kind: Literal["count"]
    of: Literal["parameters", "multiply-adds"]
    """parameters: all trained values; multiply-adds: those of one sample and one time step, dense."""
    classes: PositiveInt
    """Of its data; the title does not say them."""
    configuration: Configuration

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        """The printed number."""
        return int(self.printed.replace(",", ""))

    @model_validator(mode="after")
    def _whole_number(self) -> "CountClaim":
        if not re.fullmatch(r"\d{1,3}(,\d{3})*", self.printed):
            raise ValueError(f"{self.id}: printed must be a whole number such as 2,545,376, not {self.printed!r}")
        return self


class AgreementClaim(Stated):
    """Our code gives what the authors' released code gave and recorded."""

    kind: Literal["agreement"]
    of: Literal["logits", "gradients", "training", "frames"]
    """Which of the recorded numbers."""
    bound: Annotated[float, Field(ge=0)]
    """Largest |ours - theirs| / (1 + |theirs|) that counts as the same; one digit, as the measured ones have."""

    @model_validator(mode="after")
    def _one_digit(self) -> "AgreementClaim":
        if float(f"{self.bound:.0e}") != self.bound:
            raise ValueError(f"{self.id}: bound must have one digit such as 1e-9, not {self.bound}")
        return self


class DifferenceClaim(Stated):
    """The test accuracy of the first configuration minus that of the second, over seeds that both were trained with."""

    kind: Literal["difference"]
    relation: Literal["larger", "as printed"]
    """larger: by more than the margin (superiority); as printed: within the margin of it (equivalence)."""
    margin: Annotated[float, Field(ge=0)]
    """Points."""
    margin_reason: str
    first: Configuration
    second: Configuration

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value(self) -> float | None:
        """The printed difference (points)."""
        return float(self.printed.removesuffix(" points")) if self.relation == "as printed" else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def precision(self) -> float:
        """Half a unit of the last printed digit (points)."""
        return half_unit(self.printed.removesuffix(" points")) if self.relation == "as printed" else 0.0

    @model_validator(mode="after")
    def _two_that_differ(self) -> "DifferenceClaim":
        number, unit = self.printed.removesuffix(" points"), self.printed.endswith(" points")
        if self.relation == "as printed" and not (unit and _SIGNED_NUMBER.fullmatch(number)):
            raise ValueError(f"{self.id}: printed must be a difference such as +0.8 points, not {self.printed!r}")
        if self.relation == "as printed" and self.margin <= self.precision:
            raise ValueError(f"{self.id}: a margin of {self.margin} is not above the rounding of {self.printed}")
        if self.first == self.second:
            raise ValueError(f"{self.id}: first and second are the same configuration")
        return self


class StatementClaim(Stated):
    """A statement without a number that a run here could test."""

    kind: Literal["statement"]
    not_checkable: str
    """Why no run decides it."""


Claim = Annotated[
    AccuracyClaim | WeightsClaim | CountClaim | AgreementClaim | DifferenceClaim | StatementClaim,
    Field(discriminator="kind"),
]


class Deviation(Section):
    """Where this repository knowingly does something else."""

    what: str
    of: str
    reason: str


class NotChecked(Section):
    what: str
    reason: str


class Registry(Section):
    """All of paper/claims.yaml."""

    configurations: dict[str, Configuration]
    """Written once and referred to by YAML anchors, so that claims of one network are about one network."""
    claims: list[Claim]
    deviations: list[Deviation]
    not_checked: list[NotChecked]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Registry":
        names = [claim.id for claim in self.claims]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one claim has the id {', '.join(twice)}")
        return self


def half_unit(number: str) -> float:
    """Half a unit of the last digit of a printed number: 0.05 for 94.1."""
    return 0.5 * 10.0 ** -len(number.partition(".")[2])


def read_claims(path: Path) -> Registry:
    """The checked content of claims.yaml. Raises InputError that names every wrong key."""
    return validate(Registry, read_yaml(path), path)
