"""Makes the film of its encoded segments and of what the source holds beside the picture. Nothing is encoded twice."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from reelwright.media import matroska
from reelwright.media.container import open_source, video_stream
from reelwright.media.encode import BITEXACT, FilmFormat, coded_colour, encoder_rate, output_errors, set_colour
from reelwright.media.profiles import ProfileSpec, encoded_size
from reelwright.media.stream_copy import kept_metadata
from reelwright.media.streams import Carriage, carry_streams
from reelwright.media.timing import PictureClock, SegmentInput, film_shift, movie_scale, timescale
from reelwright.media.types import SourceInfo, StreamOutcome
from reelwright.titles.errors import InternalError

if TYPE_CHECKING:
    # PyAV has this shape in its stubs alone.
    from av.container.core import Chapter as FilmChapter

_CHAPTER_UNIT = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class AssembledFilm:
    """What was made.

    Attributes:
        frames: pictures in the film.
        width: columns as the codec holds them.
        height: rows as the codec holds them.
        shift: seconds from the source's time to the film's; 0 for nearly every film.
        streams: what became of the source's other streams.
        chapters: how many the film has.
        notes: sentences for the person: what is not as in the source, and why.
    """

    frames: int
    width: int
    height: int
    shift: Fraction
    streams: tuple[StreamOutcome, ...]
    chapters: int
    notes: tuple[str, ...]


def assemble_film(
    out: Path, segments: Iterable[SegmentInput], source: SourceInfo, spec: ProfileSpec, film: FilmFormat
) -> AssembledFilm:
    """Writes the film to `out`: every frame at its source's time, the other streams interleaved.

    Memory holds a few packets, and an index that grows by some tens of bytes a packet.

    Args:
        out: the file to write; the caller drops it when this raises.
        segments: all of them, in order.
        source: what probe found; its location is read again for the other streams.
        spec: the film's profile.
        film: its format.

    Raises:
        OutputError: the film cannot be written.
        InputError: the source is gone or changed.
        InternalError: the segments do not make one film.
    """
    pending = iter(segments)
    first = next(pending, None)
    if first is None or not first.frames:
        raise InternalError("a film needs at least one frame")
    with open_source(source.location) as other:
        earliest = None if other.start_time is None else Fraction(other.start_time, av.time_base)
        shift = film_shift(first.frames[0].pts * film.time_base, earliest)
        with output_errors(out):
            return _Assembly(out, source, other, spec, film, shift).write(first, pending)


class _Assembly:
    def __init__(
        self,
        out: Path,
        source: SourceInfo,
        other: InputContainer,
        spec: ProfileSpec,
        film: FilmFormat,
        shift: Fraction,
    ) -> None:
        self._out, self._source, self._other = out, source, other
        self._spec, self._film, self._shift = spec, film, shift
        self._main = video_stream(other, source.location)
        # MP4 takes the samples' shape from the codec's parameters.
        anamorphic = film.sample_aspect_ratio != 1 and spec.container == "matroska"
        self._display_ratio = film.sample_aspect_ratio * film.width / film.height if anamorphic else None
        self._frames = 0
        self._notes: list[str] = []

    def write(self, first: SegmentInput, pending: Iterator[SegmentInput]) -> AssembledFilm:
        container = av.open(self._out, "w", format=self._spec.container, container_options=self._muxer_options())
        try:
            container.flags |= BITEXACT
            with av.open(first.path) as template:
                video = self._add_video(container, template.streams.video[0])
            carriage = carry_streams(self._other, self._source.location, self._main, container, self._spec, self._shift)
            self._describe(container)
            container.start_encoding()
            self._mux(container, self._pictures(first, pending, video), carriage)
        except BaseException:
            with suppress(av.FFmpegError, OSError):
                container.close()
            raise
        container.close()
        if self._display_ratio:
            matroska.set_display_ratio(self._out, self._display_ratio)
        return self._result(carriage)

    def _muxer_options(self) -> dict[str, str]:
        options = dict(self._spec.muxer)
        # The film's zero is the source's: sound that starts before it must not push the picture back.
        options["avoid_negative_ts"] = "disabled"
        if self._spec.container != "matroska":
            scale = timescale(self._film.time_base)
            # Edit lists, which place the first frame and sample, and chapters count in the movie's scale.
            options |= {"video_track_timescale": str(scale), "movie_timescale": str(movie_scale(scale))}
        return options

    def _add_video(self, container: OutputContainer, template: VideoStream) -> VideoStream:
        film = self._film
        video = container.add_stream_from_template(template, opaque=True)
        context = video.codec_context
        if self._spec.codec_tag:
            context.codec_tag = self._spec.codec_tag
        if film.average_rate > 0:
            context.framerate = film.average_rate
        context.sample_aspect_ratio = film.sample_aspect_ratio
        set_colour(context, coded_colour(self._spec, film.colour))
        if film.rotation:
            video.set_display_rotation(film.rotation)
        video.time_base = film.time_base
        video.disposition = self._main.disposition or Disposition.default
        video.metadata.update(kept_metadata(self._main.metadata))
        if self._display_ratio:
            video.metadata["title"] = video.metadata.get("title", "") + matroska.ROOM
        self._extradata = template.codec_context.extradata
        return video

    def _describe(self, container: OutputContainer) -> None:
        container.metadata.update(kept_metadata(self._source.metadata))
        chapters: list[FilmChapter] = [
            {
                "id": number,
                "start": round((Fraction(chapter.start) + self._shift) / _CHAPTER_UNIT),
                "end": round((Fraction(chapter.end) + self._shift) / _CHAPTER_UNIT),
                "time_base": _CHAPTER_UNIT,
                "metadata": {"title": chapter.title} if chapter.title else {},
            }
            for number, chapter in enumerate(self._source.chapters, 1)
        ]
        container.set_chapters(chapters)

    def _mux(self, container: OutputContainer, pictures: Iterator[Packet[Stream]], carriage: Carriage) -> None:
        # Both in decoding order by time; the muxer's own queue then stays a few packets long.
        for packet in heapq.merge(pictures, self._others(carriage), key=_moment):
            container.mux_one(packet)

    def _others(self, carriage: Carriage) -> Iterator[Packet[Stream]]:
        wanted = [stream for stream in self._other.streams if stream.index in carriage.carriers]
        for stream in self._other.streams:
            if stream.index not in carriage.carriers:
                stream.discard = Discard.all
        for packet in _read(self._other, wanted, self._notes):
            yield from carriage.carriers[packet.stream.index].packets(packet)
        for carrier in carriage.carriers.values():
            yield from carrier.flush()

    def _pictures(
        self, first: SegmentInput, pending: Iterator[SegmentInput], video: VideoStream
    ) -> Iterator[Packet[Stream]]:
        clock = PictureClock(self._spec.reorder, round(self._shift / self._film.time_base))
        held: Packet[Stream] | None = None
        for packet in self._stamped(first, pending, clock):
            if held is not None:
                yield held
            packet.stream, held = video, packet
        if held is not None:
            clock.last(held)
            yield held

    def _stamped(
        self, first: SegmentInput, pending: Iterator[SegmentInput], clock: PictureClock
    ) -> Iterator[Packet[Stream]]:
        segment: SegmentInput | None = first
        while segment is not None:
            clock.begin(segment)
            with av.open(segment.path) as container:
                stream = container.streams.video[0]
                if stream.codec_context.extradata != self._extradata:
                    raise InternalError(f"{segment.path.name}: its codec setup differs from the first segment's")
                rate = encoder_rate(self._film.average_rate)
                for packet in cast("Iterator[Packet[Stream]]", container.demux(stream)):
                    if packet.size:
                        clock.stamp(packet, round(cast("int", packet.pts) * packet.time_base * rate))
                        packet.time_base = self._film.time_base
                        yield packet
            clock.end()
            self._frames += len(segment.frames)
            segment = next(pending, None)

    def _result(self, carriage: Carriage) -> AssembledFilm:
        film = self._film
        width, height = encoded_size(self._spec, film.width, film.height)
        if (width, height) != (film.width, film.height):
            self._notes.append(
                f"{self._spec.name} holds even sizes only: {film.width}x{film.height} became {width}x{height}, "
                "its edge repeated"
            )
        if self._shift:
            self._notes.append(
                f"the film's clock is the source's {float(self._shift):+.3f} s, so that it starts near zero"
            )
        return AssembledFilm(
            frames=self._frames,
            width=width,
            height=height,
            shift=self._shift,
            streams=carriage.outcomes(),
            chapters=len(self._source.chapters),
            notes=tuple(self._notes),
        )


def _read(source: InputContainer, wanted: list[Stream], notes: list[str]) -> Iterator[Packet[Stream]]:
    if not wanted:
        return
    packets = source.demux(wanted)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            notes.append(f"the source's other streams could not be read to their end: {error.strerror}")
            return
        if packet.size:
            yield packet


def _moment(packet: Packet[Stream]) -> float:
    return float((packet.dts or 0) * packet.time_base)
