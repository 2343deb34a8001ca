"""A web server on the loopback that misbehaves as configured, and counts what it serves."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What the site answers at one path."""

    content: bytes
    status: int = 200
    ranges: bool = True
    kind: str = "application/octet-stream"
    cut_after: int | None = None
    """Bytes of the body after which an answer ends; its Content-Length still promises all."""
    hold_after: int | None = None
    """Bytes after which an answer waits for Site.release."""
    headers: dict[str, str] = field(default_factory=dict)
    """Added to every answer; a Content-Length takes the place of the right one."""
    drip: bool = False
    """A byte at a time, until the other side gives up."""
    then: "Page | None" = None
    """Takes the place of this page after its first answer."""


@dataclass
class Site:
    """Its pages by path, and every answer so far as (path, first byte, bytes sent)."""

    address: str
    pages: dict[str, Page] = field(default_factory=dict)
    served: list[tuple[str, int, int]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    release: threading.Event = field(default_factory=threading.Event)

    def add(self, path: str, page: Page) -> str:
        """The URL of a page."""
        self.pages[path] = page
        return f"{self.address}{path}"

    @property
    def bytes_served(self) -> int:
        return sum(sent for _, _, sent in self.served)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self.site.agents.add(self.headers.get("User-Agent", ""))
        page = self.site.pages.get(self.path, Page(b"not here", status=404))
        if page.then is not None:
            self.site.pages[self.path] = page.then
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if page.ranges else None
        start = int(wanted[1]) if wanted else 0
        if wanted and start >= len(page.content):
            self._head(416, "", 0, f"bytes */{len(page.content)}")
            return
        body = page.content[start:]
        content_range = f"bytes {start}-{len(page.content) - 1}/{len(page.content)}" if wanted else None
        sent = body[: page.cut_after]
        self.site.served.append((self.path, start, len(sent)))  # before the answer, which the test may see at once
        self._head(206 if wanted else page.status, page.kind, len(body), content_range, page.headers)
        self._send(page, start, sent)

    def _head(
        self, status: int, kind: str, length: int, content_range: str | None, added: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(length)} | (added or {})
        if content_range:
            headers["Content-Range"] = content_range
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, page: Page, start: int, body: bytes) -> None:
        if page.hold_after is not None and start < page.hold_after:
            self.wfile.write(body[: page.hold_after - start])
            self.site.release.wait(20)
            return
        if not page.drip:
            self.wfile.write(body)
            return
        with suppress(OSError):
            for byte in body:
                self.wfile.write(bytes([byte]))
                if self.site.release.wait(0.01):
                    return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        pass


@contextmanager
def running() -> Iterator[Site]:
    """A site on a free port of the loopback, ended with the block."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.site = site = Site(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield site
        finally:
            site.release.set()
            server.shutdown()
