"""A segment's batches arrive in any order and repeatedly, and are used once each, in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.encoder.reorder_buffer import ReorderBuffer
from reelwright.titles.errors import InternalError
from reelwright.wire.frames_pb2 import RestoredBatch


def batch(number: int, count: int) -> RestoredBatch:
    return RestoredBatch(run="r", segment=3, batch=number, last=number == count - 1)


def use_ready(buffer: ReorderBuffer) -> list[RestoredBatch]:
    """Uses every batch that is in order."""
    used = []
    while (following := buffer.next_batch()) is not None:
        used.append(following)
        buffer.mark_used()
    return used


@given(count=st.integers(1, 12), seed=st.integers(), extra=st.integers(0, 12))
def test_any_order_with_duplicates_gives_each_batch_once(count: int, seed: int, extra: int) -> None:
    """Batches come out as 0, 1, 2, ... for any order of arrival, and duplicates are ignored."""
    rng = random.Random(seed)
    arrivals = list(range(count)) + [rng.randrange(count) for _ in range(extra)]
    rng.shuffle(arrivals)
    buffer, given_out = ReorderBuffer(), []
    for position, number in enumerate(arrivals):
        buffer.insert(batch(number, count))
        given_out += [following.batch for following in use_ready(buffer)]
        # Every batch comes out as early as possible.
        here = set(arrivals[: position + 1])
        assert given_out == [number for number in range(count) if set(range(number + 1)) <= here]
        assert buffer.complete == (set(range(count)) == here)
    assert given_out == list(range(count))


@given(count=st.integers(1, 8), seed=st.integers())
def test_a_discarded_batch_is_replaced_by_its_next_copy(count: int, seed: int) -> None:
    """The segment is complete exactly when a usable copy of each batch has arrived."""
    rng = random.Random(seed)
    bad = {number for number in range(count) if rng.random() < 0.5}
    buffer, used = ReorderBuffer(), []
    arrivals = [(number, number in bad) for number in range(count)]
    rng.shuffle(arrivals)
    for number, damaged in [*arrivals, *((number, False) for number in sorted(bad))]:
        assert not buffer.complete
        copy = batch(number, count)
        copy.worker = "bad" if damaged else "good"
        buffer.insert(copy)
        while (following := buffer.next_batch()) is not None:
            if following.worker == "bad":
                buffer.discard_next()
            else:
                used.append(following.batch)
                buffer.mark_used()
        if len(used) == count:
            break
    assert used == list(range(count))
    assert buffer.complete


def test_the_first_of_two_copies_is_kept() -> None:
    """A second copy of a waiting batch is ignored."""
    buffer = ReorderBuffer()
    first, second = batch(1, 3), batch(1, 3)
    second.engine = "another"
    buffer.insert(first)
    buffer.insert(second)
    assert buffer.next_batch() is None
    buffer.insert(batch(0, 3))
    assert use_ready(buffer)[1].engine == first.engine


@pytest.mark.parametrize("late", [False, True])
def test_a_batch_behind_the_last_is_refused(late: bool) -> None:
    """A batch beyond the segment's last batch is an error, whichever of them arrives first."""
    buffer = ReorderBuffer()
    ahead, end = batch(5, 99), batch(2, 3)
    first, second = (end, ahead) if late else (ahead, end)
    buffer.insert(first)
    with pytest.raises(InternalError, match="segment 3: batch"):
        buffer.insert(second)


def test_a_segment_without_its_end_is_not_complete() -> None:
    """A segment is not complete before its last batch has arrived."""
    buffer = ReorderBuffer()
    for number in range(4):
        buffer.insert(batch(number, 99))
        buffer.mark_used()
    assert not buffer.complete
