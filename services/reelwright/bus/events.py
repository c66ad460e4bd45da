"""Events: how services tell each other what happened to a title."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reelwright.bus.messages import publish_message, read_message
from reelwright.bus.protocol import Bus, Record
from reelwright.bus.topics import EVENTS, run_key
from reelwright.telemetry.logs import get_logger
from reelwright.titles import errors
from reelwright.titles.errors import OneLineError, UnusableMessage, UserError
from reelwright.wire.titles_pb2 import Event, TitleFailed

log = get_logger(__name__)

_POLL_SECONDS = 0.5


def publish_event(bus: Bus, event: Event) -> None:
    """Publishes an event; a run's events keep their order."""
    publish_message(bus, EVENTS, run_key(event.run), event)


def title_failure(run: str, service: str, error: Exception) -> Event:
    """The event that a title ended with `error` in `service`."""
    if isinstance(error, OneLineError):
        reason, code = str(error), error.exit_code
    else:
        reason, code = f"{service}: {type(error).__name__}: {error}", 1
    return Event(run=run, title_failed=TitleFailed(reason=reason, exit_code=code, error=type(error).__name__))


def error_of(failure: TitleFailed) -> errors.ReelwrightError:
    """The error that a failed title's event tells of; a plain UserError where only its exit code is known."""
    kind = getattr(errors, failure.error, None)
    if isinstance(kind, type) and issubclass(kind, OneLineError):
        return kind(failure.reason)
    unknown = UserError if failure.exit_code == UserError.exit_code else errors.RestorationFailed
    return unknown(failure.reason)


class EventListener:
    """Hands every event to a handler, on a thread of its own, from construction until `close`.

    An event that cannot be read is logged and skipped.

    Args:
        bus: the bus.
        handle: called with each event, one at a time.
        group: members of one group share the events; None hears them all.
    """

    def __init__(self, bus: Bus, handle: Callable[[Event], None], group: str | None = None) -> None:
        self._handle = handle
        self._stop = threading.Event()
        # Joined here and not on the thread: nothing published after construction is missed.
        self._consumer = bus.listener([EVENTS]) if group is None else bus.consumer([EVENTS], group)
        self._thread = threading.Thread(target=self._run, name="events")
        self._thread.start()

    def close(self) -> None:
        """Stops listening and waits for the handler to return."""
        self._stop.set()
        self._consumer.wakeup()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for record in self._consumer.poll(_POLL_SECONDS):
                self._hear(record)
                self._consumer.acknowledge(record)

    def _hear(self, record: Record) -> None:
        try:
            event = read_message(record, Event)
        except UnusableMessage as error:
            # Only progress is lost with it: the ledger has what happened, and whoever needs to know looks there too.
            where = {"partition": record.partition, "offset": record.offset}
            log.error("unusable event skipped", **where, reason=str(error))
            return
        self._handle(event)
