"""Notices a sample aspect ratio that changes in mid-stream."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from reelwright.media.frame_times import FrameTimes
from reelwright.titles.errors import InputError

# These containers always state the shape of a sample, and players take it from there.
_STATE_SHAPE = "matroska,webm"


class SampleShape:
    """Watches the sample aspect ratio that the codec states.

    Attributes:
        notes: a sentence where the codec changes it and the container overrules the codec.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._context = stream.codec_context
        self._stated = stream.sample_aspect_ratio
        self._in_container = container.format.name == _STATE_SHAPE
        self._first: Fraction | None = None
        self.notes: list[str] = []

    def check(self, times: FrameTimes) -> None:
        """Compares the shape after a packet with the first one.

        Raises:
            InputError: it has changed, and the container does not state one for the whole film.
        """
        shape = self._context.sample_aspect_ratio
        if not shape or shape == self._first or self.notes:
            return
        if self._first is None:
            self._first = shape
            self._in_container = self._in_container or (bool(self._stated) and self._stated != shape)
            return
        size = Fraction(self._context.width, self._context.height)
        before, after = (_ratio(each * size) for each in (self._first, shape))
        if not self._in_container:
            raise InputError(
                f"its display aspect ratio changes from {before} to {after}",
                times.position(None),
                "split it there and restore the parts by themselves",
            )
        self.notes.append(
            f"the codec's display aspect ratio changes from {before} to {after} at {times.time_of(times.end)}; the "
            "container's own holds for the whole film"
        )


def _ratio(value: Fraction) -> str:
    simple = value.limit_denominator(20)
    return f"{simple.numerator}:{simple.denominator}"
