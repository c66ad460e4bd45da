"""At most so many segments of a title are in flight, and whoever waits for room is freed by a commit or the end."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from reelwright.decoder.in_flight_window import InFlightWindow

_PATIENCE = 30.0


def entering(pool: ThreadPoolExecutor, window: InFlightWindow, segment: int) -> Future[bool]:
    return pool.submit(window.enter, segment)


@given(size=st.integers(1, 5), commits=st.lists(st.integers(0, 30), max_size=40))
def test_there_is_never_more_in_flight_than_the_window(size: int, commits: list[int]) -> None:
    """A producer that runs ahead is held at the window, whatever is committed, twice, early or unknown."""
    window, flying, committed, segment = InFlightWindow(size), set[int](), set[int](), 0
    for commit in commits:
        while len(flying) < size:
            assert window.enter(segment) == (segment not in committed)
            flying |= {segment} - committed
            segment += 1
        window.leave(commit)
        committed.add(commit)
        flying.discard(commit)
        assert len(flying) <= size
    assert window.committed == committed


def test_a_commit_lets_the_next_segment_in() -> None:
    """Entering a full window waits until a segment in it is committed; another's commit does not count."""
    window = InFlightWindow(2)
    assert window.enter(0)
    assert window.enter(1)
    with ThreadPoolExecutor(1) as pool:
        third = entering(pool, window, 2)
        window.leave(7)
        assert not third.done()
        window.leave(1)
        assert third.result(_PATIENCE)


def test_a_committed_segment_needs_no_room() -> None:
    """A segment that was committed, perhaps while it waited for room, is not published and takes no room."""
    window = InFlightWindow(1)
    assert window.enter(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = entering(pool, window, 1)
        assert not waiting.done()
        window.leave(1)
        assert waiting.result(_PATIENCE) is False
    window.leave(0)
    assert window.enter(2)


def test_the_end_frees_everyone_who_waits() -> None:
    """A title that fails or is cancelled keeps nobody waiting and lets nobody in."""
    window = InFlightWindow(1)
    assert window.enter(0)
    with ThreadPoolExecutor(3) as pool:
        waiting = [entering(pool, window, segment) for segment in (1, 2, 3)]
        assert not window.ended
        window.end()
        assert [future.result(_PATIENCE) for future in waiting] == [False, False, False]
    assert window.ended
    window.leave(0)
    assert not window.enter(4)
