"""Events: a title's error arrives as the same error in one line, and a listener gets every event."""

from __future__ import annotations

import queue
import threading

import pytest

from reelwright.bus.events import EventListener, error_from_event, publish_event, title_failure
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.topics import EVENTS
from reelwright.titles import errors
from reelwright.titles.errors import OneLineError, ReelwrightError, UserError
from reelwright.wire.titles_pb2 import Event, TitleFailed, TitlePlanned

_ONE_LINE_ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OneLineError)]


def through_the_wire(error: Exception) -> ReelwrightError:
    event = Event.FromString(title_failure("run", 1, "decoder", error).SerializeToString())
    return error_from_event(event.title_failed)


@pytest.mark.parametrize("kind", _ONE_LINE_ERRORS)
def test_an_error_of_one_line_keeps_its_kind_and_its_line(kind: type[OneLineError]) -> None:
    """The line with what, where and remedy arrives unchanged, and the exit code is that of the kind."""
    error = kind("cannot be read", "a: b; film.mp4", "copy it again; then retry")
    arrived = through_the_wire(error)
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.exit_code == error.exit_code


@pytest.mark.parametrize(
    "error", [ValueError("odd\nvalue"), errors.CorruptPayload("bad\n  bytes\n"), OSError(5, "I/O")]
)
def test_any_other_error_is_a_failure_of_ours(error: Exception) -> None:
    """It names the service, the kind and the reason in one line, and the exit code is 1."""
    arrived = through_the_wire(error)
    assert type(arrived) is errors.RestorationFailed
    assert str(arrived) == f"decoder: {type(error).__name__}: {' '.join(str(error).split())}"
    assert arrived.exit_code == 1


@pytest.mark.parametrize("name", ["", "NoSuchError", "TitleFailed", "ReelwrightError", "annotations", "REPORT_AT"])
@pytest.mark.parametrize(("code", "kind"), [(2, UserError), (1, errors.RestorationFailed)])
def test_an_unknown_name_falls_back_on_the_exit_code(name: str, code: int, kind: type[ReelwrightError]) -> None:
    """A service of another version may name an error that is not known here; nothing but user errors is built."""
    arrived = error_from_event(TitleFailed(reason="why", exit_code=code, error=name))
    assert type(arrived) is kind
    assert str(arrived) == "why"


def test_a_listener_gets_every_event_after_its_construction() -> None:
    """Events that are published before its first poll arrive, in the order of their run."""
    bus, handled, whole = LocalBus(), list[str](), threading.Event()

    def handle(event: Event) -> None:
        handled.append(event.WhichOneof("event"))
        if len(handled) == 3:
            whole.set()

    listener = EventListener(bus, handle)
    try:
        publish_event(bus, Event(run="r", title_planned=TitlePlanned()))
        publish_event(bus, title_failure("r", 1, "decoder", ValueError("x")))
        publish_event(bus, Event(run="r", title_planned=TitlePlanned()))
        assert whole.wait(30)
    finally:
        listener.close()
        bus.close()
    assert handled == ["title_planned", "title_failed", "title_planned"]


def test_an_unreadable_event_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """Random bytes and an event of a later format are logged, and the next event is handled."""
    bus, handled = LocalBus(partitions=1), queue.Queue[str]()
    listener = EventListener(bus, lambda event: handled.put(event.run))
    try:
        bus.publish(EVENTS, b"r", b"\xff garbage")
        bus.publish(EVENTS, b"r", Event(run="later").SerializeToString(), headers={"format": "99"})
        publish_event(bus, Event(run="good", title_planned=TitlePlanned()))
        assert handled.get(timeout=30) == "good"
    finally:
        listener.close()
        bus.close()
    assert [record.message for record in caplog.records] == ["unusable event skipped"] * 2


def test_an_error_of_the_handler_does_not_end_the_listener(caplog: pytest.LogCaptureFixture) -> None:
    """When the handler raises, the error is logged and the next event is handled."""
    bus, handled = LocalBus(), queue.Queue[str]()

    def handle(event: Event) -> None:
        if event.run == "bad":
            raise ValueError("broken")
        handled.put(event.run)

    listener = EventListener(bus, handle)
    try:
        publish_event(bus, Event(run="bad", title_planned=TitlePlanned()))
        publish_event(bus, Event(run="good", title_planned=TitlePlanned()))
        assert handled.get(timeout=30) == "good"
    finally:
        listener.close()
        bus.close()
    assert caplog.messages == ["thread died"]
