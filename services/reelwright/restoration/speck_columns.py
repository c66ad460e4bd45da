"""Names of what is measured on each speck, in the order of the columns that `dust_classifier` reads.

How each is measured stands beside its name: the quick ones in `speck_features`, the searched ones in `speck_search`,
those of a whole frame in `dust_classifier.context`. `dust_classifier.json` lists these names, so that none can be
added, moved or renamed without other weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, auto


class _FromZero(IntEnum):
    @staticmethod
    def _generate_next_value_(_name: str, _start: int, count: int, _last_values: list[int]) -> int:
        return count


class QuickColumn(_FromZero):
    """Columns of `speck_features`, the first ones of all features."""

    HEIGHT = auto()
    TOP = auto()
    LOG_AREA = auto()
    EXTENT = auto()
    LOG_LENGTH = auto()
    SHARE_ABOVE = auto()
    APART_TO_HEIGHT = auto()
    APART_TO_THRESHOLD = auto()
    APART_BEFORE = auto()
    SPAN = auto()
    SIDES = auto()
    UNWARPED = auto()
    RING_APART = auto()
    RING_APART_BEFORE = auto()
    RING_STRAY_TO_THRESHOLD = auto()
    RING_STRAY_TO_TOP = auto()
    RING_OFF = auto()
    RING_UNWARPED = auto()
    WIDE_APART = auto()
    WIDE_STRAY = auto()
    WIDE_OFF = auto()
    TEXTURE = auto()
    OWN_TEXTURE = auto()
    RING_TEXTURE = auto()
    BRIGHTNESS = auto()
    PLAIN_BRIGHTNESS = auto()
    LOG_THRESHOLD = auto()
    SPEED = auto()
    UNEVEN = auto()
    OUTER_UNEVEN = auto()
    SPREAD = auto()
    OUTSIDE = auto()
    ADJACENT_OUTSIDE = auto()
    RING_SIDE_LESSER = auto()
    RING_SIDE_LARGER = auto()
    LOG_TO_BORDER = auto()
    CROWD = auto()
    FRAME_CROWD = auto()
    ADJACENT_DUST_LESSER = auto()
    ADJACENT_DUST_LARGER = auto()
    ADJACENT_DUST_NEAR_LESSER = auto()
    ADJACENT_DUST_NEAR_LARGER = auto()
    ADJACENT_CHANGED_LESSER = auto()
    ADJACENT_CHANGED_LARGER = auto()


class SearchedColumn(IntEnum):
    """Columns of `speck_search`, behind the quick ones."""

    @staticmethod
    def _generate_next_value_(_name: str, _start: int, count: int, _last_values: list[int]) -> int:
        return len(QuickColumn) + count

    BESIDE_LESSER = auto()
    BESIDE_LARGER = auto()
    UNLIKE_LESSER = auto()
    UNLIKE_LARGER = auto()
    FAR_BESIDE_LESSER = auto()
    FAR_BESIDE_LARGER = auto()
    FAR_UNLIKE_LESSER = auto()
    FAR_UNLIKE_LARGER = auto()


class ContextColumn(_FromZero):
    """Columns of `dust_classifier.context`."""

    SCORE = auto()
    LOG_AREA = auto()
    LOG_THRESHOLD = auto()
    OTHERS_NUMBER = auto()
    OTHERS_SHARE = auto()
    OTHERS_DOUBTFUL = auto()
    OTHERS_HIGHEST = auto()


def names(columns: Iterable[IntEnum]) -> tuple[str, ...]:
    """Those of some columns as files have them."""
    return tuple(column.name.lower() for column in columns)


QUICK = names(QuickColumn)
ALL = (*QUICK, *names(SearchedColumn))
CONTEXT = names(ContextColumn)
