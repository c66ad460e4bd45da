"""The contiguous watermark, against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.bus.watermark import Watermark


@given(st.lists(st.integers(0, 60), unique=True, min_size=1).map(sorted), st.data())
def test_position_is_the_lowest_unfinished_offset(offsets: list[int], data: st.DataObject) -> None:
    """Whatever is delivered and finished in whatever order, the position is the lowest offset that is not finished."""
    mark = Watermark(offsets[0])
    delivered: list[int] = []
    finished: set[int] = set()
    ahead = list(offsets)
    while ahead or len(finished) < len(offsets):
        if ahead and data.draw(st.booleans()):
            delivered.append(ahead.pop(0))
            mark.deliver(delivered[-1])
        elif choices := [offset for offset in delivered if offset not in finished]:
            offset = data.draw(st.sampled_from(choices))
            before = mark.position
            finished.add(offset)
            assert mark.done(offset) == (mark.position != before)
        still_open = [offset for offset in delivered if offset not in finished]
        assert mark.position == (still_open[0] if still_open else delivered[-1] + 1 if delivered else offsets[0])
        assert mark.outstanding == len(still_open)
    assert mark.position == offsets[-1] + 1


@given(st.lists(st.integers(-5, 30)))
def test_strangers_change_nothing(offsets: list[int]) -> None:
    """Finishing offsets that were never delivered, or finishing one twice, moves nothing."""
    mark = Watermark(10)
    mark.deliver(10)
    mark.deliver(12)
    mark.done(10)
    before = mark.position
    for offset in offsets:
        if offset != 12:
            assert not mark.done(offset)
    assert (mark.position, mark.outstanding) == (before, 1)


def test_delivery_goes_forward() -> None:
    """Delivering an offset again, or an earlier one, is refused."""
    mark = Watermark(3)
    mark.deliver(5)
    for offset in (5, 4, 0):
        with pytest.raises(ValueError, match="delivered after"):
            mark.deliver(offset)
