"""Keeps a stream to a dispatcher open."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable

import grpc

from reelwright.grpc_options import FIRST_RETRY_SECONDS, channel_options
from reelwright.grpc_security import open_channel, token_metadata
from reelwright.inference.dispatcher_session import Send
from reelwright.inference.settings import InferenceSettings
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import watched
from reelwright.titles.errors import UserError
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, WorkerMessage
from reelwright.wire.dispatch_pb2_grpc import DispatchStub

_CLOSE_SECONDS = 1.0
# A refusal lasts until a person changes something at one side, so a refused worker retries less often.
_REFUSED_FACTOR = 6
# Before a stream is accepted: of another protocol, without the token, too many streams. On an accepted stream,
# RESOURCE_EXHAUSTED is a message above the limit.
_REFUSALS = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class DispatcherClient:
    """Holds a stream on its own thread from `start` to `close`, and opens it again whenever it ends.

    Args:
        address: the dispatcher's address.
        settings: the worker's settings.
        hello: the first message of each stream.
        on_connected: called with the stream's `send` when the dispatcher has accepted the stream.
        on_message: called with each message. When it raises, the error is logged and the stream is opened again.
        on_disconnected: called when a stream has ended for any reason.

    Raises:
        UserError: the certificates cannot be used.
    """

    def __init__(
        self,
        address: str,
        settings: InferenceSettings,
        *,
        hello: Hello,
        on_connected: Callable[[Send], None],
        on_message: Callable[[DispatcherMessage], None],
        on_disconnected: Callable[[], None],
    ) -> None:
        self._address, self._settings = address, settings
        self._options = channel_options(
            keepalive_seconds=settings.keepalive_seconds,
            max_message_bytes=settings.max_message_bytes,
            max_retry_seconds=settings.retry_seconds,
        )
        self._hello = WorkerMessage(hello=hello)
        self._tls = settings.tls
        self._certificates = self._tls.read() if self._tls else None
        self._channel = self._open_channel()
        self._metadata = token_metadata(settings.token.get_secret_value() if settings.token else None)
        self._max_retry_seconds = settings.retry_seconds
        self._on_connected, self._on_message, self._on_disconnected = on_connected, on_message, on_disconnected
        self._log = get_logger(__name__).bind(dispatcher=address)
        self._refusal = ""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._outbox: queue.SimpleQueue[WorkerMessage | None] = queue.SimpleQueue()
        self._thread = SupervisedThread("dispatcher-client", self._run, restart_until=self._closing)

    def start(self) -> None:
        """Starts to connect."""
        self._thread.start()

    def close(self) -> None:
        """Ends the stream after the messages sent so far; waits a second for a dispatcher that does not answer."""
        with self._lock:
            self._closing.set()
            self._outbox.put(None)
        self._thread.join(_CLOSE_SECONDS)
        self._channel.close()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while not self._closing.is_set():
            began = time.monotonic()
            self._hold_stream()
            # The pause doubles with each failed try. A stream that lasted was no failure.
            lasted = time.monotonic() - began > self._max_retry_seconds
            pause = FIRST_RETRY_SECONDS if lasted else min(2 * pause, self._max_retry_seconds)
            if self._refusal:
                pause = _REFUSED_FACTOR * self._max_retry_seconds
            self._closing.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the workers' tries

    def _hold_stream(self) -> None:
        """Opens a stream and handles its messages until it ends."""
        with self._lock:
            if self._closing.is_set():
                return
            self._replace_certificates()
            self._outbox = outbox = queue.SimpleQueue[WorkerMessage | None]()
        outbox.put(self._hello)
        accepted = False
        try:
            stub = DispatchStub(self._channel)  # type: ignore[no-untyped-call]
            call = stub.Work(iter(outbox.get, None), metadata=self._metadata)
        except ValueError:
            # grpc raises it when the channel was closed between two tries.
            return
        try:
            # Waits for the dispatcher's answer to the Hello. A dispatcher that refuses the worker sends no protocol.
            if accepted := "protocol" in dict(call.initial_metadata() or ()):
                self._refusal = ""
                self._log.info("dispatcher connected")
                self._on_connected(outbox.put)
            for message in call:
                with watched("dispatcher-message"):
                    self._on_message(message)
        except grpc.RpcError as error:
            if not self._closing.is_set():
                self._log_stream_error(error, accepted=accepted)
        except Exception:  # noqa: BLE001 - a handler may raise anything, and the stream is opened again
            self._log.exception("dispatcher message failed")
        finally:
            call.cancel()
            outbox.put(None)
            self._on_disconnected()

    def _open_channel(self) -> grpc.Channel:
        return open_channel(self._address, self._options, self._certificates, self._settings.tls_server_name)

    def _replace_certificates(self) -> None:
        """Opens another channel when the certificate files have changed."""
        if self._tls is None:
            return
        try:
            found = self._tls.read()
        except UserError as error:
            # They may be half written; the former ones may still do.
            self._log.warning("certificates unusable", reason=str(error))
            return
        if found != self._certificates:
            self._certificates = found
            self._channel.close()
            self._channel = self._open_channel()
            self._log.info("certificates replaced")

    def _log_stream_error(self, error: grpc.RpcError, *, accepted: bool) -> None:
        if accepted or error.code() not in _REFUSALS:
            self._log.info("dispatcher disconnected", reason=f"{error.code()}: {error.details()}")
            self._refusal = ""
        elif self._refusal != error.details():
            self._refusal = error.details()
            self._log.error("refused by dispatcher", reason=self._refusal)
