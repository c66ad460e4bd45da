"""Cues become samples that follow one another, and none is lost."""

from __future__ import annotations

from itertools import chain

from reelwright.media.text_conversion import Cue, OverlappingCues


def test_a_cue_that_is_out_of_order() -> None:
    """A cue is shown late where the samples of its time are written, and for what is left of its time, if anything."""
    cues = [Cue(0, 100, (b"first",)), Cue(100, 300, (b"second",)), Cue(0, 100, (b"over",)), Cue(50, 250, (b"running",))]
    samples = OverlappingCues()
    found = [*chain.from_iterable(samples.add(cue) for cue in cues), *samples.flush()]
    assert found == [
        Cue(0, 100, (b"first",)),
        Cue(100, 200, (b"second", b"over", b"running")),
        Cue(200, 250, (b"second", b"running")),
        Cue(250, 300, (b"second",)),
    ]
    assert samples.late == 1
