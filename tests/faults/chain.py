"""Faults of the chain: statements, signatures and digests that do not match."""

import base64
from functools import partial
from typing import Any

from pipeline.report.attestation import STATEMENTS
from pipeline.report.signing import sign
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_json, edit_yaml
from tests.faults.tools import more_correct, stage_name

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


@fault(
    "a broken chain link",
    "preprocessing done again, otherwise, after the training",
    r"train@.*as preprocess@",
    anew=False,
)
def _(lab: Lab) -> None:
    edit_yaml(
        lab.root / "params.yaml", lambda content: content["datasets"]["digits"]["preprocess"].update(compression="zstd")
    )
    lab.stage("preprocess@digits")
    lab.stage("report")


@fault(
    "a broken chain link",
    "the record of a stage removed",
    r"train@.*expected a record of what the stage read",
    anew=True,
)
def _(lab: Lab) -> None:
    (lab.root / "records" / f"{stage_name('train', lab)}.json").unlink()
    lab.stage("report")


@fault("a broken chain link", "other raw data in the checkout", r"data and weights: .*digits\.csv\.gz", anew=False)
def _(lab: Lab) -> None:
    with (lab.root / "data" / "raw" / "digits" / "digits.csv.gz").open("ab") as file:
        file.write(b"\0")


@fault("a forged signature", "a bit of it flipped", r"signatures: .*a forged signature", anew=False)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "key")
    path = lab.report / STATEMENTS / f"{stage_name('train', lab)}.dsse.json"

    def flip(content: Any) -> None:
        raw = bytearray(base64.b64decode(content["signatures"][0]["sig"]))
        raw[0] ^= 1
        content["signatures"][0]["sig"] = base64.b64encode(raw).decode()

    edit_json(path, flip)


@fault(
    "a forged signature",
    "over other bytes, kept beside an edited result",
    r"signatures: .*a signature over other bytes",
    anew=True,
)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "key")
    edit_json(lab.report / "evidence" / "results" / lab.experiment / "0.json", more_correct, lines=True)
    lab.mend_report()


@fault(
    "a forged signature",
    "by another key; the reader names the right one",
    r"signatures: .*found signatures of",
    anew=True,
)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "other")
    lab.key = lab.root / "key.pub"


@fault("a forged signature", "by another key; the reader names none", r"signatures: ", anew=True)
def _(lab: Lab) -> None:
    sign(lab.report, lab.root / "other")
