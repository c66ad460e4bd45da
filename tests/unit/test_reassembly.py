"""Batches of a segment in any order and number come out once each, in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.encoder.reassembly import Reassembly
from reelwright.titles.errors import InternalError
from reelwright.wire.frames_pb2 import RestoredBatch


def batch(number: int, count: int) -> RestoredBatch:
    return RestoredBatch(run="r", segment=3, batch=number, last=number == count - 1)


def ready(order: Reassembly) -> list[RestoredBatch]:
    """Uses every batch that is in order."""
    used = []
    while (following := order.peek()) is not None:
        used.append(following)
        order.advance()
    return used


@given(count=st.integers(1, 12), seed=st.integers(), extra=st.integers(0, 12))
def test_any_order_with_duplicates_gives_each_batch_once(count: int, seed: int, extra: int) -> None:
    """What comes out is 0, 1, 2, ... whatever the order of arrival, and duplicates give nothing."""
    rng = random.Random(seed)
    arrivals = list(range(count)) + [rng.randrange(count) for _ in range(extra)]
    rng.shuffle(arrivals)
    order, given_out = Reassembly(), []
    for position, number in enumerate(arrivals):
        order.add(batch(number, count))
        given_out += [following.batch for following in ready(order)]
        # Nothing waits longer than it must.
        here = set(arrivals[: position + 1])
        assert given_out == [number for number in range(count) if set(range(number + 1)) <= here]
        assert order.complete == (set(range(count)) == here)
    assert given_out == list(range(count))


@given(count=st.integers(1, 8), seed=st.integers())
def test_a_refused_batch_is_replaced_by_its_next_copy(count: int, seed: int) -> None:
    """Whichever first copies cannot be used, the segment is complete once a good copy of each came, and not before."""
    rng = random.Random(seed)
    bad = {number for number in range(count) if rng.random() < 0.5}
    order, used = Reassembly(), []
    arrivals = [(number, number in bad) for number in range(count)]
    rng.shuffle(arrivals)
    for number, damaged in [*arrivals, *((number, False) for number in sorted(bad))]:
        assert not order.complete
        copy = batch(number, count)
        copy.worker = "bad" if damaged else "good"
        order.add(copy)
        while (following := order.peek()) is not None:
            if following.worker == "bad":
                order.refuse()
            else:
                used.append(following.batch)
                order.advance()
        if len(used) == count:
            break
    assert used == list(range(count))
    assert order.complete


def test_the_first_of_two_copies_counts() -> None:
    """A copy that comes while its first still waits is dropped, so that no batch changes under way."""
    order = Reassembly()
    first, second = batch(1, 3), batch(1, 3)
    second.engine = "another"
    order.add(first)
    order.add(second)
    assert order.peek() is None
    order.add(batch(0, 3))
    assert ready(order)[1].engine == first.engine


@pytest.mark.parametrize("late", [False, True])
def test_a_batch_behind_the_last_is_refused(late: bool) -> None:
    """A segment that ends at batch 2 has no batch 5, whichever comes first."""
    order = Reassembly()
    ahead, end = batch(5, 99), batch(2, 3)
    first, second = (end, ahead) if late else (ahead, end)
    order.add(first)
    with pytest.raises(InternalError, match="segment 3: batch"):
        order.add(second)


def test_a_segment_without_its_end_is_not_complete() -> None:
    """However many batches came, only the last one completes a segment."""
    order = Reassembly()
    for number in range(4):
        order.add(batch(number, 99))
        order.advance()
    assert not order.complete
