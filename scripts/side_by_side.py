"""Writes a few seconds of a film before and after its restoration, beside each other, with the sound.

    .venv/bin/python scripts/side_by_side.py SOURCE FILM OUT.mp4

On the left the source, enlarged with a bicubic filter, on the right the restored film: the same part at 1:1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SECONDS = 6
# Two parts of this width and the line between them fill a common screen.
_WIDTH, _HEIGHT, _LINE = 958, 1080, 4
# Times in containers are rounded to milliseconds at worst.
_SAME_TIME = Fraction(1, 500)


def write_side_by_side(source: Path, film: Path, target: Path) -> int:
    """Writes the middle seconds of both films as H.264 in MP4, with the sound of the restored one.

    Args:
        source: before the restoration.
        film: after it, larger by a whole number, with the same times; its sound is one that MP4 holds.
        target: of the new film; a file there is replaced.

    Returns:
        The number of frames.

    Raises:
        ValueError: the films have no frame at the same time.
    """
    with av.open(str(source)) as before, av.open(str(film)) as after, av.open(str(target), "w") as out:
        start = max(Fraction(0), (_duration(after) - SECONDS) / 2)
        video = out.add_stream("libx264", options={"preset": "veryfast", "crf": "20"})
        sound = after.streams.audio[0] if after.streams.audio else None
        copied = out.add_stream_from_template(sound) if sound else None
        # The muxer changes the stream's own time base when it begins.
        time_base = _unit(after.streams.video[0].time_base)
        first, frames = None, 0
        for time, old, new in _pairs(before, after, start):
            if first is None:
                first = time
                _describe(video, after.streams.video[0], old)
            joined = np.hstack([old, np.full((old.shape[0], _LINE, 3), 255, np.uint8), new])
            out.mux(video.encode(_frame(joined, time - first, time_base)))
            frames += 1
        if first is None:
            raise ValueError("no frames at the same time")
        out.mux(video.encode(None))
        if sound and copied:
            _copy_sound(film, out, copied, _origin(after) + first)
    return frames


def _duration(container: InputContainer) -> Fraction:
    return Fraction(container.duration or 0, av.time_base)


def _unit(time_base: Fraction | None) -> Fraction:
    """A time base, which PyAV knows of every stream and frame that it reads."""
    assert time_base is not None
    return time_base


def _origin(container: InputContainer) -> Fraction:
    """When the picture of a film begins, in seconds."""
    video = container.streams.video[0]
    return (video.start_time or 0) * _unit(video.time_base)


def _pairs(before: InputContainer, after: InputContainer, start: Fraction) -> Iterator[tuple[Fraction, Image, Image]]:
    """Time since the films' beginning, and the part of both frames that is shown, for `SECONDS` from `start` on."""
    old = _timed(before, start)
    time, picture = next(old, (Fraction(-1), None))
    for when, frame in _timed(after, start):
        if when >= start + SECONDS:
            return
        while picture is not None and time < when - _SAME_TIME:
            time, picture = next(old, (Fraction(-1), None))
        if picture is None:
            return
        if abs(time - when) <= _SAME_TIME:
            restored = _image(frame)
            size = (restored.shape[1], restored.shape[0])
            enlarged = cv2.resize(_image(picture), size, interpolation=cv2.INTER_CUBIC)
            yield when, _middle(np.asarray(enlarged, np.uint8)), _middle(restored)


def _timed(container: InputContainer, start: Fraction) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """The frames of a film from `start` on, with the time since its beginning."""
    video, origin = container.streams.video[0], _origin(container)
    video.thread_type = "AUTO"
    container.seek(int((origin + start) / _unit(video.time_base)), stream=video)
    for frame in container.decode(video):
        time = (frame.pts or 0) * _unit(frame.time_base) - origin
        if time >= start - _SAME_TIME:
            yield time, frame


def _image(frame: av.VideoFrame) -> Image:
    """A frame as a player shows it: BGR, turned."""
    image = np.asarray(frame.reformat(format="bgr24").to_ndarray(), np.uint8)
    return np.rot90(image, frame.rotation // 90)


def _middle(image: Image) -> Image:
    """The middle of an image, with even sides, as far as it fits."""
    rows, columns = (min(side, most) // 2 * 2 for side, most in zip(image.shape[:2], (_HEIGHT, _WIDTH), strict=True))
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return image[top : top + rows, left : left + columns]


def _describe(video: VideoStream, restored: VideoStream, part: Image) -> None:
    """Sets what the encoder must know before its first frame."""
    video.height, video.width = part.shape[0], 2 * part.shape[1] + _LINE
    video.pix_fmt = "yuv420p"
    video.sample_aspect_ratio = restored.sample_aspect_ratio or Fraction(1)
    context = video.codec_context
    context.time_base = _unit(restored.time_base)
    context.color_range, context.colorspace = ColorRange.MPEG.value, Colorspace.ITU709.value
    context.color_primaries = restored.codec_context.color_primaries
    context.color_trc = restored.codec_context.color_trc


def _frame(image: Image, time: Fraction, time_base: Fraction) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts, frame.time_base = round(time / time_base), time_base
    return frame


def _copy_sound(film: Path, out: OutputContainer, copied: AudioStream, start: Fraction) -> None:
    """Copies the packets of the first sound from `start` on, for `SECONDS`."""
    with av.open(str(film)) as container:
        sound = container.streams.audio[0]
        unit = _unit(sound.time_base)
        offset = int(start / unit)
        container.seek(offset, stream=sound)
        for packet in container.demux(sound):
            if packet.pts is None or packet.dts is None or packet.dts < offset:
                continue
            if (packet.dts - offset) * unit >= SECONDS:
                return
            packet.pts, packet.dts, packet.stream = packet.pts - offset, packet.dts - offset, copied
            out.mux(packet)


if __name__ == "__main__":
    write_side_by_side(*map(Path, sys.argv[1:4]))
