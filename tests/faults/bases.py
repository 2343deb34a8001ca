"""The clean repositories that faults are injected into: small, and made by the real stages."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.evaluate.record import Record, read_record
from pipeline.ground.paths import CLAIMS, PROFILES
from tests.faults.lab import Lab, edit_yaml, new_lab, read

SEEDS = 3


def images(root: Path, *, epochs: int = 3, seeds: int = SEEDS) -> Lab:
    """scikit-learn's digits, some seeds of a network of 8 layers, and two claims about it."""
    content = profile("digits", width=4, time_steps=2, epochs=epochs, seeds=seeds)
    lab = new_lab(root, content, read(CLAIMS))
    keys(root)
    (root / "data" / "arrow" / "digits").mkdir(parents=True)  # names the dataset
    lab.after("download")
    claim(lab)
    lab.after("agreement")  # it reads the claims
    return finished(lab)


def events(root: Path) -> Lab:
    """A few simulated recordings of those digits, and one training of an epoch."""
    content = profile("digits-dvs", width=2, time_steps=4, epochs=1, seeds=1)
    dataset = content["datasets"]["digits-dvs"]
    dataset["download"]["camera"].update(recordings_per_class=5, loop_ms=20)
    dataset["preprocess"].update(frames=4, shards=1)
    lab = new_lab(root, content, read(CLAIMS))
    (root / "data" / "arrow" / "digits-dvs").mkdir(parents=True)
    lab.after("download")
    return finished(lab)


BASES = {"images": images, "events": events}


def finished(lab: Lab) -> Lab:
    if lab.said:
        raise RuntimeError("\n".join(lab.said))
    return lab


def profile(name: str, *, width: int, time_steps: int, epochs: int, seeds: int) -> dict[str, Any]:
    """Parameters of one experiment of profile quick, made smaller; the test set is scored after each epoch."""
    content: dict[str, Any] = read(PROFILES / "quick.yaml")
    for part in ("datasets", "experiments"):
        content[part] = {name: content[part][name]}
    experiment = content["experiments"][name]
    experiment["model"].update(width=width, time_steps=time_steps)
    experiment["training"].update(epochs=epochs, batch_size=24, test_each_epoch=True)
    content["runs"] = {f"{name}-{s}": {"experiment": name, "dataset": name, "seed": s} for s in range(seeds)}
    content["cluster"]["workers"] = 1
    return content | {"profile": "audit-matrix"}


def claim(lab: Lab) -> None:
    """Claims what the seeds came to: their accuracy, and the weights of seed 0."""
    records = [read_record(path) for path in sorted((lab.root / "results" / lab.experiment).glob("*.json"))]
    claims = [accuracy(records), weights(records[0])]
    edit_yaml(lab.root / "paper" / "claims.yaml", lambda content: content["claims"].extend(claims))


def accuracy(records: list[Record]) -> dict[str, Any]:
    mean = sum(record.test["top1_percent"] for record in records) / len(records)
    return stated("accuracy", records[0]) | {
        "printed": f"{mean:.1f} %",
        "protocol": "every test sample once, last epoch",
        "margin": 20.0,
        "margin_reason": "wide enough for the seeds of so short a training",
    }


def weights(record: Record) -> dict[str, Any]:
    (platform,) = record.platforms
    return stated("weights", record) | {
        "printed": "a digest",
        "seed": record.seed,
        "weights": {platform: record.digests["model"]},
    }


def stated(kind: str, record: Record) -> dict[str, Any]:
    kept = ("title", "published", "split_rule", "framing_rule", "sample_shape", "train_samples", "test_samples")
    dataset = {key: record.dataset[key] for key in kept}
    configuration = {"dataset": dataset, "network": record.network, "training": record.training}
    return {
        "id": f"lab-{kind}",
        "kind": kind,
        "origin": "repository",
        "statement": f"The {kind} of this small network on the digits",
        "where": "here",
        "configuration": configuration,
    }


def keys(root: Path) -> None:
    """Two private keys, key and other, and their public halves."""
    pem, der = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    for name in ("key", "other"):
        key = Ed25519PrivateKey.generate()
        (root / name).write_bytes(key.private_bytes(pem, der, serialization.NoEncryption()))
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (root / f"{name}.pub").write_bytes(public)
