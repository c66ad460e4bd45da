"""Makes the film of its encoded segments and of what the source holds beside the picture. Nothing is encoded twice."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from reelwright.media import matroska
from reelwright.media.caption_text import CaptionText, add_caption_text
from reelwright.media.captions import CaptionReader, holds_captions, with_captions
from reelwright.media.container import open_source, video_stream
from reelwright.media.encode import BITEXACT, FilmFormat, coded_colour, encoder_rate, output_errors, set_colour
from reelwright.media.picture_clock import PictureClock, SegmentInput, film_shift, movie_scale, timescale
from reelwright.media.profiles import ProfileSpec, encoded_size
from reelwright.media.stream_times import PacketTimes, TimedStream
from reelwright.media.streams import OtherStreams, StreamPlanner, codec_name, is_cover
from reelwright.media.tags import disposition_names, film_tags, muxer_tag_options, stream_tags
from reelwright.media.timecode import Timecode, film_timecode, start_timecode
from reelwright.media.types import Chapter, SourceInfo, StreamOutcome
from reelwright.titles.errors import InternalError

if TYPE_CHECKING:
    # PyAV has this shape in its stubs alone.
    from av.container.core import Chapter as FilmChapter

_CHAPTER_UNIT = Fraction(1, 1_000_000)
# No subtitle is meant to be shown for an hour, and a file with an endless one states an endless length.
_LONGEST_SUBTITLE = Fraction(3600)


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
    timed_streams: Mapping[int, TimedStream]
    timecode: Timecode | None


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
        start = first.frames[0].pts * film.time_base
        shift = film_shift(start, earliest)
        timecode = start_timecode(other, source.location, start, film.average_rate)
        if timecode is not None:
            timecode = film_timecode(timecode, start + shift, film.average_rate, spec.container)
        with output_errors(out), CaptionReader(source.location) as captions:
            return _Assembly(out, source, other, spec, film, shift, timecode, captions).write(first, pending)


class _Assembly:
    def __init__(
        self,
        out: Path,
        source: SourceInfo,
        other: InputContainer,
        spec: ProfileSpec,
        film: FilmFormat,
        shift: Fraction,
        timecode: Timecode | None,
        captions: CaptionReader,
    ) -> None:
        self._out, self._source, self._other = out, source, other
        self._spec, self._film, self._shift, self._timecode = spec, film, shift, timecode
        self._main = video_stream(other, source.location)
        # MP4 takes the samples' shape from the codec's parameters.
        anamorphic = film.sample_aspect_ratio != 1 and spec.container == "matroska"
        self._display_ratio = film.sample_aspect_ratio * film.width / film.height if anamorphic else None
        self._frames, self._end = 0, Fraction(0)
        self._notes: list[str] = []
        static = bool(film.hdr.mastering or film.hdr.content_light)
        self._completed_later = spec.container == "matroska" and (anamorphic or static)
        self._captions, self._captioned, self._caption_sha = captions, 0, hashlib.sha256()
        self._caption_text: CaptionText | None = None
        self._texts: list[Packet[Stream]] = []
        self._timed: dict[int, TimedStream] = {}
        # Of the film's clock; 0 for a source that does not say how long it is.
        length = Fraction(source.duration)
        self._expected_end = source.video.start_pts * source.video.time_base + shift + length if length else Fraction(0)

    def write(self, first: SegmentInput, pending: Iterator[SegmentInput]) -> AssembledFilm:
        container = av.open(self._out, "w", format=self._spec.container, container_options=self._muxer_options())
        try:
            container.flags |= BITEXACT
            with av.open(first.path) as template:
                video = self._add_video(container, template.streams.video[0])
            length = min(Fraction(self._source.duration) or _LONGEST_SUBTITLE, _LONGEST_SUBTITLE)
            planner = StreamPlanner(self._source.location, container, self._spec, self._shift, length)
            others = planner.add_streams(self._other, self._main)
            self._caption_text = add_caption_text(container, self._source.location, self._codec, self._spec)
            self._describe(container)
            container.start_encoding()
            self._mux(container, self._pictures(first, pending, video), others)
        except BaseException:
            with suppress(av.FFmpegError, OSError):
                container.close()
            raise
        container.close()
        if self._completed_later:
            matroska.complete_picture(self._out, self._display_ratio, self._film.hdr)
        return self._result(others)

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
            video.metadata["title"] = video.metadata.get("title", "") + matroska.ROOM
        self._extradata = template.codec_context.extradata
        self._codec = template.codec_context.codec.canonical_name
        return video

    def _describe(self, container: OutputContainer) -> None:
        container.metadata.update(film_tags(self._source.metadata))
        chapters: list[FilmChapter] = [
            {
                "id": number,
                "start": round((chapter.start + self._shift) / _CHAPTER_UNIT),
                "end": round((chapter.end + self._shift) / _CHAPTER_UNIT),
                "time_base": _CHAPTER_UNIT,
                "metadata": {"title": chapter.title} if chapter.title else {},
            }
            for number, chapter in enumerate(self._chapters(), 1)
        ]
        container.set_chapters(chapters)

    def _chapters(self) -> list[Chapter]:
        """The chapters that begin before the film ends. A later one would make a player show a longer film."""
        end = self._expected_end
        return [chapter for chapter in self._source.chapters if not end or Fraction(chapter.start) + self._shift < end]

    def _mux(self, container: OutputContainer, pictures: Iterator[Packet[Stream]], others: OtherStreams) -> None:
        # Both in decoding order by time; the muxer's own queue then stays a few packets long.
        for packet in heapq.merge(pictures, self._other_packets(others), key=_decoding_time):
            container.mux_one(packet)
            container.mux(self._texts)
            self._texts.clear()
        if self._caption_text:
            container.mux(list(self._caption_text.flush(self._end)))
        for index, writer in others.writers.items():
            if self._other.streams[index].type == "subtitle":
                for packet in writer.flush(self._end):
                    container.mux_one(packet)

    def _other_packets(self, others: OtherStreams) -> Iterator[Packet[Stream]]:
        wanted = [stream for stream in self._other.streams if stream.index in others.writers]
        for stream in self._other.streams:
            if stream.index not in others.writers:
                stream.discard = Discard.all
        self._timed = {
            stream.index: TimedStream(
                kind=stream.type,
                times=PacketTimes(stream, codec_name(stream)),
                tags=dict(stream.metadata),
                dispositions=disposition_names(stream.disposition),
            )
            for stream in wanted
            if stream.type in {"audio", "subtitle"}
        }
        for packet in _read(self._other, wanted, self._notes):
            index = packet.stream.index
            if index in self._timed:
                self._timed[index].times.add(packet)
            yield from others.writers[index].packets(packet)
        # A subtitle may last until the film's end, which is not known yet.
        for stream in wanted:
            if stream.type != "subtitle":
                yield from others.writers[stream.index].flush(Fraction(0))

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
            self._end = clock.end_seconds(self._film.time_base)
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
                        index = round(cast("int", packet.pts) * packet.time_base * rate)
                        clock.stamp(packet, index)
                        packet.time_base = self._film.time_base
                        yield self._with_captions(packet, self._captions.of_picture(segment.frames[index].pts))
            clock.end()
            self._frames += len(segment.frames)
            segment = next(pending, None)

    def _with_captions(self, packet: Packet[Stream], captions: bytes) -> Packet[Stream]:
        if captions and self._caption_text:
            time = Fraction(cast("int", packet.pts)) * packet.time_base
            self._texts += self._caption_text.add(captions, time)
        if not captions or not holds_captions(self._codec):
            return packet
        self._captioned += 1
        self._caption_sha.update(captions)
        captioned: Packet[Stream] = Packet(with_captions(bytes(packet), self._codec, captions))
        captioned.time_base, captioned.is_keyframe = packet.time_base, packet.is_keyframe
        captioned.pts, captioned.dts, captioned.duration = packet.pts, packet.dts, packet.duration
        return captioned

    def _caption_outcome(self) -> Iterator[StreamOutcome]:
        """What became of the captions that the source's picture holds."""
        found = self._captions.found
        if not found:
            return
        outcome = StreamOutcome(index=self._main.index, kind="captions", codec="eia_608", outcome="left out")
        if self._caption_text:
            yield self._caption_text.outcome(self._main.index, self._codec, self._spec)
        elif self._captioned:
            lost = found - self._captioned
            reason = f"{lost} of {found} pictures with captions are not in the film" if lost else ""
            update = {"outcome": "copied", "reason": reason, "packets": self._captioned}
            yield outcome.model_copy(update={**update, "sha256": self._caption_sha.hexdigest()})
        else:
            reason = f"{self._codec} in {self._spec.suffix[1:]} files holds no captions"
            yield outcome.model_copy(update={"reason": reason})

    def _result(self, others: OtherStreams) -> AssembledFilm:
        film = self._film
        width, height = encoded_size(self._spec, film.width, film.height)
        if (width, height) != (film.width, film.height):
            self._notes.append(
                f"{self._spec.name} holds even sizes only: {film.width}x{film.height} became {width}x{height}, "
                "its edge repeated"
            )
        self._notes += [f"the picture's {name} is not carried" for name in sorted(self._captions.named)]
        if (film.hdr.mastering or film.hdr.content_light) and self._spec.name == "prores":
            self._notes.append("HDR10 metadata is not carried: neither ProRes nor its muxer here holds it")
        beyond = len(self._source.chapters) - len(self._chapters())
        if beyond:
            self._notes.append(f"{beyond} chapters begin after the film's end and are left out")
        kept = sorted(self._chapters(), key=lambda chapter: Fraction(chapter.start))
        if self._spec.container != "matroska" and any(
            Fraction(one.end) > Fraction(following.start) for one, following in pairwise(kept)
        ):
            self._notes.append(f"chapters overlap; in {self._spec.suffix[1:]} files each ends where the next begins")
        if self._shift:
            self._notes.append(
                f"the film's clock is the source's {float(self._shift):+.3f} s, so that it starts near zero"
            )
        return AssembledFilm(
            frames=self._frames,
            width=width,
            height=height,
            shift=self._shift,
            streams=(*self._caption_outcome(), *others.outcomes()),
            chapters=len(self._chapters()),
            notes=tuple(self._notes),
            timed_streams=self._timed,
            timecode=self._timecode,
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


def _decoding_time(packet: Packet[Stream]) -> float:
    return float((packet.dts or 0) * packet.time_base)
