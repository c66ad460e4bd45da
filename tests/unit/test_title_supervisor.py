"""Events about one attempt of a run do not concern another one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import Record
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.title_supervisor import TitleSupervisor
from reelwright.decoder.title_table import TitleTable
from reelwright.ledger.records import Outcome
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
        titles.add_request(request_of(attempt=attempt), Record("titles", 0, attempt, b"key", b"value"))
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
