"""Writes the film from its encoded segments and the source's other streams. No picture is encoded again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from reelwright.media import matroska
from reelwright.media.caption_copy import CaptionCopy
from reelwright.media.captions import CaptionReader
from reelwright.media.chroma_siting import film_siting
from reelwright.media.container import open_source
from reelwright.media.encode import BITEXACT, output_errors, set_colour
from reelwright.media.film_chapters import FilmChapters
from reelwright.media.film_format import FilmFormat, coded_colour
from reelwright.media.mp4_tracks import hide_subtitles
from reelwright.media.other_packets import OtherPackets
from reelwright.media.picture_clock import (
    PictureClock,
    SegmentInput,
    earliest_start,
    film_shift,
    movie_scale,
    timescale,
)
from reelwright.media.profiles import ProfileSpec, encoded_size
from reelwright.media.segment_packets import SegmentPackets
from reelwright.media.source_info import SourceInfo
from reelwright.media.stream_choice import video_stream
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import TimedStream
from reelwright.media.streams import StreamPlanner, is_cover
from reelwright.media.tags import film_tags, muxer_tag_options, stream_tags
from reelwright.media.timecode import Timecode, film_timecode, start_timecode
from reelwright.titles.errors import InternalError

# No subtitle is meant to be shown for an hour, and a file with an endless one states an endless length.
_LONGEST_SUBTITLE = Fraction(3600)


@dataclass(frozen=True, slots=True, kw_only=True)
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
        picture_tags: of the source's picture.
        timed_streams: the source's sound and subtitles as they were read, by index; the film is checked against them.
        timecode: as the film should hold it; None where the source has none.
    """

    frames: int
    width: int
    height: int
    shift: Fraction
    streams: tuple[StreamOutcome, ...]
    chapters: int
    notes: tuple[str, ...]
    picture_tags: Mapping[str, str]
    timed_streams: Mapping[int, TimedStream]
    timecode: Timecode | None


def assemble_film(
    out: Path,
    segments: Iterable[SegmentInput],
    *,
    source: SourceInfo,
    spec: ProfileSpec,
    film: FilmFormat,
    pictures_only: bool = False,
) -> AssembledFilm:
    """Writes the film to `out`: every frame at its source's time, the other streams interleaved.

    Memory holds a few packets, and an index that grows by some tens of bytes a packet.

    Args:
        out: the file to write; the caller drops it when this raises.
        segments: all of them, in order.
        source: what probe found; its location is read again for the other streams.
        spec: the film's profile.
        film: its format.
        pictures_only: for an excerpt: sound, subtitles, captions, chapters, timecode and attached files are left out.

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
        start = first.frames[0].pts * film.time_base
        shift = film_shift(start, earliest_start(other))
        timecode = None if pictures_only else start_timecode(other, source.location, start, film.average_rate)
        if timecode is not None:
            timecode = film_timecode(timecode, start + shift, film.average_rate, spec.container)
        reader = nullcontext() if pictures_only else CaptionReader(source.location, source.joins or ())
        with output_errors(out), reader as captions:
            return _Assembly(
                out, source, other=other, spec=spec, film=film, shift=shift, timecode=timecode, captions=captions
            ).write(first, pending)


class _Assembly:
    def __init__(
        self,
        out: Path,
        source: SourceInfo,
        *,
        other: InputContainer,
        spec: ProfileSpec,
        film: FilmFormat,
        shift: Fraction,
        timecode: Timecode | None,
        captions: CaptionReader | None,
    ) -> None:
        self._out, self._source, self._other = out, source, other
        self._spec, self._film, self._shift, self._timecode = spec, film, shift, timecode
        self._main = video_stream(other, source.location)
        # MP4 takes the samples' shape from the codec's parameters.
        anamorphic = film.sample_aspect_ratio != 1 and spec.container == "matroska"
        self._display_ratio = film.sample_aspect_ratio * film.width / film.height if anamorphic else None
        self._notes: list[str] = []
        static = bool(film.hdr.mastering or film.hdr.content_light)
        self._siting = film_siting(film.pix_fmt)
        self._completed_later = spec.container == "matroska" and (anamorphic or static or bool(self._siting))
        self._caption_reader = captions
        # Without captions the film has nothing but its picture.
        self._pictures_only = captions is None
        self._chapters = FilmChapters((), 0, shift) if captions is None else FilmChapters.of(source, shift)

    def write(self, first: SegmentInput, pending: Iterator[SegmentInput]) -> AssembledFilm:
        container = av.open(self._out, "w", format=self._spec.container, container_options=self._muxer_options())
        try:
            container.flags |= BITEXACT
            with av.open(first.path) as template:
                encoded = template.streams.video[0]
                codec = encoded.codec_context.codec.canonical_name
                video = self._add_video(container, encoded)
            planner = StreamPlanner(
                location=self._source.location,
                film=container,
                spec=self._spec,
                shift=self._shift,
                longest_subtitle=self._longest_subtitle(),
            )
            if self._pictures_only:
                others = planner.leave_out(self._other, self._main)
            else:
                others = planner.add_streams(self._other, self._main)
            captions = CaptionCopy(
                self._caption_reader, container, location=self._source.location, codec=codec, spec=self._spec
            )
            container.metadata.update(film_tags(self._source.metadata))
            self._chapters.write(container)
            hidden = self._spec.container != "matroska" and _hides_subtitles(container)
            container.start_encoding()
            clock = PictureClock(self._spec.reorder, round(self._shift / self._film.time_base))
            pictures = SegmentPackets(chain([first], pending), video, film=self._film, clock=clock, captions=captions)
            packets = OtherPackets(self._other, self._source, others, self._main.index)
            self._mux(container, pictures, captions, packets)
        except BaseException:
            with suppress(av.FFmpegError, OSError):
                container.close()
            raise
        container.close()
        if hidden:
            hide_subtitles(self._out)
        if self._completed_later:
            matroska.complete_picture(self._out, self._display_ratio, self._film.hdr, self._siting)
        return self._result(pictures.frames, captions, packets)

    def _longest_subtitle(self) -> Fraction:
        """Seconds that a subtitle of the source may last: as long as the file, whose picture may end earlier."""
        file = Fraction(self._other.duration or 0, av.time_base)
        return min(max(file, Fraction(self._source.duration)) or _LONGEST_SUBTITLE, _LONGEST_SUBTITLE)

    def _muxer_options(self) -> dict[str, str]:
        cover = any(is_cover(stream) for stream in self._other.streams)
        options = {**self._spec.muxer, **muxer_tag_options(self._spec, self._source.metadata, cover=cover)}
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
        set_colour(context, coded_colour(self._spec, film))
        if film.display_matrix:
            video.set_display_matrix(film.display_matrix)
        video.time_base = film.time_base
        video.disposition = self._main.disposition or Disposition.default
        video.metadata.update(stream_tags(self._main.metadata, self._spec))
        if self._timecode:
            video.metadata["timecode"] = str(self._timecode)
        if self._completed_later:
            video.metadata["title"] = video.metadata.get("title", "") + matroska.PADDING
        return video

    def _mux(
        self, container: OutputContainer, pictures: SegmentPackets, captions: CaptionCopy, others: OtherPackets
    ) -> None:
        # Both in decoding order by time; the muxer's own queue then stays a few packets long.
        for packet in heapq.merge(pictures, others, key=_decoding_time):
            container.mux_one(packet)
            container.mux(captions.subtitles())
        container.mux(captions.flush(pictures.end))
        for packet in others.last_subtitles(pictures.end):
            container.mux_one(packet)

    def _result(self, frames: int, captions: CaptionCopy, others: OtherPackets) -> AssembledFilm:
        film = self._film
        self._notes += others.notes
        width, height = encoded_size(self._spec, film.width, film.height)
        if (width, height) != (film.width, film.height):
            self._notes.append(
                f"{self._spec.name} holds even sizes only: {film.width}x{film.height} became {width}x{height}, "
                "its edge repeated"
            )
        self._notes += captions.notes()
        if (film.hdr.mastering or film.hdr.content_light) and self._spec.name == "prores":
            self._notes.append("HDR10 metadata is not carried: neither ProRes nor its muxer here holds it")
        self._notes += self._chapters.notes(self._spec)
        if self._shift:
            self._notes.append(
                f"the film's clock is the source's {float(self._shift):+.3f} s, so that it starts near zero"
            )
        return AssembledFilm(
            frames=frames,
            width=width,
            height=height,
            shift=self._shift,
            streams=(*captions.outcomes(self._main.index), *others.outcomes()),
            chapters=len(self._chapters.chapters),
            notes=tuple(self._notes),
            picture_tags=dict(self._main.metadata),
            timed_streams=others.timed,
            timecode=self._timecode,
        )


def _hides_subtitles(film: OutputContainer) -> bool:
    """Whether a film has subtitles of which none is to be shown unasked."""
    return bool(film.streams.subtitles) and not any(
        stream.disposition & Disposition.default for stream in film.streams.subtitles
    )


def _decoding_time(packet: Packet[Stream]) -> float:
    return float((packet.dts or 0) * packet.time_base)
