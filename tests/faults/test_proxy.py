"""A proxy forwards bytes unchanged, cuts and stalls connections, and recovers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.faults.proxy import Proxy, ProxyThread
from tests.support.role_processes import free_port, until

MESSAGE = bytes(range(256)) * 64


@contextmanager
def echoing() -> Iterator[str]:
    """A server that sends back what it receives; its `host:port`."""

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(peer,), daemon=True).start()

    def echo(peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(1 << 16):
                    peer.sendall(data)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy to an echo server."""
    with echoing() as address, ProxyThread() as proxies:
        yield proxies.open("echo", free_port(), address)


def connect(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def receive(peer: socket.socket, size: int) -> bytes:
    """Receives `size` bytes, or fewer when the connection ends."""
    data = b""
    while len(data) < size:
        try:
            more = peer.recv(1 << 16)
        except ConnectionError:
            break
        if not more:
            break
        data += more
    return data


def test_bytes_pass_unchanged_without_faults(proxy: Proxy) -> None:
    """Bytes pass unchanged in both directions, and an orderly end is forwarded."""
    with connect(proxy) as peer:
        peer.sendall(MESSAGE)
        assert receive(peer, len(MESSAGE)) == MESSAGE
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""


def test_a_connection_is_cut_within_a_message(proxy: Proxy) -> None:
    """Only a part of the next message arrives before the connection breaks, and a new connection works."""
    with connect(proxy) as peer:
        until(lambda: proxy.connections == 1, "the connection is open")
        assert proxy.cut(Random(1)) == 1
        peer.sendall(MESSAGE)
        assert len(receive(peer, len(MESSAGE))) < len(MESSAGE)
    with connect(proxy) as peer:
        peer.sendall(MESSAGE)
        assert receive(peer, len(MESSAGE)) == MESSAGE


def test_a_stalled_connection_continues_without_loss(proxy: Proxy) -> None:
    """Nothing passes while the proxy is stalled, and everything after it."""
    with connect(proxy) as peer:
        until(lambda: proxy.connections == 1, "the connection is open")
        with proxy.stalled():
            peer.sendall(MESSAGE)
            peer.settimeout(0.3)
            with pytest.raises(TimeoutError):
                peer.recv(1)
        peer.settimeout(30)
        assert receive(peer, len(MESSAGE)) == MESSAGE


def test_a_connection_to_a_stopped_server_is_closed(proxy: Proxy) -> None:
    """A client whose server does not listen is disconnected at once."""
    proxy.target = f"127.0.0.1:{free_port()}"
    with connect(proxy) as peer:
        assert receive(peer, 1) == b""
