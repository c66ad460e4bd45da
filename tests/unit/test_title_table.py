"""Which title a decoder decodes next, and its states until it has an outcome."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.bus.protocol import Record, TopicPartition
from reelwright.decoder import title_table
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.telemetry import metrics
from reelwright.wire.titles_pb2 import TitleFailed
from tests.contract.bus import finishes, in_thread
from tests.support.ledgers import request_of


def table_of(slots: int = 1) -> TitleTable:
    return TitleTable(slots, lambda: InFlightWindow(2), stall_seconds=60)


def record(offset: int = 0, partition: int = 0) -> Record:
    return Record(topic="titles", partition=partition, offset=offset, key=b"key", value=b"value")


def submit(titles: TitleTable, run: str, priority: str = "standard", submitted: float = 0, deadline: float = 0) -> None:
    request = request_of(run=run, priority_class=priority, submitted=submitted, deadline=deadline)
    titles.add_request(request, record())


def begin(titles: TitleTable) -> TitleState:
    title = titles.start_next_pass()
    assert title is not None
    return title


def test_a_class_never_waits_for_another() -> None:
    """An express title begins at once while all bulk slots are busy."""
    titles = table_of()
    for number in range(3):
        submit(titles, f"bulk{number}", "bulk")
    assert begin(titles).run.startswith("bulk")
    assert titles.start_next_pass() is None
    submit(titles, "urgent", "express")
    assert begin(titles).run == "urgent"


@given(
    st.lists(
        st.tuples(st.floats(1, 1e6), st.one_of(st.just(0.0), st.floats(1, 2e6))), min_size=1, max_size=12, unique=True
    )
)
def test_the_title_that_is_due_first_begins_first(asked: list[tuple[float, float]]) -> None:
    """Titles of a class begin in the order of deadlines; without one a title is due a day after its submission."""
    titles = table_of(slots=len(asked))
    for number, (submitted, deadline) in enumerate(asked):
        submit(titles, str(number), submitted=submitted, deadline=deadline)
    order = [begin(titles).request.due for _ in asked]
    assert order == sorted(deadline or submitted + 86_400 for submitted, deadline in asked)


def test_titles_are_counted_by_state_with_the_age_of_the_oldest() -> None:
    """Each title without an outcome is in one state, and the oldest is the one that was submitted first."""
    titles = table_of()
    assert (titles.count("waiting"), titles.oldest_seconds()) == (0, 0.0)
    submit(titles, "old", submitted=time.time() - 3600)
    submit(titles, "new", submitted=time.time())
    begin(titles)
    assert [titles.count(state) for state in metrics.TITLE_STATES] == [1, 0, 1, 0, 0]
    assert 3600 <= titles.oldest_seconds() < 7200


@pytest.mark.parametrize("segments", [2, 0], ids=["its own", "of an adopted film"])
def test_a_title_that_waits_for_its_film_alone_has_a_state_of_its_own(segments: int) -> None:
    """From the commit of its last segment to its outcome a title is `committed`, however long the film takes."""
    titles = table_of()
    submit(titles, "run")
    title = begin(titles)
    titles.finish_pass(title, segments)
    for segment in range(segments):
        assert [titles.count(state) for state in metrics.TITLE_STATES] == [0, 0, 0, 1, 0]
        title.window.mark_committed(segment)
    assert [titles.count(state) for state in metrics.TITLE_STATES] == [0, 0, 0, 0, 1]


def test_a_title_is_postponed_until_a_pass_reaches_a_segment() -> None:
    """While its source does not answer a title keeps one state through pauses and passes; then it is decoded."""
    titles = table_of()
    submit(titles, "run")
    for _ in range(3):
        title = begin(titles)
        titles.finish_pass(title, None, pause_seconds=1e-9)
        assert title.state == "postponed"
    begin(titles)
    assert title.state == "postponed"
    title.window.mark_committed(0)
    assert not title.window.acquire(0)
    assert title.state == "decoding"
    titles.finish_pass(title, None)
    assert title.state == "waiting"


def test_a_title_submitted_twice_is_one_title() -> None:
    """Both records are acknowledged when the title has an outcome."""
    titles = table_of()
    submit(titles, "run")
    titles.add_request(request_of(run="run"), record(offset=7))
    title = begin(titles)
    assert titles.start_next_pass() is None
    assert [done.offset for done in titles.remove(title)] == [0, 7]
    assert titles.titles() == []


def test_another_attempt_is_another_title() -> None:
    """What happens to an attempt does not concern the next one, whose request asks for another output."""
    titles = table_of(slots=2)
    titles.add_request(request_of(run="run", output="x.mp4"), record())
    titles.add_request(request_of(run="run", output="y.mp4", attempt=2), record(offset=7))
    first, second = titles.get("run", 1), titles.get("run", 2)
    assert first is not None
    assert second is not None
    titles.mark_failed(first, TitleFailed(reason="broken"))
    assert (first.request.output, second.request.output, second.failure) == ("x.mp4", "y.mp4", None)
    assert begin(titles) is second
    assert [done.offset for done in titles.remove(first)] == [0]
    assert titles.titles() == [second]


def test_a_title_submitted_again_while_its_outcome_is_read_is_not_kept() -> None:
    """A record of the attempt that arrives after its outcome was read is acknowledged too; a later attempt stays."""
    titles = table_of()
    submit(titles, "run")
    title = begin(titles)
    titles.add_request(request_of(run="run"), record(offset=7))
    titles.add_request(request_of(run="run", attempt=2), record(offset=8))
    assert [done.offset for done in titles.remove(title)] == [0, 7]
    assert [kept.offset for kept in begin(titles).records] == [8]


def test_an_interrupted_pass_begins_again() -> None:
    """A title that is restarted during a pass, or just at its end, gets another pass with a new window."""
    titles = table_of()
    submit(titles, "run")
    for segments in (None, 4):
        title = begin(titles)
        window = title.window
        titles.restart(title)
        assert window.closed
        titles.finish_pass(title, segments)
    assert begin(titles).window is not window


def test_a_decoded_title_begins_again_only_after_a_restart() -> None:
    """A decoded title that waits for the rest of the pipeline gets another pass only when it is restarted."""
    titles = table_of()
    submit(titles, "run")
    title = begin(titles)
    titles.finish_pass(title, 4)
    assert titles.start_next_pass() is None
    titles.restart(title)
    assert begin(titles) is title


def test_a_failed_title_begins_no_other_pass() -> None:
    """A title that a service reported as failed takes no decode thread."""
    titles = table_of()
    submit(titles, "run")
    title = begin(titles)
    titles.mark_failed(title, TitleFailed(reason="broken"))
    titles.finish_pass(title, None)
    assert titles.start_next_pass() is None


def test_titles_of_a_lost_partition_are_removed() -> None:
    """Titles whose partition went to another decoder are stopped and removed; the others stay."""
    titles = table_of(slots=2)
    titles.add_request(request_of(run="gone"), record(partition=1))
    titles.add_request(request_of(run="stays"), record(partition=2))
    windows = {title.run: title.window for title in (begin(titles), begin(titles))}
    titles.retain_partitions([TopicPartition("titles", 2)])
    assert [title.run for title in titles.titles()] == ["stays"]
    assert windows["gone"].closed
    assert not windows["stays"].closed


def test_unusable_segments_are_taken_once() -> None:
    """Unusable segments are returned once, without those that were committed in the meantime."""
    titles = table_of()
    submit(titles, "run")
    title = begin(titles)
    for segment in (1, 2):
        titles.add_unusable_segment(title, segment, "damaged")
    assert titles.take_unusable_segments(title, {1}) == {2: "damaged"}
    assert titles.take_unusable_segments(title, {1}) == {}
    assert title.republished == {2: 1}


def test_an_empty_table_is_waited_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks after the titles waits while there are none; a new title, and the close, end the wait at once."""
    monkeypatch.setattr(title_table, "_EMPTY_SECONDS", 1000.0)
    for end in (lambda titles: submit(titles, "a"), TitleTable.close):
        titles = table_of()
        waiter = in_thread(titles.wait_while_empty)
        assert waiter.is_alive()
        end(titles)
        assert finishes(waiter)
        titles.wait_while_empty()
