"""A TCP proxy that troubles what passes through it: connections cut in the middle of a message, stalled, or slowed."""

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
# How long a connection to be cut may wait for a message to be cut in; an idle one is cut between two messages.
_CUT_SECONDS = 1.0
_DIAL_SECONDS = 5.0
# Closed so, the peer gets a reset at once instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)


class Proxies:
    """The thread that all proxies of a campaign run on; closed with it."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), name="proxies", daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        await self._closing.wait()

    def __enter__(self) -> Proxies:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.result().call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def open(self, name: str, port: int, target: str) -> Proxy:
        """Begins to pass on what comes to `port` of this machine to `target`."""
        proxy = Proxy(name, port, target, self._loop.result())
        asyncio.run_coroutine_threadsafe(proxy.listen(), self._loop.result()).result()
        return proxy


class Proxy:
    """Passes bytes on, unless told otherwise. Its public methods are safe from any thread.

    Attributes:
        name: what it leads to.
        address: `host:port` that its clients dial.
        target: `host:port` that it dials for them.
        lock: held by the fault that slows or stalls it.
    """

    def __init__(self, name: str, port: int, target: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name, self.address = name, f"127.0.0.1:{port}"
        self.target = target
        self._port, self._loop = port, loop
        self._links: list[_Link] = []
        self._open = asyncio.Event()
        self._open.set()
        self._bytes_per_second = 0.0
        self.lock = threading.Lock()

    async def listen(self) -> None:
        """Opens the port; on the proxies' thread."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    @property
    def links(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    def cut(self, luck: Random) -> int:
        """Cuts one connection or all of them, in the middle of the next message; how many."""
        chosen = list(self._links)
        if chosen and luck.random() < 0.5:
            chosen = [luck.choice(chosen)]
        for link in chosen:
            self._loop.call_soon_threadsafe(link.doom)
        return len(chosen)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Passes nothing on, and says nothing, for as long as the context lasts."""
        self._loop.call_soon_threadsafe(self._open.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._open.set)

    @contextmanager
    def slowed(self, bytes_per_second: float) -> Iterator[None]:
        """Passes no more than this on in each direction of each connection, for as long as the context lasts."""
        self._bytes_per_second = bytes_per_second
        try:
            yield
        finally:
            self._bytes_per_second = 0.0

    async def passes(self, size: int) -> None:
        """Waits until `size` bytes may go on."""
        await self._open.wait()
        if self._bytes_per_second:
            await asyncio.sleep(size / self._bytes_per_second)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await self._open.wait()
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        link = _Link(self.passes, (writer, far_writer))
        self._links.append(link)
        try:
            await asyncio.gather(link.pump(reader, far_writer), link.pump(far_reader, writer))
        except asyncio.CancelledError:
            return  # the proxies end, and asyncio would print this as an error of ours
        finally:
            self._links.remove(link)
            link.abort()


class _Link:
    """One connection, as two streams."""

    def __init__(self, passes: Callable[[int], Awaitable[None]], writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self._passes, self._writers, self._doomed = passes, writers, False

    def doom(self) -> None:
        """Cuts within the next message, or soon if none comes."""
        self._doomed = True
        asyncio.get_running_loop().call_later(_CUT_SECONDS, self.abort)

    def abort(self) -> None:
        """Cuts now."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None and not writer.transport.is_closing():
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one direction on until its end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passes(len(data))
                if self._doomed:
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
