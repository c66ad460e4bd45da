"""Takes the encoded segments out of a finished film again, packet by packet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from reelwright.media.container import open_source
from reelwright.media.encode import BITEXACT, encoder_rate, output_errors
from reelwright.media.matroska import remove_completion
from reelwright.media.stream_choice import video_stream
from reelwright.titles.errors import InternalError


def taken_out(
    film: Path, segments: Sequence[range], folder: Path, *, rate: Fraction, reorder: int
) -> Iterator[tuple[int, Path]]:
    """Writes each segment of a film into a file as `SegmentEncoder` writes it, and yields its number and the file.

    A segment's packets stand together in the film, because each is encoded alone.

    Args:
        film: the film.
        segments: the frames of every segment, in order.
        folder: where the files go.
        rate: the film's average frame rate.
        reorder: frames by which decoding order runs ahead of presentation.

    Raises:
        InputError: the film cannot be opened.
        InternalError: its packets are not those of the segments.
    """
    places = {pts: index for index, pts in enumerate(_shown(film))}
    if len(places) != sum(map(len, segments)):
        raise InternalError(f"{film}: {len(places)} frames, the segments have {sum(map(len, segments))}")
    with open_source(str(film)) as container:
        stream = video_stream(container, str(film))
        packets = (packet for packet in container.demux(stream) if packet.size)
        for number, frames in enumerate(segments):
            path = folder / f"{number:06d}.mkv"
            with output_errors(path), _opened(path) as target:
                copy = target.add_stream_from_template(stream, opaque=True)
                target.start_encoding()
                for order in range(len(frames)):
                    packet = next(packets)
                    index = places.get(packet.pts or 0, -1)
                    if index not in frames:
                        raise InternalError(f"{film}: frame {index} among those of segment {number}")
                    packet.pts, packet.dts = index - frames.start, order - reorder
                    packet.duration, packet.time_base = 1, 1 / encoder_rate(rate)
                    packet.stream = copy
                    target.mux_one(packet)
            if "matroska" in container.format.name:
                with output_errors(path):
                    remove_completion(path)
            yield number, path


def _shown(film: Path) -> list[int]:
    with open_source(str(film)) as container:
        stream = video_stream(container, str(film))
        return sorted(packet.pts or 0 for packet in container.demux(stream) if packet.size)


def _opened(path: Path) -> OutputContainer:
    container = av.open(path, "w", format="matroska")
    container.flags |= BITEXACT
    return container
