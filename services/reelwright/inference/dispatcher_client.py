"""The stream to a dispatcher: opened, kept, opened again."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable

import grpc

from reelwright.grpc_options import FIRST_RETRY_SECONDS, channel_options
from reelwright.inference.lease_pool import Send
from reelwright.inference.settings import InferenceSettings
from reelwright.telemetry.logs import get_logger
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub

log = get_logger(__name__)

_CLOSE_SECONDS = 1.0
# Somebody must upgrade something before a refusal passes: asking six times less often is soon enough.
_REFUSED_PAUSES = 6


class DispatcherClient:
    """Holds a stream on a thread of its own from `start` to `close`.

    Args:
        address: the dispatcher's.
        settings: the worker's.
        hello: how the worker introduces itself.
        opened: called with the stream's `send` once the dispatcher has taken the worker.
        act: called with each message.
        lost: called when the stream has ended, however it did.
    """

    def __init__(
        self,
        address: str,
        settings: InferenceSettings,
        hello: Hello,
        opened: Callable[[Send], None],
        act: Callable[[DispatcherMessage], None],
        lost: Callable[[], None],
    ) -> None:
        self._address, self._hello = address, WorkerMessage(hello=hello)
        options = channel_options(
            keepalive_seconds=settings.keepalive_seconds,
            max_message_bytes=settings.max_message_bytes,
            max_retry_seconds=settings.retry_seconds,
        )
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = DispatchStub(self._channel)  # type: ignore[no-untyped-call]
        # Pauses double from 50 ms up to this and are jittered.
        self._longest_pause = settings.retry_seconds
        self._opened, self._act, self._lost = opened, act, lost
        self._closing = threading.Event()
        self._outbox: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        self._refusal = ""
        self._thread = threading.Thread(target=self._run, name="link")

    def start(self) -> None:
        """Begins to connect."""
        self._thread.start()

    def close(self) -> None:
        """Ends the stream after what was sent; a dispatcher that does not answer is left after a second."""
        self._closing.set()
        self._outbox.put(None)
        self._thread.join(_CLOSE_SECONDS)
        self._channel.close()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while not self._closing.is_set():
            began = time.monotonic()
            self._session()
            # A stream that held for a while was a good one: its end is news, not another failed attempt.
            held = time.monotonic() - began > self._longest_pause
            pause = FIRST_RETRY_SECONDS if held else min(2 * pause, self._longest_pause)
            if self._refusal:
                pause = _REFUSED_PAUSES * self._longest_pause
            self._closing.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers, hides nothing

    def _session(self) -> None:
        self._outbox = outbox = queue.SimpleQueue[WorkerMessage | None]()
        if self._closing.is_set():
            return
        outbox.put(self._hello)
        try:
            call = self._stub.Work(iter(outbox.get, None))
            # Waits for the dispatcher's answer to the Hello; one that refuses sends none of it.
            if dict(call.initial_metadata() or ()).get("protocol") == str(PROTOCOL):
                self._refusal = ""
                log.info("stream to a dispatcher", dispatcher=self._address)
                self._opened(outbox.put)
            for message in call:
                self._act(message)
        except grpc.RpcError as error:
            if not self._closing.is_set():
                self._note(error)
        except ValueError:
            # What grpc says when the channel was closed between two attempts.
            pass
        finally:
            outbox.put(None)
            self._lost()

    def _note(self, error: grpc.RpcError) -> None:
        if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
            log.info("no stream to the dispatcher", dispatcher=self._address, reason=str(error.code()))
            self._refusal = ""
        elif self._refusal != error.details():
            self._refusal = error.details()
            log.error("refused by the dispatcher", dispatcher=self._address, reason=self._refusal)
