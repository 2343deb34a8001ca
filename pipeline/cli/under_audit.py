"""Which runs of params.yaml are under audit: those of a claim's network and training, and those that were sealed."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.ground.paths import ROOT
from pipeline.judge.claims import Claim, Configuration, read_claims
from pipeline.judge.matching import FREE_OF_ACCURACY
from pipeline.judge.seal import SEAL, read_seal
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.params import ExperimentParams, Params


def runs_under_audit(params: Params, root: Path = ROOT) -> dict[str, str]:
    """By run, why its result is evidence. Raises InputError."""
    claims = read_claims(root / "paper" / "claims.yaml").claims
    seal = read_seal(root / SEAL) if (root / SEAL).exists() else None
    found: dict[str, str] = {}
    for name, run in params.runs.items():
        experiment = params.experiments[run.experiment]
        if claim := next((claim for claim in claims if _is_about(claim, experiment)), None):
            found[name] = f"has the network and training of the claim {claim.id}"
        if seal and (name in seal.runs or experiment.model_dump(mode="json") in seal.experiments.values()):
            found[name] = f"is sealed in {SEAL}"
    return found


def _is_about(claim: Claim, experiment: ExperimentParams) -> bool:
    configurations = (getattr(claim, part, None) for part in ("configuration", "first", "second"))
    return any(_is_trained_as(experiment, wanted) for wanted in configurations if wanted is not None)


def _is_trained_as(experiment: ExperimentParams, wanted: Configuration) -> bool:
    """On any data."""
    return experiment.model == wanted.network and _bound(experiment.training) == _bound(wanted.training)


def _bound(training: TrainingConfig) -> dict[str, Any]:
    """The values that a claim does not leave free."""
    return {key: value for key, value in asdict(training).items() if key not in FREE_OF_ACCURACY["training"]}
