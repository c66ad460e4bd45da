"""The times of a film's frames: how far they are off the source's, and how long the film is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from reelwright.ledger.manifest import Manifest


def worst_time_error(
    pts: Sequence[int], time_base: Fraction, source_pts: Sequence[int], source_tick: Fraction
) -> float:
    """The largest difference between a frame's time and its source's, in units of the film's time base.

    Times count from the first frame. A container rounds each time to its own unit, so up to 1 is exact.

    Args:
        pts: the film's, one per frame, in units of `time_base` seconds.
        time_base: seconds per unit of `pts`.
        source_pts: the source's, as many, in units of `source_tick` seconds.
        source_tick: seconds per unit of `source_pts`.
    """
    if not pts:
        return 0.0
    ratio = source_tick / time_base
    # Integers are faster than fractions; a long film has hundreds of thousands of frames.
    up, down = ratio.numerator, ratio.denominator
    start = pts[0] * down - source_pts[0] * up
    worst = max(abs(ours * down - theirs * up - start) for ours, theirs in zip(pts, source_pts, strict=True))
    return worst / down


def film_duration(manifest: Manifest) -> Fraction:
    """Seconds from a film's first frame to the end of its last one; that is as long as the mean of the others."""
    count = len(manifest.pts)
    if count < 2:
        return Fraction(0)
    return (manifest.pts[-1] - manifest.pts[0]) * manifest.time_base * Fraction(count, count - 1)
