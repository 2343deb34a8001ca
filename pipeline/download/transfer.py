"""One published file over HTTP: several addresses, resumed where it was cut off, used only when its digest is right."""

import hashlib
import http.client
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.download.catalog import File
from pipeline.ground.errors import InputError
from pipeline.ground.progress import progress

USER_AGENT = "sresnet-repro/0.1"
SILENCE_SECONDS = 60.0
"""A server that sends nothing for so long has failed."""
PROGRESS = 1 << 14  # bytes
"""A server that sends less in SILENCE_SECONDS, or before it fails, has failed: a byte now and then is no progress."""
TRIES = 3
"""Failures in a row without progress, after which the next address is tried."""
PAUSE_SECONDS = 2.0
DISK_MARGIN = 256 << 20  # bytes left free for everything else on the disk
_BLOCK = 1 << 18  # bytes


class Unreachable(Exception):  # noqa: N818 - a state of the network, not a mistake
    """No address gave the file. The text has a line for each address and why."""


class _Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """This address will not give the file."""


class _Interrupted(Exception):  # noqa: N818 - what may be tried again, not a mistake
    """This address may give the rest when asked again."""


def transfer(file: File, folder: Path, *, pinned: bool) -> Path:
    """Path of the whole file in `folder`; a part that is there is continued, a whole one is not fetched again.

    With `pinned` its MD5 is the file's. Raises Unreachable, and InputError if the disk is too small.
    """
    whole, part = folder / file.name, folder / f"{file.name}.part"
    if whole.exists() and not (pinned and md5(whole) != file.md5):
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    if not pinned:
        part.unlink(missing_ok=True)  # no digest would tell that it is of an older version
    reasons = []
    for url in file.urls:
        try:
            _from_address(url, part, file.md5 if pinned else None)
        except _Refused as reason:
            reasons.append(f"  {url}: {reason}")
        else:
            return part.replace(whole)
    raise Unreachable("\n".join(reasons))


def md5(path: Path) -> str:
    """Hexadecimal MD5 of a file's bytes: the digest that the publishers of these datasets are pinned by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Raises InputError if `needed` bytes and a margin do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed + DISK_MARGIN:
        raise InputError(
            f"{folder}: {needed / 1e9:.2f} GB are to be written and {DISK_MARGIN / 1e9:.2f} GB left free, "
            f"but the disk has only {free / 1e9:.2f} GB; free some and run it again"
        )


def _from_address(url: str, part: Path, digest: str | None) -> None:
    """Makes `part` whole from one address. Raises _Refused."""
    for _ in range(TRIES):
        joined = _receive_all(url, part)
        found = digest and md5(part)
        if found == digest:
            return
        part.unlink()
        if not joined:
            break  # else what was continued may have been of another file
    raise _Refused(f"the file has MD5 {found}, expected {digest}")


@dataclass
class _Address:
    url: str
    version: str | None = None
    """What the server called the version that it began to send: its ETag or time of modification."""


def _receive_all(url: str, part: Path) -> bool:
    """Makes `part` complete; True if it is joined from more than one answer. Raises _Refused."""
    address, most, failures = _Address(url), _size(part), 0
    joined = most > 0
    while True:
        try:
            _receive(address, part)
        except _Interrupted as reason:
            joined = True
            failures = 0 if _size(part) >= most + PROGRESS else failures + 1
            most = max(most, _size(part))
            if failures == TRIES:
                raise _Refused(str(reason)) from None
            print(f"{part.stem}: {url}: {reason}; asking again", file=sys.stderr)
            time.sleep(PAUSE_SECONDS)
        else:
            return joined


def _receive(address: _Address, part: Path) -> None:
    """Appends what is missing to `part`. Raises _Refused or _Interrupted."""
    have = _size(part)
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={have}-"} if have else {})
    if have and address.version:
        headers["If-Range"] = address.version
    try:
        with _network_errors():
            request = urllib.request.Request(address.url, headers=headers)  # noqa: S310 - from the catalog or the user
            response = urllib.request.urlopen(request, timeout=SILENCE_SECONDS)  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        error.close()
        _judge(error, part, have)
        return
    with response:
        start = _start(response, have)
        _same_version(address, response, part, start)
        _write(response, part, start, None if response.length is None else start + response.length)


def _same_version(address: _Address, response: http.client.HTTPResponse, part: Path, start: int) -> None:
    """Raises _Interrupted, and removes the part, if the file changed between two answers."""
    version = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if start and address.version and version != address.version:
        part.unlink()
        address.version = None
        raise _Interrupted("the file changed while it was fetched")
    address.version = None if (version or "").startswith("W/") else version  # a weak one says nothing of bytes


@contextmanager
def _network_errors() -> Iterator[None]:
    """Turns what the network does into _Interrupted; an error of the disk must not look like one of the network."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Interrupted(str(getattr(error, "reason", error)) or type(error).__name__) from None


def _start(response: http.client.HTTPResponse, have: int) -> int:
    """Position in the file of the first byte that the response brings: `have`, or 0 if the server ignores Range."""
    if response.status not in (200, 206):
        raise _Refused(f"status {response.status} instead of the file; its web firewall may refuse scripts")
    if response.headers.get_content_type() == "text/html":
        raise _Refused("a web page instead of the file")
    if response.status == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise _Refused(
            f"the part from byte {have} was asked for, the answer is {response.headers.get('Content-Range')!r}"
        )
    return have


def _write(response: http.client.HTTPResponse, part: Path, start: int, total: int | None) -> None:
    check_space(part.parent, (total or start) - start)
    with part.open("ab") as file, progress(part.stem, total=total, unit="B", initial=start) as bar:
        file.truncate(start)
        since, received = time.monotonic(), 0
        while block := _read(response):
            file.write(block)
            bar.update(len(block))
            received += len(block)
            if received >= PROGRESS:
                since, received = time.monotonic(), 0
            elif time.monotonic() - since > SILENCE_SECONDS:
                raise _Interrupted(f"only {received} bytes in {SILENCE_SECONDS:g} s")
    if total is not None and _size(part) < total:
        raise _Interrupted(f"cut off after {_size(part)} of {total} bytes")
    if _size(part) == 0:
        raise _Refused("an empty answer; its web firewall may refuse scripts")


def _read(response: http.client.HTTPResponse) -> bytes:
    """What has arrived, without waiting for a full block: what is not written yet is lost with the process."""
    with _network_errors():
        return response.read1(_BLOCK)


def _judge(error: urllib.error.HTTPError, part: Path, have: int) -> None:
    """Returns if the answer says that nothing is missing; raises _Interrupted for what may pass, else _Refused."""
    if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
        return
    if error.code == 416:
        part.unlink()
        raise _Interrupted(f"the part of {have} bytes was not of this file")
    if error.code in (408, 425, 429) or error.code >= 500:
        raise _Interrupted(f"status {error.code} {error.reason}")
    raise _Refused(f"status {error.code} {error.reason}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
