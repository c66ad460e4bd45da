"""The number of segments in flight is limited, and a commit or the end of a pass frees waiting producers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.in_flight_window import InFlightWindow

_TIMEOUT_SECONDS = 30.0


def acquiring(pool: ThreadPoolExecutor, window: InFlightWindow, segment: int) -> Future[bool]:
    return pool.submit(window.acquire, segment)


@given(size=st.integers(1, 5), commits=st.lists(st.integers(0, 30), max_size=40))
def test_there_is_never_more_in_flight_than_the_window(size: int, commits: list[int]) -> None:
    """A fast producer waits at the limit, whether commits are repeated, early or unknown."""
    window, in_flight, committed, segment = InFlightWindow(size), set[int](), set[int](), 0
    for commit in commits:
        while len(in_flight) < size:
            assert window.acquire(segment) == (segment not in committed)
            in_flight |= {segment} - committed
            segment += 1
        window.mark_committed(commit)
        committed.add(commit)
        in_flight.discard(commit)
        assert len(in_flight) <= size
    assert window.committed == committed


def test_a_commit_admits_the_next_segment() -> None:
    """A full window admits a segment only after one of its own segments is committed."""
    window = InFlightWindow(2)
    assert window.acquire(0)
    assert window.acquire(1)
    with ThreadPoolExecutor(1) as pool:
        third = acquiring(pool, window, 2)
        window.mark_committed(7)
        assert not third.done()
        window.mark_committed(1)
        assert third.result(_TIMEOUT_SECONDS)


def test_a_committed_segment_needs_no_room() -> None:
    """A segment that is committed while it waits is not published and takes no room."""
    window = InFlightWindow(1)
    assert window.acquire(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = acquiring(pool, window, 1)
        assert not waiting.done()
        window.mark_committed(1)
        assert waiting.result(_TIMEOUT_SECONDS) is False
    window.mark_committed(0)
    assert window.acquire(2)


def test_closing_frees_all_waiting_producers() -> None:
    """After a close nothing waits and nothing is admitted."""
    window = InFlightWindow(1)
    assert window.acquire(0)
    with ThreadPoolExecutor(3) as pool:
        waiting = [acquiring(pool, window, segment) for segment in (1, 2, 3)]
        assert not window.closed
        window.close()
        assert [future.result(_TIMEOUT_SECONDS) for future in waiting] == [False, False, False]
    assert window.closed
    window.mark_committed(0)
    assert not window.acquire(4)
