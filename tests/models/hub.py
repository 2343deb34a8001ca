"""A hub for tests: a local server that speaks as much of the Hugging Face hub's interface as one repository needs."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Files by repository and name, as they were uploaded."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, dict[str, bytes]] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        _, *place = self.path.split("?")[0].split("/")
        if place[:2] == ["api", "models"]:
            names = self.server.files.get("/".join(place[2:4]))
            tree = [{"type": "file", "path": name, "oid": "0", "size": len(names[name])} for name in names or {}]
            about = {"id": "/".join(place[2:4]), "sha": COMMIT, "siblings": [{"rfilename": one} for one in names or {}]}
            self._json(tree if "tree" in place else about, 404 if names is None else 200)
        else:
            self._file(self.server.files.get("/".join(place[:2]), {}).get("/".join(place[4:])))

    do_HEAD = do_GET  # noqa: N815 (the name is the base class's)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        _, *place = self.path.split("?")[0].split("/")
        if self.path == "/api/repos/create":
            name = json.loads(body)
            repository = f"{name.get('organization') or 'someone'}/{name['name']}"
            self.server.files.setdefault(repository, {})
            self._json({"url": f"{self.server.address}/{repository}"})
        elif "preupload" in place:
            wanted = json.loads(body)["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in wanted]
            self._json({"files": modes})
        elif "commit" in place:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.files["/".join(place[2:4])][line["value"]["path"]] = content
            self._json(
                {"commitUrl": "/".join([self.server.address, *place[2:4], "commit", COMMIT]), "commitOid": COMMIT}
            )
        else:
            self._json({"valid": True})

    def _json(self, content: object, code: int = 200) -> None:
        self._send(json.dumps(content).encode(), code, {"Content-Type": "application/json"})

    def _file(self, content: bytes | None) -> None:
        if content is None:
            self._send(b"", 404, {"X-Error-Code": "EntryNotFound"})
        else:
            self._send(content, 200, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def _send(self, content: bytes, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def local_hub() -> Iterator[Hub]:
    """A hub that runs within the block."""
    with Hub() as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
