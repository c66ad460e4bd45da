"""The supervisor: events concern one attempt of a run, and a film that nobody copies is restored."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import Record
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.title_supervisor import TitleSupervisor
from reelwright.decoder.title_table import TitleTable
from reelwright.ledger.records import Adoption, Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.wire.titles_pb2 import Event, SegmentCommitted, SegmentWanted, TitleFailed
from tests.support.dispatch_harness import until
from tests.support.ledgers import RUN, request_of


def test_late_events_of_an_earlier_attempt_change_nothing(tmp_path: Path) -> None:
    """A failure, a commit and a damaged segment of the first attempt leave the second one as it is."""
    bus, ledger = LocalBus(), partial(RunLedger, str(tmp_path))
    titles = TitleTable(2, lambda: InFlightWindow(2), stall_seconds=60)
    acknowledged: list[Record] = []
    for attempt in (1, 2):
        titles.add_request(
            request_of(attempt=attempt), Record(topic="titles", partition=0, offset=attempt, key=b"key", value=b"value")
        )
    supervisor = TitleSupervisor(titles, bus, ledger, acknowledged.append)
    try:
        for content in (
            {"segment_committed": SegmentCommitted(segment=3)},
            {"segment_wanted": SegmentWanted(segment=4, reason="damaged")},
            {"title_failed": TitleFailed(reason="too late", exit_code=1)},
        ):
            supervisor.handle_event(Event(run=RUN, attempt=1, **content))
        until(lambda: acknowledged, "the first attempt ends")
    finally:
        supervisor.close()
        bus.close()
    (second,) = titles.titles()
    assert (second.attempt, second.failure, second.unusable, second.window.committed) == (2, None, {}, frozenset())
    assert [record.offset for record in acknowledged] == [1]
    assert ledger(RUN, 1).outcome() == Outcome(state="failed", reason="too late", exit_code=1)
    assert ledger(RUN, 2).outcome() is None


@pytest.mark.parametrize("failed", [False, True], ids=["by its outcome", "by a failure"])
def test_a_title_whose_outcome_cannot_be_read_ends(failed: bool, tmp_path: Path) -> None:
    """A title with an empty outcome is acknowledged, and a failure that is known replaces the empty outcome."""
    bus, ledger = LocalBus(), partial(RunLedger, str(tmp_path))
    titles = TitleTable(2, lambda: InFlightWindow(2), stall_seconds=60)
    titles.add_request(request_of(), Record(topic="titles", partition=0, offset=1, key=b"key", value=b"value"))
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "outcome.json").touch()
    if failed:
        (title,) = titles.titles()
        titles.mark_failed(title, TitleFailed(reason="no frames", exit_code=2))
    acknowledged: list[Record] = []
    supervisor = TitleSupervisor(titles, bus, ledger, acknowledged.append)
    try:
        until(lambda: acknowledged, "the title ends")
    finally:
        supervisor.close()
        bus.close()
    outcome = ledger(RUN).outcome()
    assert outcome is not None
    assert (outcome.reason == "no frames") == failed


@pytest.mark.parametrize("copied", [False, True], ids=["by nobody", "by an encoder"])
def test_a_film_that_no_encoder_copies_is_restored(copied: bool, tmp_path: Path) -> None:
    """A title whose adopted film nobody copies is decoded after a while; a copy that takes long is waited for."""
    bus, ledger = LocalBus(), partial(RunLedger, str(tmp_path))
    title_table = TitleTable(2, lambda: InFlightWindow(2), stall_seconds=0.1)
    title_table.add_request(
        request_of(attempt=2), Record(topic="titles", partition=0, offset=2, key=b"key", value=b"value")
    )
    folder = tmp_path / RUN / "attempts" / "000002"
    folder.mkdir(parents=True)
    (folder / "adopted.json").write_text(Adoption(segments={}, film="/films/first.mp4").model_dump_json())
    if copied:
        ledger(RUN, 2).work_marks.put_mark("assemble")
    events: list[Event] = []
    listener = EventListener(bus, events.append)
    title = title_table.start_next_pass()
    assert title is not None
    title_table.finish_pass(title, 0)
    supervisor = TitleSupervisor(title_table, bus, ledger, lambda _: None)
    try:
        if copied:
            until(lambda: title.window.idle_seconds > title.stall_seconds, "nothing was committed for long")
            known = len(events)
            until(lambda: len(events) > known + 1, "the title is announced again")
        else:
            until(lambda: title.phase == "waiting", "another pass is wanted")
    finally:
        supervisor.close()
        listener.close()
        bus.close()
    assert ledger(RUN, 2).adopted_film() == ("/films/first.mp4" if copied else "")
