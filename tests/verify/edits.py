"""Edits of a report's folder, and the first break that verify finds."""

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.evaluate.predictions import read_predictions
from pipeline.judge.chain import Break
from pipeline.verify.verify import verify

PREDICTIONS = "evidence/artifacts/digits/0/predictions.parquet"


def write_keys(path: Path) -> Path:
    """A private key at `path` and its public half beside it, with the suffix .pub."""
    key = Ed25519PrivateKey.generate()
    pem, der = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, der, serialization.NoEncryption()))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


def first(report: Path, **arguments: Path) -> Break:
    """The first broken link, whose text stands in what the command says."""
    breaks = verify(report, **arguments).breaks
    assert breaks, "the fault was not found"
    return breaks[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_prediction(report: Path) -> None:
    """The one wrong sample becomes right."""
    made = read_predictions(report / PREDICTIONS)
    voltage = made.voltage.copy()
    voltage[8, -1] = [0, 0, 1]
    replace(made, voltage=voltage).write(report / PREDICTIONS)


def edit_page(report: Path) -> None:
    edit(report / "index.html", ">88.89 %<", ">98.89 %<")
