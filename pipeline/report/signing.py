"""Signatures over the statements of a report: DSSE envelopes, ed25519.

https://github.com/secure-systems-lab/dsse (v1.0.2). Import this module only when needed: its libraries take a third
of a second to import.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from pipeline.ground.errors import InputError
from pipeline.ground.files import parse_json, write_whole
from pipeline.judge.chain import Break
from pipeline.report.attestation import ENVELOPE, KEY_FILE, STATEMENTS, statement_files

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def sign(report: Path, private: Path) -> str:
    """Signs every statement of a report and returns the key's id. Raises InputError."""
    key, statements = read_private_key(private), statement_files(report)
    if not statements:
        raise InputError(f"{report / STATEMENTS}: no statements to sign; `dvc repro` makes them")
    signer = CryptoSigner(key)
    for path in statements:
        envelope = Envelope(path.read_bytes(), PAYLOAD_TYPE, {})
        envelope.sign(signer)
        write_whole(_envelope(path), _as_file(envelope))
    write_whole(report / STATEMENTS / KEY_FILE, _pem(signer.public_key))
    return signer.public_key.keyid


def _as_file(envelope: Envelope) -> bytes:
    return json.dumps(envelope.to_dict(), indent=2).encode() + b"\n"


def _pem(key: SSlibKey) -> bytes:
    """A public key as PEM, the format of key.pem."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def signature_breaks(report: Path, key: SSlibKey) -> Iterator[Break]:
    """Statements that have no valid signature of this key over their exact bytes."""
    for path in statement_files(report):
        name = _envelope(path).relative_to(report).as_posix()
        expected = f"a signature of key {key.keyid} over {path.relative_to(report).as_posix()}"
        try:
            found = _unsigned(_envelope(path), path.read_bytes(), key)
        except FileNotFoundError:
            found = "no signature"
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found = f"no DSSE envelope ({error!r})"
        if found:
            yield Break(link="signatures", file=name, expected=expected, found=found)
    pem = report / STATEMENTS / KEY_FILE
    if not pem.is_file() or pem.read_bytes() != _pem(key):
        expected = f"the key {key.keyid} in PEM, and nothing else"
        name = pem.relative_to(report).as_posix()
        yield Break(link="signatures", file=name, expected=expected, found="another text, or no file")


def _unsigned(path: Path, statement: bytes, key: SSlibKey) -> str:
    """Why an envelope is not a valid signature of a statement; empty if it is."""
    content = path.read_bytes()
    envelope = Envelope.from_dict(parse_json(content))
    if envelope.payload_type != PAYLOAD_TYPE:
        return f"payload of type {envelope.payload_type}"
    if envelope.payload != statement:
        return "a signature over other bytes"
    if key.keyid not in envelope.signatures:
        return f"signatures of {', '.join(envelope.signatures) or 'nobody'}"
    try:
        envelope.verify([key], threshold=1)
    except VerificationError:
        return "a forged signature"
    own = Envelope(statement, PAYLOAD_TYPE, {key.keyid: envelope.signatures[key.keyid]})
    return "" if content == _as_file(own) else "more than one signature"


def _envelope(statement: Path) -> Path:
    return statement.with_name(statement.stem + ENVELOPE)


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads an unencrypted ed25519 key as written by `openssl genpkey -algorithm ed25519` or `ssh-keygen -t ed25519`.

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


def read_public_key(path: Path) -> SSlibKey:
    """Reads an ed25519 public key, in PEM or as an OpenSSH line. Raises InputError."""
    expected = "expected an ed25519 public key; `openssl pkey -in FILE -pubout` writes one"
    content = _read(path, expected)
    load: Any = serialization.load_ssh_public_key if content.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        key = SSlibKey.from_crypto(load(content))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: {expected} ({error})") from None
    if key.keytype != "ed25519":
        raise InputError(f"{path}: {expected}, found another kind of key")
    return key


def _read(path: Path, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {expected}") from None
