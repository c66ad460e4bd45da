"""The progress of titles that a decoder publishes, so that the cluster can be scaled."""

from __future__ import annotations

import queue
from functools import partial
from pathlib import Path

from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import Record
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.progress_publisher import ProgressPublisher
from reelwright.decoder.title_table import TitleTable
from reelwright.ledger.run_ledger import RunLedger
from reelwright.wire.titles_pb2 import Event
from tests.support.dispatch_harness import TIMEOUT_SECONDS
from tests.support.ledgers import RUN, planned, put_run, request_of, title_of


def test_progress_is_published_when_a_title_is_added_and_when_it_begins(tmp_path: Path) -> None:
    """The progress of a waiting title is published at once from its request, and again in each other phase."""
    bus, events = LocalBus(), queue.SimpleQueue[Event]()
    listener = EventListener(bus, events.put)
    titles = TitleTable(2, lambda: InFlightWindow(3), 300.0)
    publisher = ProgressPublisher(titles, bus, partial(RunLedger, str(tmp_path)))
    try:
        request = request_of(deadline=5000.0, frames_estimate=240, frame_pixels=1000)
        titles.add_request(request, Record(topic="t", partition=0, offset=0, key=b"", value=b""))
        event = events.get(timeout=TIMEOUT_SECONDS)
        progress = event.title_progress
        assert (event.run, event.attempt, progress.waiting) == (RUN, 1, True)
        assert (progress.frames, progress.frame_pixels, progress.deadline) == (240, 1000, 5000.0)
        assert titles.start_next_pass() is not None
        assert not events.get(timeout=TIMEOUT_SECONDS).title_progress.waiting
    finally:
        publisher.close()
        listener.close()
        bus.close()


def test_progress_says_which_segments_are_committed(tmp_path: Path) -> None:
    """The ranges of the committed segments are published beside the number of their frames."""
    bus, events, ledger = LocalBus(), queue.SimpleQueue[Event](), RunLedger(str(tmp_path / "ledger"), RUN)
    put_run(ledger, tmp_path, title_of(), planned([5]), segment=1)
    ledger.discard_segment(2)
    listener = EventListener(bus, events.put)
    titles = TitleTable(2, lambda: InFlightWindow(3), 300.0)
    titles.add_request(request_of(), Record(topic="t", partition=0, offset=0, key=b"", value=b""))
    assert titles.start_next_pass() is not None
    publisher = ProgressPublisher(titles, bus, partial(RunLedger, str(tmp_path / "ledger")))
    try:
        progress = events.get(timeout=TIMEOUT_SECONDS).title_progress
        assert (progress.frames_committed, list(progress.segments_committed)) == (4, [0, 2, 3, 5])
    finally:
        publisher.close()
        listener.close()
        bus.close()
