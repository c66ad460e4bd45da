"""The contiguous watermark, compared with its definition."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.bus.watermark import Watermark


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), min_size=1, max_size=40))
def test_committable_is_the_lowest_unacknowledged_offset(records: list[tuple[int, int]]) -> None:
    """With any order of acknowledgements and any gaps, the committable offset is the lowest unacknowledged one."""
    offsets = list(accumulate(gap for gap, _ in records))
    finish_at = {offset: turn + lag for turn, (offset, (_, lag)) in enumerate(zip(offsets, records, strict=True))}
    mark = Watermark()
    still_open: list[int] = []
    for turn in range(len(records) + 13):
        if turn < len(offsets):
            mark.mark_delivered(offsets[turn])
            still_open.append(offsets[turn])
        for offset in [offset for offset in still_open if finish_at[offset] <= turn]:
            before = mark.committable
            still_open.remove(offset)
            assert mark.acknowledge(offset) == (mark.committable != before)
            assert mark.committable == (still_open[0] if still_open else offsets[min(turn, len(offsets) - 1)] + 1)
            assert mark.unacknowledged == len(still_open)
    assert mark.committable == offsets[-1] + 1


@given(st.lists(st.integers(-5, 30)))
def test_unknown_offsets_change_nothing(offsets: list[int]) -> None:
    """Acknowledging an offset that was never delivered, or one a second time, changes nothing."""
    mark = Watermark(10)
    mark.mark_delivered(10)
    mark.mark_delivered(12)
    mark.acknowledge(10)
    before = mark.committable
    for offset in offsets:
        if offset != 12:
            assert not mark.acknowledge(offset)
    assert (mark.committable, mark.unacknowledged) == (before, 1)


def test_offsets_are_delivered_in_increasing_order() -> None:
    """Delivering an offset again, or an earlier one, raises ValueError."""
    mark = Watermark(3)
    mark.mark_delivered(5)
    for offset in (5, 4, 0):
        with pytest.raises(ValueError, match="delivered after"):
            mark.mark_delivered(offset)
