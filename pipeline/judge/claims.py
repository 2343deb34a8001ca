"""paper/claims.yaml as strict, frozen, typed values. docs/claims.md describes how to add a claim."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field, model_validator

from models.config import NetworkConfig
from pipeline.ground.errors import InputError
from pipeline.ground.params import PositiveFloat, PositiveInt, Section
from pipeline.ground.schema import validate
from pipeline.ground.yaml_file import read_yaml
from pipeline.judge.ablations import ABLATIONS, ablation_claims
from pipeline.protocol.config import TrainingConfig

_SIGNED_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,6})?")


class Rows(Section):
    """Digests of the samples (pixels and labels) of both splits."""

    train: str
    test: str


class ClaimedDataset(Section):
    """The values that a record must have for its dataset."""

    title: str
    published: bool
    split_rule: str
    framing_rule: str | None
    """null for images."""
    sample_shape: list[int]
    train_samples: PositiveInt
    test_samples: PositiveInt
    rows: Rows | None = None
    """Only for data that the title does not determine: data that this repository makes from parameters."""


class Configuration(Section):
    """Dataset, network and training of a claimed number. Every key must be given, as in a profile."""

    dataset: ClaimedDataset
    network: NetworkConfig
    training: TrainingConfig

    @cached_property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Values by part and key, in the form of a record."""
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
    """The values with tuples as lists, since JSON has no tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


class Stated(Section):
    """The fields of every claim."""

    id: str
    origin: Literal["paper", "code", "repository"]
    """paper: printed there; code: read in, or computed with, the authors' released code; repository: our own."""
    statement: str
    printed: str
    """The text of the claim as published."""
    where: str
    """Where it is printed, and which copy was read."""


class Spread(Section):
    """Spread over seeds, estimated from trainings of the same configuration."""

    sd: PositiveFloat
    """Standard deviation of the accuracy over seeds (points)."""
    trainings: Annotated[int, Field(ge=2)]
    """Number of trainings that it was estimated from."""
    seeds: list[int]
    """Seeds of those trainings if they are ours. If they are judged too, their spread is not counted twice."""
    source: str


class DecidedBy(Section):
    """The training that would decide a claim."""

    profile: str
    run: str
    """Its name under `runs:` of that profile, seed 0."""
    download: str
    """Size of its download, for example 0.2 GB."""


class AccuracyClaim(Stated):
    """A test accuracy in percent."""

    kind: Literal["accuracy"]
    protocol: str
    """How the printed number was scored, as far as known."""
    margin: PositiveFloat
    """Largest distance from the value (points) at which an accuracy counts as the same."""
    margin_reason: str
    spread: Spread | None = None
    """Known before the judged runs. Without it a single seed decides nothing."""
    decided_by: DecidedBy | None = None
    configuration: Configuration

    @computed_field  # type: ignore[prop-decorator] # mypy does not support decorated properties
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
    """The weights of one trained network, equal to the bit."""

    kind: Literal["weights"]
    seed: int
    weights: dict[str, str]
    """SHA-256 of model.safetensors by platform."""
    configuration: Configuration


class CountClaim(Stated):
    """A size of a network; the network is built and counted."""

    kind: Literal["count"]
    of: Literal["parameters", "multiply-adds"]
    """parameters: all trainable parameters; multiply-adds: dense, for one sample and one time step."""
    classes: PositiveInt
    """Number of classes of its data; the title does not give it."""
    configuration: Configuration

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        """The printed number."""
        return int(self.printed.replace(",", ""))

    @model_validator(mode="after")
    def _whole_number(self) -> "CountClaim":
        if not re.fullmatch(r"[0-9]{1,3}(,[0-9]{3}){0,6}", self.printed):
            raise ValueError(f"{self.id}: printed must be a whole number such as 2,545,376, not {self.printed!r}")
        return self


class AgreementClaim(Stated):
    """Our code gives the recorded numbers of the authors' released code."""

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
    """Test accuracy of the first configuration minus that of the second, over the seeds that both have."""

    kind: Literal["difference"]
    relation: Literal["larger", "as printed"]
    """larger: more than the margin (superiority); as printed: within the margin of the value (equivalence)."""
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
    """A statement that has no number for a run to test."""

    kind: Literal["statement"]
    not_checkable: str
    """Why no run can decide it."""


Claim = Annotated[
    AccuracyClaim | WeightsClaim | CountClaim | AgreementClaim | DifferenceClaim | StatementClaim,
    Field(discriminator="kind"),
]


class Deviation(Section):
    """A known difference between this repository and the paper."""

    what: str
    of: str
    reason: str


class NotChecked(Section):
    what: str
    reason: str


class Registry(Section):
    """The content of paper/claims.yaml."""

    configurations: dict[str, Configuration]
    """Each is written once; claims refer to it by a YAML anchor, so claims about one network share its values."""
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
    """The checked content of claims.yaml, and of the table beside it. Raises InputError that names every wrong key."""
    content = read_yaml(path)
    registry, table = validate(Registry, content, path), path.with_name(ABLATIONS)
    rows = {
        place: validate(DifferenceClaim, claim, table, prefix=(place.rpartition(": ")[2],))
        for place, claim in ablation_claims(table, content)
    }
    _check_distinct(rows, {claim.id: path.name for claim in registry.claims})
    return registry.model_copy(update={"claims": [*registry.claims, *rows.values()]})


def _check_distinct(rows: Mapping[str, DifferenceClaim], places: dict[str, str]) -> None:
    """Raises InputError if two rows, by their place, have the same networks, or a row the id of another claim."""
    compared: dict[Any, str] = {}
    for place, row in rows.items():
        if (first := compared.setdefault(_compared(row), place)) != place:
            raise InputError(f"{place}: has the network and the training of {first}; keep one")
        if (first := places.setdefault(row.id, place)) != place:
            raise InputError(
                f"{place}: its id, {row.id}, is that of a claim in {first}; write the part in another form"
            )


def _compared(row: DifferenceClaim) -> tuple[Any, ...]:
    """Both sides, typed: leak 1 is leak 1.0."""
    networks = row.first.network, row.first.training, row.second.network, row.second.training
    return row.first.dataset.model_dump_json(), *networks
