"""Downloads one published file over HTTP: tries several addresses, resumes partial downloads, verifies the digest."""

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
"""A server that sends nothing for this time has failed."""
PROGRESS = 1 << 14
"""A server that sends fewer bytes in SILENCE_SECONDS has failed, and a try that receives fewer made no progress."""
TRIES = 3
"""Failures in a row without progress, before trying the next address."""
PAUSE_SECONDS = 2.0
_REDIRECTS = 10
_BLOCK = 1 << 18  # bytes


class Unreachable(Exception):  # noqa: N818 - a state of the network, not a mistake
    """No address delivered the file. The text has a line with the reason for each address."""


class _Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """Permanent failure: this address will not deliver the file."""


class _Interrupted(_Refused):
    """Temporary failure: this address may deliver the rest on a retry."""


def transfer(file: File, folder: Path, *, pinned: bool) -> Path:
    """Path of the complete file in `folder`; resumes a partial download, and does not repeat a complete one.

    With `pinned`, the file's MD5 is verified. Raises Unreachable, and InputError if the disk is too small.
    """
    whole, part = folder / file.name, folder / f"{file.name}.part"
    if whole.exists() and not (pinned and md5(whole) != file.md5):
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    if not pinned:
        part.unlink(missing_ok=True)  # without a digest, a part of an older version would go unnoticed
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
    """Completes `part` from one address, and checks its digest. Raises _Refused."""
    for _ in range(TRIES):
        resumed = _receive_all(url, part)
        found = digest and md5(part)
        if found == digest:
            return
        part.unlink()
        if not resumed:
            break  # retry only if the resumed part may have been of another file
    raise _Refused(f"the file has MD5 {found}, expected {digest}")


@dataclass
class _Address:
    url: str
    version: str | None = None
    """ETag or modification time of the version that the server began to send."""


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
    """Completes `part`; True if it was resumed, so is from more than one response. Raises _Refused."""

    def say(state: RetryCallState) -> None:
        reason = state.outcome and state.outcome.exception()
        print(f"{part.stem}: {url}: {reason}; retrying", file=sys.stderr)

    retrying = Retrying(
        retry=retry_if_exception_type(_Interrupted),
        stop=_Stalled(part),
        wait=wait_fixed(PAUSE_SECONDS),
        before_sleep=say,
        reraise=True,
    )
    return retrying(_receive, _Address(url), part)


def _receive(address: _Address, part: Path) -> bool:
    """Appends the missing bytes to `part`; True if bytes of an earlier response are kept. Raises _Refused."""
    have = _size(part)
    with _request(address, have) as response:
        if response.status_code >= 400:
            _check_error_status(response, part, have)
            return True
        start = _start(response, have)
        _same_version(address, response, part, start)
        _write(response, part, start)
        return start > 0


def _request(address: _Address, have: int) -> requests.Response:
    # No compression in transit: the digest and the byte range refer to the published bytes.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and address.version:
        headers["If-Range"] = address.version
    with _network_errors(), requests.Session() as session:
        session.max_redirects = _REDIRECTS
        return session.get(address.url, headers=headers, stream=True, timeout=SILENCE_SECONDS)


def _same_version(address: _Address, response: requests.Response, part: Path, start: int) -> None:
    """Raises _Interrupted, and removes the part, if the file changed between two responses."""
    version = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if start and address.version and version != address.version:
        part.unlink()
        address.version = None
        raise _Interrupted("the file changed while it was fetched")
    address.version = None if (version or "").startswith("W/") else version  # a weak ETag does not identify bytes


@contextmanager
def _network_errors() -> Iterator[None]:
    """Turns network errors into _Interrupted; keep disk errors out of the block, they must not look like these."""
    try:
        yield
    except (requests.TooManyRedirects, ValueError) as error:  # requests raises ValueError for an invalid URL
        raise _Refused(str(error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _Interrupted(_first_cause(error)) from None


def _first_cause(error: BaseException) -> str:
    """The innermost error, which requests and urllib3 wrap several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error) or type(error).__name__


def _start(response: requests.Response, have: int) -> int:
    """File position of the response's first byte: `have`, or 0 if the server ignores Range."""
    if response.status_code not in (200, 206):
        raise _Refused(f"status {response.status_code} instead of the file; its web firewall may block scripts")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise _Refused("a web page instead of the file")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise _Refused(
            f"requested the bytes from {have}, but got Content-Range {response.headers.get('Content-Range')!r}"
        )
    return have


def _write(response: requests.Response, part: Path, start: int) -> None:
    response.raw.enforce_content_length = False  # the check below includes the part that existed before
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
        raise _Interrupted(f"connection ended after {_size(part)} of {total} bytes")
    if _size(part) == 0:
        raise _Refused("an empty response; its web firewall may block scripts")


def _read(response: requests.Response) -> bytes:
    """The bytes that have arrived, without waiting for a full block: bytes not yet written are lost in a crash."""
    with _network_errors():
        return response.raw.read1(_BLOCK, decode_content=False)


def _check_error_status(response: requests.Response, part: Path, have: int) -> None:
    """Returns if status 416 says that the part is complete; raises _Interrupted for temporary errors, else _Refused."""
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
