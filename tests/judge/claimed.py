"""A configuration, with claims about it and runs of it."""

from dataclasses import asdict, replace
from typing import Any

from models.config import NetworkConfig
from pipeline.evaluate.record import Record
from pipeline.judge.claims import (
    AccuracyClaim,
    ClaimedDataset,
    Configuration,
    CountClaim,
    DifferenceClaim,
    WeightsClaim,
)
from pipeline.protocol.config import TrainingConfig
from tests.evaluate.made import RECORD
from tests.train import tiny

NETWORK = replace(tiny.NETWORK, leak=0.5)
TRAINING = replace(
    tiny.TRAINING,
    micro_batches=1,
    learning_rate=0.1,
    weight_decay=0.0,
    decay_after=(50,),
    pixel_mean=(0.5,),
    pixel_std=(0.5,),
)
DATA = ClaimedDataset(
    title="Tiny",
    published=True,
    split_rule="official",
    framing_rule=None,
    sample_shape=[1, 8, 8],
    train_samples=30,
    test_samples=1000,
)
CONFIGURATION = Configuration(dataset=DATA, network=NETWORK, training=TRAINING)
STATED: dict[str, Any] = {"id": "c", "origin": "paper", "statement": "s", "where": "w"}


def accuracy(**changes: Any) -> AccuracyClaim:
    """90.0 % within 3 points."""
    about = {"printed": "90.0 %", "protocol": "p", "margin": 3.0, "margin_reason": "r", "configuration": CONFIGURATION}
    return AccuracyClaim(kind="accuracy", **(STATED | about | changes))


def weights(**changes: Any) -> WeightsClaim:
    """Seed 0 gave the digest model-0."""
    about = {"printed": "p", "seed": 0, "weights": {"one processor": "model-0"}, "configuration": CONFIGURATION}
    return WeightsClaim(kind="weights", **(STATED | about | changes))


def counted(printed: str = "1,234") -> CountClaim:
    return CountClaim(kind="count", of="parameters", printed=printed, classes=3, configuration=CONFIGURATION, **STATED)


def difference(**changes: Any) -> DifferenceClaim:
    """bntt is better than bn."""
    other = configured(network={"normalization": "bn"})
    arms = {"first": CONFIGURATION, "second": other}
    about = {"printed": "better", "relation": "larger", "margin": 0.0, "margin_reason": "r"} | arms
    return DifferenceClaim(kind="difference", **(STATED | about | changes))


def configured(**parts: dict[str, Any]) -> Configuration:
    """CONFIGURATION with other values in its parts."""
    return Configuration(
        dataset=ClaimedDataset(**(DATA.model_dump() | parts.get("dataset", {}))),
        network=NetworkConfig(**(asdict(NETWORK) | parts.get("network", {}))),
        training=TrainingConfig(**(asdict(TRAINING) | parts.get("training", {}))),
    )


def run(correct: int = 900, seed: int = 0, experiment: str = "any", **parts: dict[str, Any]) -> Record:
    """The record of a training of CONFIGURATION with other values in its parts."""
    had = CONFIGURATION.parts
    labels: dict[str, Any] = {"name": "mine", "note": None, "classes": ["a", "b", "c"]}
    about = f"{experiment}-{seed}"
    digests = {"train_rows": "train", "test_rows": "test", "model": f"model-{seed}", "predictions": f"of {about}"}
    return Record(
        experiment=experiment,
        seed=seed,
        dataset=had["dataset"] | labels | parts.get("dataset", {}),
        network=had["network"] | parts.get("network", {}),
        training=had["training"] | parts.get("training", {}),
        parameters=1234,
        test=RECORD.test | {"correct": correct, "about": about} | parts.get("test", {}),
        protocols=RECORD.protocols,
        firing=RECORD.firing,
        digests=digests | parts.get("digests", {}),
        platforms=["one processor"],
        ledger=None,
        operations=None,
        evaluated_by=[],
    )
