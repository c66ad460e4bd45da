"""The dispatcher's streams, with a context in place of gRPC whose waits the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from reelwright.dispatcher.inbox import InboxMessage, WorkerConnected, WorkerDisconnected
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.dispatcher.worker_streams import WorkerStreams
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import Hello, WorkerMessage


class Aborted(Exception):
    """A stream was refused."""


class SlowContext:
    """A stream's context whose metadata are never sent."""

    def __init__(self) -> None:
        self.accepted = asyncio.Event()

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def send_initial_metadata(self, _: object) -> None:
        self.accepted.set()
        await asyncio.Event().wait()

    async def abort(self, code: grpc.StatusCode, _: str) -> None:
        raise Aborted(code)


async def messages(session: str) -> AsyncIterator[WorkerMessage]:
    """The messages of a worker that says hello and nothing more."""
    yield WorkerMessage(hello=Hello(worker="w", protocol=PROTOCOL, session=session))
    await asyncio.Event().wait()


def test_a_session_exists_before_its_worker_is_accepted() -> None:
    """While a worker is being accepted its name is taken; when that fails, its stream is removed."""

    async def connect_two() -> list[type[InboxMessage]]:
        inbox: list[InboxMessage] = []
        streams = WorkerStreams(DispatcherSettings(), inbox.append, lambda: 0)
        contexts: list[Any] = [SlowContext(), SlowContext()]
        first = asyncio.create_task(streams.Work(messages("ab" * 16), contexts[0]))
        await contexts[0].accepted.wait()
        with pytest.raises(Aborted, match="ALREADY_EXISTS"):
            await asyncio.wait_for(streams.Work(messages("cd" * 16), contexts[1]), 10)
        first.cancel()
        await asyncio.wait([first])
        return [type(message) for message in inbox]

    assert asyncio.run(connect_two()) == [WorkerConnected, WorkerDisconnected]
