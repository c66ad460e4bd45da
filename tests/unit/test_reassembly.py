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


@given(count=st.integers(1, 12), seed=st.integers(), extra=st.integers(0, 12))
def test_any_order_with_duplicates_gives_each_batch_once(count: int, seed: int, extra: int) -> None:
    """What comes out is 0, 1, 2, ... whatever the order of arrival, and duplicates give nothing."""
    rng = random.Random(seed)
    arrivals = list(range(count)) + [rng.randrange(count) for _ in range(extra)]
    rng.shuffle(arrivals)
    order, given_out = Reassembly(), []
    for position, number in enumerate(arrivals):
        given_out += [ready.batch for ready in order.add(batch(number, count))]
        # Nothing waits longer than it must.
        here = set(arrivals[: position + 1])
        assert given_out == [number for number in range(count) if set(range(number + 1)) <= here]
        assert order.complete == (set(range(count)) == here)
    assert given_out == list(range(count))


def test_the_first_of_two_copies_counts() -> None:
    """A copy that comes while its first still waits is dropped, so that no batch changes under way."""
    order = Reassembly()
    first, second = batch(1, 3), batch(1, 3)
    second.engine = "another"
    assert order.add(first) == order.add(second) == []
    assert order.add(batch(0, 3))[1].engine == first.engine


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
    assert not order.complete
