"""The network between the processes can be troubled, and is whole again afterwards."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.faults.proxy import Proxies, Proxy
from tests.support.role_processes import free_port, until

MESSAGE = bytes(range(256)) * 64


@contextmanager
def echoing() -> Iterator[str]:
    """A server that says back what it is told."""

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
    """A proxy to an echo."""
    with echoing() as address, Proxies() as proxies:
        yield proxies.open("echo", free_port(), address)


def dial(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def heard(peer: socket.socket, size: int) -> bytes:
    """What comes, up to `size` bytes or the end of the connection."""
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


def test_what_nobody_troubles_passes_whole(proxy: Proxy) -> None:
    """Bytes pass both ways unchanged, and an orderly end is passed on."""
    with dial(proxy) as peer:
        peer.sendall(MESSAGE)
        assert heard(peer, len(MESSAGE)) == MESSAGE
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""


def test_a_connection_is_cut_within_a_message(proxy: Proxy) -> None:
    """Only a part of the next message arrives before the connection breaks, and a new connection works."""
    with dial(proxy) as peer:
        until(lambda: proxy.links == 1, "the connection is there")
        assert proxy.cut(Random(1)) == 1
        peer.sendall(MESSAGE)
        assert len(heard(peer, len(MESSAGE))) < len(MESSAGE)
    with dial(proxy) as peer:
        peer.sendall(MESSAGE)
        assert heard(peer, len(MESSAGE)) == MESSAGE


def test_a_stalled_connection_goes_on_where_it_was(proxy: Proxy) -> None:
    """Nothing passes while it is stalled, and everything after."""
    with dial(proxy) as peer:
        until(lambda: proxy.links == 1, "the connection is there")
        with proxy.stalled():
            peer.sendall(MESSAGE)
            peer.settimeout(0.3)
            with pytest.raises(TimeoutError):
                peer.recv(1)
        peer.settimeout(30)
        assert heard(peer, len(MESSAGE)) == MESSAGE


def test_a_server_that_is_gone_refuses(proxy: Proxy) -> None:
    """A client of a server that does not listen is cut off rather than left waiting."""
    proxy.target = f"127.0.0.1:{free_port()}"
    with dial(proxy) as peer:
        assert heard(peer, 1) == b""
