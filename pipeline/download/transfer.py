"""One published file over HTTP: several addresses, resumed where it was cut off, used only when its digest is right."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_fixed

from pipeline.download.catalog import File
from pipeline.download.disk import check_space, md5
from pipeline.ground.progress import progress

USER_AGENT = "sresnet-repro/0.1"
SILENCE_SECONDS = 60.0
"""A server that sends nothing for so long has failed."""
PROGRESS = 1 << 14  # bytes
"""A server that sends less in SILENCE_SECONDS, or before it fails, has failed: a byte now and then is no progress."""
TRIES = 3
"""Failures in a row without progress, after which the next address is tried."""
PAUSE_SECONDS = 2.0
_REDIRECTS = 10
_BLOCK = 1 << 18  # bytes


class Unreachable(Exception):  # noqa: N818 - a state of the network, not a mistake
    """No address gave the file. The text has a line for each address and why."""


class _Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """This address will not give the file."""


class _Interrupted(_Refused):
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


class _Stalled:
    """Tells tenacity to stop after TRIES failures in a row without progress."""

    def __init__(self, part: Path) -> None:
        self.part, self.most, self.failures = part, _size(part), 0

    def __call__(self, state: RetryCallState) -> bool:
        size = _size(self.part)
        self.failures = 0 if size >= self.most + PROGRESS else self.failures + 1
        self.most = max(self.most, size)
        return self.failures == TRIES


def _receive_all(url: str, part: Path) -> bool:
    """Makes `part` complete; True if it is joined from more than one answer. Raises _Refused."""

    def say(state: RetryCallState) -> None:
        reason = state.outcome and state.outcome.exception()
        print(f"{part.stem}: {url}: {reason}; asking again", file=sys.stderr)

    retrying = Retrying(
        retry=retry_if_exception_type(_Interrupted),
        stop=_Stalled(part),
        wait=wait_fixed(PAUSE_SECONDS),
        before_sleep=say,
        reraise=True,
    )
    return retrying(_receive, _Address(url), part)


def _receive(address: _Address, part: Path) -> bool:
    """Appends what is missing to `part`; True if bytes of an earlier answer are kept. Raises _Refused."""
    have = _size(part)
    with _ask(address, have) as response:
        if response.status_code >= 400:
            _judge(response, part, have)
            return True
        start = _start(response, have)
        _same_version(address, response, part, start)
        _write(response, part, start)
        return start > 0


def _ask(address: _Address, have: int) -> requests.Response:
    # The digest is of the published bytes: they have to come without a compression that requests would undo.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and address.version:
        headers["If-Range"] = address.version
    with _network_errors(), requests.Session() as session:
        session.max_redirects = _REDIRECTS
        return session.get(address.url, headers=headers, stream=True, timeout=SILENCE_SECONDS)


def _same_version(address: _Address, response: requests.Response, part: Path, start: int) -> None:
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
    except (requests.TooManyRedirects, ValueError) as error:  # requests says ValueError of what is no web address
        raise _Refused(str(error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _Interrupted(_first_cause(error)) from None


def _first_cause(error: BaseException) -> str:
    """What the system said; requests and urllib3 wrap it in all that they tried."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error) or type(error).__name__


def _start(response: requests.Response, have: int) -> int:
    """Position in the file of the first byte that the response brings: `have`, or 0 if the server ignores Range."""
    if response.status_code not in (200, 206):
        raise _Refused(f"status {response.status_code} instead of the file; its web firewall may refuse scripts")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise _Refused("a web page instead of the file")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise _Refused(
            f"the part from byte {have} was asked for, the answer is {response.headers.get('Content-Range')!r}"
        )
    return have


def _write(response: requests.Response, part: Path, start: int) -> None:
    response.raw.enforce_content_length = False  # what is cut off is told below, with the part that was there
    length = response.raw.length_remaining
    total = None if length is None else start + length
    check_space(part.parent, length or 0)
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


def _read(response: requests.Response) -> bytes:
    """What has arrived, without waiting for a full block: what is not written yet is lost with the process."""
    with _network_errors():
        return response.raw.read1(_BLOCK, decode_content=False)


def _judge(response: requests.Response, part: Path, have: int) -> None:
    """Returns if the answer says that nothing is missing; raises _Interrupted for what may pass, else _Refused."""
    status = response.status_code
    if status == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
        return
    if status == 416:
        part.unlink()
        raise _Interrupted(f"the part of {have} bytes was not of this file")
    if status in (408, 425, 429) or status >= 500:
        raise _Interrupted(f"status {status} {response.reason}")
    raise _Refused(f"status {status} {response.reason}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
