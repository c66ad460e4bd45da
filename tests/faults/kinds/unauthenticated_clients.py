"""Clients without the token reach the dispatcher's gRPC port: they guess leases, take work, flood it and send noise."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import grpc

from reelwright.bus.topics import FRAMES
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Failure, Hello, Receipt, Release, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub
from reelwright.wire.frames_pb2 import FrameBatch
from tests.faults.kinds.kind import instant_kind
from tests.faults.trial_cluster import PROCESSES, TrialCluster

_GUESSES = 400
_STREAMS = 64
_RECEIVE_SECONDS = 2.0
_MOST_CREDITS = (1 << 32) - 1
_HUGE_BYTES = 32 << 20


class _UnauthenticatedClient:
    """A stream without the token, as of a worker; a context manager."""

    def __init__(self, trial: TrialCluster, rng: Random, name: str, models: list[str]) -> None:
        proxies = trial.network.to_dispatchers[: PROCESSES["dispatcher"]]
        # Not through the proxy, whose connections other faults cut.
        self._channel = grpc.insecure_channel(rng.choice(proxies).target)
        self._outbox: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        self.inbox: queue.SimpleQueue[DispatcherMessage] = queue.SimpleQueue()
        self.send(WorkerMessage(hello=Hello(worker=name, version="0", models=models, protocol=PROTOCOL)))
        call = DispatchStub(self._channel).Work(iter(self._outbox.get, None))  # type: ignore[no-untyped-call]
        self._thread = threading.Thread(target=self._receive, args=(call,), name="unauthenticated-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> _UnauthenticatedClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._outbox.put(None)
        self._channel.close()
        self._thread.join()

    def send(self, message: WorkerMessage) -> None:
        """Sends a message."""
        self._outbox.put(message)

    def receive(self) -> DispatcherMessage | None:
        """The next message; None when none arrives in time."""
        with suppress(queue.Empty):
            return self.inbox.get(timeout=_RECEIVE_SECONDS)
        return None

    def _receive(self, call: Iterator[DispatcherMessage]) -> None:
        with suppress(grpc.RpcError):
            for message in call:
                self.inbox.put(message)


def _guess_leases(trial: TrialCluster, rng: Random) -> None:
    """Reads the form of a lease's id from a lease, and acknowledges, fails and releases the leases of others."""
    with _UnauthenticatedClient(trial, rng, "unauthenticated", _models(trial, rng)) as client:
        client.send(WorkerMessage(credits=1))
        message = client.receive()
        seen = message.lease.lease if message is not None else "lease-0"
        stem = seen.rstrip("0123456789")
        number = int(seen[len(stem) :] or "0")
        for guess in (f"{stem}{max(0, number + n)}" for n in range(-_GUESSES // 2, _GUESSES // 2)):
            if guess != seen:
                client.send(rng.choice(_answers(guess)))
        client.send(WorkerMessage(release=Release(lease=seen)))
        time.sleep(_RECEIVE_SECONDS)


def _answers(lease: str) -> list[WorkerMessage]:
    return [
        WorkerMessage(receipt=Receipt(lease=lease)),
        WorkerMessage(failure=Failure(lease=lease, reason="forged")),
        WorkerMessage(failure=Failure(lease=lease, reason="forged", payload_unusable=True)),
        WorkerMessage(release=Release(lease=lease)),
    ]


def _take_all_work(trial: TrialCluster, rng: Random) -> None:
    """Asks for all the work there is and does none of it."""
    with _UnauthenticatedClient(trial, rng, "greedy", _models(trial, rng)) as client:
        client.send(WorkerMessage(credits=_MOST_CREDITS))
        time.sleep(_RECEIVE_SECONDS)


def _take_a_name(trial: TrialCluster, rng: Random) -> None:
    """Connects under the name of a worker that is connected."""
    with _UnauthenticatedClient(trial, rng, rng.choice(["inference-0", "inference-1"]), _models(trial, rng)):
        time.sleep(_RECEIVE_SECONDS)


def _open_streams(trial: TrialCluster, rng: Random) -> None:
    """Opens more streams than any installation has workers, each with its own name and thousands of models."""
    clients = [_UnauthenticatedClient(trial, rng, f"crowd-{n}", [f"{n:064x}"] * 1000) for n in range(_STREAMS)]
    time.sleep(_RECEIVE_SECONDS)
    for client in clients:
        client.__exit__()


def _send_huge_messages(trial: TrialCluster, rng: Random) -> None:
    with _UnauthenticatedClient(trial, rng, "x" * _HUGE_BYTES, []) as client:
        client.send(WorkerMessage(failure=Failure(lease="x" * _HUGE_BYTES, reason="y" * _HUGE_BYTES)))
        client.receive()


def _send_noise(trial: TrialCluster, rng: Random) -> None:
    """Sends bytes that are no HTTP/2, an HTTP/1 request, and nothing."""
    silent = []
    for content in (
        rng.randbytes(4096),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0",
        b"",
    ):
        host, _, port = trial.network.to_dispatchers[0].target.rpartition(":")
        with suppress(OSError):
            connection = socket.create_connection((host, int(port)), timeout=_RECEIVE_SECONDS)
            connection.sendall(content)
            silent.append(connection)
    time.sleep(_RECEIVE_SECONDS)
    for connection in silent:
        connection.close()


def _models(trial: TrialCluster, rng: Random) -> list[str]:
    """The models that are wanted, read from a batch."""
    with suppress(Exception):
        return [FrameBatch.FromString(trial.recorder.pick(rng, *FRAMES.values()).value).work.model_sha256]
    return []


KINDS = (
    instant_kind("client guesses leases", 5, _guess_leases),
    instant_kind("client takes all work", 3, _take_all_work),
    instant_kind("client with a worker's name", 3, _take_a_name),
    instant_kind("client opens many streams", 2, _open_streams),
    instant_kind("client sends huge messages", 2, _send_huge_messages),
    instant_kind("client sends noise", 3, _send_noise),
)
