"""A proxy that makes requests take longer, as if the server were far away."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


@contextmanager
def delayed(host: str, port: int, seconds: float) -> Iterator[str]:
    """Yields the address of a proxy on the loopback which passes what a client sends on so many seconds later."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((host, port)) as server:
                back = threading.Thread(target=_pass_on, args=(server, self.request, 0.0), daemon=True)
                back.start()
                _pass_on(self.request, server, seconds)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads, proxy.block_on_close = True, False  # clients keep connections open
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield "{}:{}".format(*proxy.server_address[:2])
        finally:
            proxy.shutdown()


def _pass_on(one: socket.socket, other: socket.socket, seconds: float) -> None:
    """Passes on what comes until the end of a connection."""
    with suppress(OSError):
        while data := one.recv(1 << 20):
            time.sleep(seconds)
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
