"""Which title a decoder takes next, and what becomes of it until it has an outcome."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelwright.bus.protocol import Record
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.title_table import TitleState, TitleTable
from reelwright.wire.titles_pb2 import TitleFailed
from tests.support.ledgers import request_of


def roster(slots: int = 1) -> TitleTable:
    return TitleTable(slots, lambda: InFlightWindow(2), stall_seconds=60)


def record(offset: int = 0, partition: int = 0) -> Record:
    return Record("titles", partition, offset, b"key", b"value")


def ask(titles: TitleTable, run: str, priority: str = "standard", submitted: float = 0, deadline: float = 0) -> None:
    request = request_of(run=run, priority_class=priority, submitted=submitted, deadline=deadline)
    titles.take(request, record())


def begin(titles: TitleTable) -> TitleState:
    title = titles.begin()
    assert title is not None
    return title


def test_a_class_never_waits_for_another() -> None:
    """With every bulk thread busy, an express title begins at once."""
    titles = roster()
    for number in range(3):
        ask(titles, f"bulk{number}", "bulk")
    assert begin(titles).run.startswith("bulk")
    assert titles.begin() is None
    ask(titles, "urgent", "express")
    assert begin(titles).run == "urgent"


@given(
    st.lists(
        st.tuples(st.floats(1, 1e6), st.one_of(st.just(0.0), st.floats(1, 2e6))), min_size=1, max_size=12, unique=True
    )
)
def test_the_one_due_first_goes_first(asked: list[tuple[float, float]]) -> None:
    """Titles of a class begin in the order of their deadlines; one without is due a day after it was asked for."""
    titles = roster(slots=len(asked))
    for number, (submitted, deadline) in enumerate(asked):
        ask(titles, str(number), submitted=submitted, deadline=deadline)
    order = [begin(titles).due for _ in asked]
    assert order == sorted(deadline or submitted + 86_400 for submitted, deadline in asked)


def test_a_title_asked_for_twice_is_one() -> None:
    """The second record joins the first, and both are done with the title's outcome."""
    titles = roster()
    ask(titles, "run")
    titles.take(request_of(run="run"), record(offset=7))
    title = begin(titles)
    assert titles.begin() is None
    assert [done.offset for done in titles.remove(title, 2)] == [0, 7]
    assert titles.all() == []


def test_asked_for_anew_while_its_outcome_was_read() -> None:
    """A record that came after the outcome was read is a new request: it is not done with the old one."""
    titles = roster()
    ask(titles, "run")
    title = begin(titles)
    titles.take(request_of(run="run"), record(offset=7))
    assert [done.offset for done in titles.remove(title, 1)] == [0]
    assert [kept.offset for kept in begin(titles).records] == [7]


def test_an_interrupted_pass_begins_again() -> None:
    """A title whose pass is ended, in the middle or at its very end, is passed over again with a new window."""
    titles = roster()
    ask(titles, "run")
    for segments in (None, 4):
        title = begin(titles)
        window = title.window
        titles.again(title)
        assert window.ended
        titles.passed(title, segments)
    assert begin(titles).window is not window


def test_a_decoded_title_begins_again_when_told() -> None:
    """A title that waits for the rest of the pipeline is not decoded again by itself, but when something is wanted."""
    titles = roster()
    ask(titles, "run")
    title = begin(titles)
    titles.passed(title, 4)
    assert titles.begin() is None
    titles.again(title)
    assert begin(titles) is title


def test_a_failed_title_is_not_begun_again() -> None:
    """A title that some service failed waits for its outcome and takes no thread."""
    titles = roster()
    ask(titles, "run")
    title = begin(titles)
    title.failure = TitleFailed(reason="broken")
    titles.passed(title, None)
    assert titles.begin() is None


def test_a_lost_partition_takes_its_titles() -> None:
    """Titles whose partition went to another decoder are ended here and forgotten; the others stay."""
    titles = roster(slots=2)
    titles.take(request_of(run="gone"), record(partition=1))
    titles.take(request_of(run="stays"), record(partition=2))
    windows = {title.run: title.window for title in (begin(titles), begin(titles))}
    titles.keep_only([("titles", 2)])
    assert [title.run for title in titles.all()] == ["stays"]
    assert windows["gone"].ended
    assert not windows["stays"].ended
