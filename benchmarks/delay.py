"""A proxy that makes requests take longer, as if the server were far away."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def delayed(host: str, port: int, seconds: float) -> Iterator[str]:
    """Yields the address of a proxy on the loopback which passes what a client sends on so many seconds later."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(_pass_on(reader, to_server, seconds), _pass_on(from_server, writer, 0.0))

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0), loop).result()
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    while data := await reader.read(1 << 20):
        await asyncio.sleep(seconds)
        writer.write(data)
        await writer.drain()
    writer.close()
