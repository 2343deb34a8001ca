"""in-toto Statements of the stages, and signatures over them: DSSE envelopes, ed25519.

Statement and Link predicate: https://github.com/in-toto/attestation (Statement v1, link v0.3); envelope:
https://github.com/secure-systems-lab/dsse (v1.0.2).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.ground.digests import FileDigest
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.stage_record import StageRecord, path_of
from pipeline.report.bundle import EVIDENCE
from pipeline.report.chain import Break

METADATA = "ro-crate-metadata.json"
STATEMENTS = Path(EVIDENCE) / "statements"
CRATE = "crate"
"""Name of the statement about ro-crate-metadata.json, which has the digests of all other files."""
ENVELOPE = ".dsse.json"
KEY_FILE = "key.pem"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def statement(record: StageRecord, record_sha256: str) -> dict[str, Any]:
    """The Statement of a stage: what it wrote, its record included, from what."""
    own = FileDigest(path=path_of(record.stage).as_posix(), sha256=record_sha256, bytes=0)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_described(file) for file in (*record.writes, own)],
        "predicateType": "https://in-toto.io/attestation/link/v0.3",
        "predicate": {
            "name": record.stage,
            "command": record.command,
            "materials": [_described(file) for file in (*record.reads, *record.code)],
            "byproducts": {},
            "environment": {part: getattr(record, part) for part in ("python", "packages", "parameters")},
        },
    }


def crate_statement(metadata_sha256: str) -> dict[str, Any]:
    """The Statement about the list of the report's files."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": METADATA, "digest": {"sha256": metadata_sha256}}],
        "predicateType": "https://in-toto.io/attestation/link/v0.3",
        "predicate": {"name": CRATE, "command": [], "materials": [], "byproducts": {}, "environment": {}},
    }


def _described(file: FileDigest) -> dict[str, Any]:
    return {"name": file.path, "digest": {"sha256": file.sha256}}


def as_file(content: dict[str, Any]) -> bytes:
    """The content of evidence/statements/<name>.json."""
    return json.dumps(content, indent=2).encode() + b"\n"


def sign(report: Path, private: Path) -> str:
    """Signs every statement of a report; gives the key's fingerprint. Raises InputError."""
    key = read_private_key(private)
    public, statements = key.public_key(), _statements(report)
    if not statements:
        raise InputError(f"{report / STATEMENTS}: no statements to sign; `dvc repro` makes them")
    for path in statements:
        payload = path.read_bytes()
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": fingerprint(public), "sig": base64.b64encode(key.sign(signed_bytes(payload))).decode()}
            ],
        }
        write_whole(_envelope(path), json.dumps(envelope, indent=2).encode() + b"\n")
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_whole(report / STATEMENTS / KEY_FILE, pem)
    return fingerprint(public)


def signed_bytes(payload: bytes) -> bytes:
    """What a DSSE signature covers: the pre-authentication encoding of type and payload."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def is_signed(report: Path) -> bool:
    """Whether there is a signature, whatever it is worth."""
    return (report / STATEMENTS / KEY_FILE).exists() or any((report / STATEMENTS).glob(f"*{ENVELOPE}"))


def is_signature(path: Path) -> bool:
    """Whether a file of the folder is one of those that `sresnet sign` adds."""
    return path.parent == STATEMENTS and (path.name == KEY_FILE or path.name.endswith(ENVELOPE))


def signature_breaks(report: Path, key: Ed25519PublicKey) -> Iterator[Break]:
    """Statements without a signature of this key over their very bytes."""
    for path in _statements(report):
        name = _envelope(path).relative_to(report).as_posix()
        expected = f"a signature of key {fingerprint(key)} over {path.relative_to(report).as_posix()}"
        try:
            found = _unsigned(_envelope(path), path.read_bytes(), key)
        except FileNotFoundError:
            found = "no signature"
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            found = f"no DSSE envelope ({error!r})"
        if found:
            yield Break(link="signatures", file=name, expected=expected, found=found)


def _unsigned(envelope: Path, statement: bytes, key: Ed25519PublicKey) -> str:
    """Why an envelope does not vouch for a statement; empty if it does."""
    content = json.loads(envelope.read_text(encoding="utf-8"))
    payload = base64.b64decode(content["payload"], validate=True)
    if content["payloadType"] != PAYLOAD_TYPE:
        return f"payload of type {content['payloadType']}"
    if payload != statement:
        return "a signature over other bytes"
    own = [signature for signature in content["signatures"] if signature["keyid"] == fingerprint(key)]
    if not own:
        return f"signatures of {', '.join(signature['keyid'] for signature in content['signatures']) or 'nobody'}"
    try:
        key.verify(base64.b64decode(own[0]["sig"], validate=True), signed_bytes(payload))
    except InvalidSignature:
        return "a forged signature"
    return ""


def _statements(report: Path) -> list[Path]:
    return sorted(path for path in (report / STATEMENTS).glob("*.json") if not path.name.endswith(ENVELOPE))


def _envelope(statement: Path) -> Path:
    return statement.with_name(statement.stem + ENVELOPE)


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key (DER), which names it."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """An unencrypted ed25519 key, as `openssl genpkey -algorithm ed25519` or `ssh-keygen -t ed25519` write it.

    Raises InputError.
    """
    expected = "expected an unencrypted ed25519 private key; `openssl genpkey -algorithm ed25519 -out FILE` makes one"
    content = _read(path, expected)
    load = serialization.load_ssh_private_key if b"OPENSSH" in content else serialization.load_pem_private_key
    try:
        key = load(content, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: {expected} ({error})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: {expected}, found another kind of key")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """An ed25519 key in PEM or as a line of ssh. Raises InputError."""
    expected = "expected an ed25519 public key; `openssl pkey -in FILE -pubout` writes one"
    content = _read(path, expected)
    load = serialization.load_ssh_public_key if content.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        key = load(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: {expected} ({error})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: {expected}, found another kind of key")
    return key


def _read(path: Path, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {expected}") from None
