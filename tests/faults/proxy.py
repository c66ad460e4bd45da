"""A TCP proxy whose connections can be cut in the middle of a message, stalled, or slowed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from random import Random
from types import TracebackType

_CHUNK = 1 << 16
# A connection that stays idle for this long is cut between two messages.
_CUT_SECONDS = 1.0
_CONNECT_SECONDS = 5.0
# SO_LINGER of 0 seconds: closing sends a reset at once, not an orderly end.
_RESET = struct.pack("ii", 1, 0)


class ProxyThread:
    """The thread with the event loop that all proxies run on; a context manager that ends them."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), name="proxies", daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        await self._closing.wait()

    def __enter__(self) -> ProxyThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.result().call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def open(self, name: str, port: int, target: str) -> Proxy:
        """Starts a proxy from `port` of this machine to `target`, a `host:port`."""
        proxy = Proxy(name, port, target, self._loop.result())
        asyncio.run_coroutine_threadsafe(proxy.listen(), self._loop.result()).result()
        return proxy


class Proxy:
    """Forwards bytes in both directions. Its public methods can be called from any thread.

    Attributes:
        name: of the server behind it.
        address: `host:port` where it listens.
        target: `host:port` of the server behind it.
        lock: held by the fault that slows or stalls it.
    """

    def __init__(self, name: str, port: int, target: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self.address = name, f"127.0.0.1:{port}"
        self.target = target
        self._port, self._loop = port, loop
        self._connections: list[_Connection] = []
        self._open = asyncio.Event()
        self._open.set()
        self._bytes_per_second = 0.0
        self.lock = threading.Lock()

    async def listen(self) -> None:
        """Starts to listen; must run on the event loop."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    def cut(self, rng: Random) -> int:
        """Cuts one connection or all of them, in the middle of the next message; the number of connections cut."""
        chosen = list(self._connections)
        if chosen and rng.random() < 0.5:
            chosen = [rng.choice(chosen)]
        for connection in chosen:
            self._loop.call_soon_threadsafe(connection.cut_in_next_message)
        return len(chosen)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Forwards nothing until the context ends; connections stay open."""
        self._loop.call_soon_threadsafe(self._open.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._open.set)

    @contextmanager
    def slowed(self, bytes_per_second: float) -> Iterator[None]:
        """Limits each direction of each connection to this rate until the context ends."""
        self._bytes_per_second = bytes_per_second
        try:
            yield
        finally:
            self._bytes_per_second = 0.0

    @contextmanager
    def redirected(self, target: str) -> Iterator[None]:
        """Cuts every connection and forwards new ones to another `host:port`, until the context ends."""
        before, self.target = self.target, target
        self._loop.call_soon_threadsafe(self._abort_all)
        try:
            yield
        finally:
            self.target = before
            self._loop.call_soon_threadsafe(self._abort_all)

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    async def wait_to_forward(self, size: int) -> None:
        """Waits until `size` bytes may be forwarded."""
        await self._open.wait()
        if self._bytes_per_second:
            await asyncio.sleep(size / self._bytes_per_second)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._open.wait()
                server_reader, server_writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        connection = _Connection(self.wait_to_forward, (writer, server_writer))
        self._connections.append(connection)
        try:
            await asyncio.gather(connection.forward(reader, server_writer), connection.forward(server_reader, writer))
        except asyncio.CancelledError:
            return  # the event loop ends; asyncio would report the exception as an error
        finally:
            self._connections.remove(connection)
            connection.abort()


class _Connection:
    """A client's connection and the proxy's connection to the server."""

    def __init__(
        self, wait_to_forward: Callable[[int], Awaitable[None]], writers: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        self._wait_to_forward, self._writers, self._cut_next = wait_to_forward, writers, False

    def cut_in_next_message(self) -> None:
        """Cuts in the middle of the next message, or after a second without one."""
        self._cut_next = True
        asyncio.get_running_loop().call_later(_CUT_SECONDS, self.abort)

    def abort(self) -> None:
        """Cuts now, with a reset to both ends."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None and not writer.transport.is_closing():
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one direction until its end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._wait_to_forward(len(data))
                if self._cut_next:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    break
                writer.write(data)
                await writer.drain()
            else:
                if writer.can_write_eof():
                    writer.write_eof()
                return
        self.abort()
