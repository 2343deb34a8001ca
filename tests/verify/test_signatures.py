"""Signatures cover the exact bytes of every statement by one key; forged, foreign or malformed ones are named."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.ground.errors import InputError
from pipeline.report.signing import sign
from pipeline.verify.verify import verify
from tests.verify.edits import edit_prediction, first, write_keys
from tests.verify.made_report import rewrite


def test_a_signed_report_holds_and_says_who_signed(report: Path, key: Path) -> None:
    name = sign(report, key)
    assert any(f"signed by key {name}" in note for note in verify(report).notes)
    verified = verify(report, key.with_suffix(".pub"))
    assert verified.breaks == []
    assert f"signed by the key that --key names, {name}" in verified.notes


def test_a_signature_does_not_survive_a_forger(report: Path, key: Path) -> None:
    sign(report, key)
    edit_prediction(report)
    rewrite(report)
    breaks = [found for found in verify(report).breaks if found.link == "signatures"]
    assert {found.found for found in breaks} == {"a signature over other bytes"}
    assert "evidence/statements/evaluate@digits-0.dsse.json" in {found.file for found in breaks}


def change_envelope(report: Path, part: str) -> Path:
    path = report / "evidence" / "statements" / "train@digits-0.dsse.json"
    content = json.loads(path.read_text())
    if part == "signature":
        raw = bytearray(base64.b64decode(content["signatures"][0]["sig"]))
        raw[0] ^= 1
        content["signatures"][0]["sig"] = base64.b64encode(raw).decode()
    else:
        content["payload"] = base64.b64encode(b"{}").decode()
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("part", "said"), [("signature", "a forged signature"), ("payload", "a signature over other bytes")]
)
def test_a_forged_signature_is_named(report: Path, key: Path, part: str, said: str) -> None:
    sign(report, key)
    path = change_envelope(report, part)
    found = first(report)
    assert (found.link, found.file, found.found) == ("signatures", path.relative_to(report).as_posix(), said)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("payload"),
        lambda content: content.update(payload=None),
        lambda content: content.update(payload="*"),
        lambda content: content.update(signatures=[7]),
        lambda content: content["signatures"][0].pop("keyid"),
        lambda content: content["signatures"][0].update(keyid=[]),
        lambda content: content["signatures"].append(content["signatures"][0]),
        None,
    ],
)
def test_a_malformed_envelope_is_named(
    report: Path, key: Path, change: Callable[[dict[str, Any]], object] | None
) -> None:
    sign(report, key)
    path = report / "evidence" / "statements" / "train@digits-0.dsse.json"
    content = json.loads(path.read_text())
    if change is not None:
        change(content)
    path.write_text("{" if change is None else json.dumps(content))
    found = first(report)
    assert (found.link, found.file) == ("signatures", path.relative_to(report).as_posix())
    assert found.found.startswith("no DSSE envelope (")


def test_an_envelope_is_one_of_dsse(report: Path, key: Path) -> None:
    """The signed bytes by hand: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md."""
    name, folder = sign(report, key), report / "evidence" / "statements"
    content, payload = json.loads((folder / "crate.dsse.json").read_text()), (folder / "crate.json").read_bytes()
    (signature,) = content.pop("signatures")
    expected = {"payload": base64.b64encode(payload).decode(), "payloadType": "application/vnd.in-toto+json"}
    assert content == expected
    assert signature.keys() == {"keyid", "sig"}
    assert signature["keyid"] == name
    public = serialization.load_pem_public_key((folder / "key.pem").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    public.verify(base64.b64decode(signature["sig"]), signed)


def test_another_key_and_no_signature_are_named(report: Path, key: Path, tmp_path: Path) -> None:
    other = write_keys(tmp_path / "other").with_suffix(".pub")
    assert first(report, key=other).found == "none"
    name = sign(report, key)
    assert first(report, key=other).found == f"signatures of {name}"
    (report / "evidence" / "statements" / "report.dsse.json").unlink()
    assert first(report).found == "no signature"


def test_keys_of_ssh_are_keys(report: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    own, form = tmp_path / "id_ed25519", serialization.PrivateFormat.OpenSSH
    own.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    public = tmp_path / "id_ed25519.pub"
    ssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    public.write_bytes(key.public_key().public_bytes(*ssh) + b" me@here\n")
    sign(report, own)
    assert verify(report, public).breaks == []
    with pytest.raises(InputError, match="expected an unencrypted ed25519 private key"):
        sign(report, public)
