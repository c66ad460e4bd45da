"""Events: messages between services about what happened to a title."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reelwright.bus.messages import publish_message, read_message
from reelwright.bus.protocol import Bus
from reelwright.bus.topics import EVENTS, run_key
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles import errors
from reelwright.titles.errors import OneLineError, UnusableMessage, UserError, one_line
from reelwright.wire.titles_pb2 import Event, TitleFailed

log = get_logger(__name__)

_POLL_SECONDS = 0.5


def publish_event(bus: Bus, event: Event) -> None:
    """Publishes an event; the events of one run keep their order.

    Raises:
        BusClosed: the bus was closed before it had the event.
    """
    publish_message(bus, EVENTS, run_key(event.run), event)


def title_failure(run: str, attempt: int, service: str, error: Exception) -> Event:
    """The event that a title has failed.

    Args:
        run: the run.
        attempt: number of the attempt that failed.
        service: the service that failed; named in the reason of an error that is not a OneLineError.
        error: the cause.
    """
    if isinstance(error, OneLineError):
        reason, code = str(error), error.exit_code
    else:
        reason, code = f"{service}: {type(error).__name__}: {error}", 1
    failure = TitleFailed(reason=one_line(reason), exit_code=code, error=type(error).__name__)
    return Event(run=run, attempt=attempt, title_failed=failure)


def error_from_event(failure: TitleFailed) -> errors.ReelwrightError:
    """The error in a failed title's event.

    An error of a type that this version does not know becomes a UserError or a RestorationFailed, by its exit code.
    """
    kind = getattr(errors, failure.error, None)
    if isinstance(kind, type) and issubclass(kind, OneLineError):
        return kind(failure.reason)
    unknown = UserError if failure.exit_code == UserError.exit_code else errors.RestorationFailed
    return unknown(failure.reason)


class EventListener:
    """Calls a handler with every event, on a thread, from construction until `close`.

    An event that cannot be parsed is logged and skipped. When the handler raises, the error is logged and the thread
    goes on with the next event: the ledger has every fact that events announce, and services poll it.

    Args:
        bus: the bus.
        handle: called with one event at a time.
        group: consumer group whose members share the events; None receives all of them.
    """

    def __init__(self, bus: Bus, handle: Callable[[Event], None], group: str | None = None) -> None:
        self._handle = handle
        self._stop = threading.Event()
        # Made here and not on the thread, so that nothing published after construction is missed.
        self._consumer = bus.listener([EVENTS]) if group is None else bus.consumer([EVENTS], group)
        self._thread = SupervisedThread("event-listener", self._run, restart_until=self._stop)
        self._thread.start()

    def close(self) -> None:
        """Stops the thread and waits until the handler has returned."""
        self._stop.set()
        self._consumer.wakeup()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            heartbeat()
            # One record at a time: what a poll returned and the handler did not see would be lost with an error.
            for record in self._consumer.poll(_POLL_SECONDS, limit=1):
                try:
                    self._handle(read_message(record, Event))
                except UnusableMessage as error:
                    position = {"partition": record.partition, "offset": record.offset}
                    log.error("unusable event skipped", **position, reason=str(error))
                finally:
                    self._consumer.acknowledge(record)
