"""Describes a file: the stream that is restored, the other streams, chapters, black borders and fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from reelwright.media.bars import detect_bars
from reelwright.media.captions import has_caption_data
from reelwright.media.chroma_siting import chroma_siting
from reelwright.media.clock_joins import Recordings, may_be_joined, read_recordings
from reelwright.media.container import ReadBound, open_source
from reelwright.media.container_integrity import missing_bytes, second_matroska, unknown_parts
from reelwright.media.decode import RawFrame, VideoDecoder
from reelwright.media.display_matrix import is_mirrored, matrix_of, rotation_of
from reelwright.media.dolby_vision import check_dolby_vision
from reelwright.media.field_order import FieldDetector, FieldFinding
from reelwright.media.formats import colour_of, conversion, luma_of, picture_of
from reelwright.media.frame_sampling import sample_runs, sampling_bound
from reelwright.media.hdr import hdr_of
from reelwright.media.hevc_layers import hevc_layer_notes
from reelwright.media.joined_clock import join_notes
from reelwright.media.limits import Limits
from reelwright.media.picture import Picture
from reelwright.media.programmes import other_programmes, read_programmes, teletext
from reelwright.media.source_file import open_file
from reelwright.media.source_info import Bars, Chapter, ClockJoin, SourceInfo, StreamInfo, VideoInfo
from reelwright.media.stream_choice import film_streams, single_pictures, video_stream
from reelwright.media.tags import track_title
from reelwright.titles.errors import InputError

if TYPE_CHECKING:
    # A name of PyAV's stubs alone.
    from av.container.core import Chapter as SourceChapter

_MAX_RATE = 1000
# Bytes. Of a larger file the joins are found when it is restored: reading it to its end would take long.
_READ_WHOLE = 256 << 20
_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d\.\d{1,9})")


def probe(location: str, limits: Limits | None = None) -> SourceInfo:
    """Looks into a file.

    Raises:
        InputError: no such file, not a film, a film without a picture, or a picture outside the limits.
    """
    limits = limits or Limits()
    with open_file(location) as handle:
        missing, extras, second = missing_bytes(handle), unknown_parts(handle), second_matroska(handle)
        size = handle.seek(0, 2)
    if second is not None:
        what = f"another Matroska file begins at byte {second}, and its clock starts over"
        raise InputError(what, location, "split it there")
    with open_source(location) as container:
        stream = video_stream(container, location)
        limits.check_size(stream.codec_context.width, stream.codec_context.height, location)
        joinable, large = may_be_joined(container), size > _READ_WHOLE
        recordings = read_recordings(location, size) if joinable and not large else Recordings()
        first = _first_frame(container, stream, location, recordings.joins)
        limits.check_size(first.frame.width, first.frame.height, location)
        dynamic = check_dolby_vision(stream, location)
        chosen = conversion(first.frame.format.name)
        duration = recordings.duration or _duration(container, stream, first)
        video = _video(stream, first, duration, dynamic)
        info = SourceInfo(
            location=location,
            container=container.format.name,
            duration=float(duration),
            size=size,
            video=video,
            streams=tuple(_stream(other) for other in container.streams if other.index != stream.index),
            chapters=tuple(_chapter(chapter) for chapter in container.chapters()),
            metadata=dict(container.metadata),
            joins=None if joinable and large else recordings.joins,
        )
        other_parts = _other_parts(container, stream, location)
    bound = sampling_bound(video.width, video.height)
    fields, bars, captions = _sampled(info, bound)
    notes = [chosen.note] if chosen.note else []
    if bound.reached:
        notes.append("its index leads to places without a picture: fields and borders were measured in fewer places")
    if captions:
        notes.append("the picture holds closed captions (EIA-608 or CTA-708): they are carried, or become subtitles")
    if fields.order == "telecine":
        notes.append("telecine: film frames were spread over interlaced video")
    if missing:
        notes.append(f"the file is cut off: {missing} bytes are missing at its end")
    notes += extras
    notes += other_parts
    notes += join_notes(recordings.joins, video.start_pts * video.time_base)
    notes += [f"its {name} metadata is not carried" for name in video.hdr.dynamic]
    video = video.model_copy(update={"field_order": fields.order, "field_evidence": fields.evidence, "bars": bars})
    return info.model_copy(update={"video": video, "notes": tuple(notes)})


def _other_parts(container: InputContainer, stream: VideoStream, location: str) -> list[str]:
    """Sentences that name what the file holds beside the film and could be taken for it."""
    notes = []
    if stream.metadata.get("alpha_mode") == "1":
        notes.append("transparency is left out (the stream's alpha layer)")
    notes += hevc_layer_notes(stream, location)
    still = single_pictures(film_streams(container), location)
    notes += [
        f"video stream {index} holds a single picture; the film is video stream {stream.index}"
        for index in sorted(still - {stream.index})
    ]
    if container.format.name == "mpegts":
        programmes = read_programmes(location)
        others = sorted(other_programmes(programmes, stream.id))
        if others:
            numbers = ", ".join(map(str, others))
            notes.append(f"it holds other programmes ({numbers}), which are left out: the film's own is carried alone")
        pages = teletext(programmes)
        notes += [f"stream {s.index} is teletext, which is not carried" for s in container.streams if s.id in pages]
    return notes


def _first_frame(container: InputContainer, stream: VideoStream, location: str, joins: Sequence[ClockJoin]) -> RawFrame:
    first = next(iter(VideoDecoder(container, stream, location, conceal=True, joins=joins)), None)
    if first is None:
        raise InputError(
            "its video stream holds not one frame that decodes", location, "give a file whose film is in it"
        )
    return first


def _duration(container: InputContainer, stream: VideoStream, first: RawFrame) -> Fraction:
    """Seconds of film: the stream's own, or what the container lasts from the stream's first frame on."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    before = first.record.pts * Fraction(stream.time_base or 1) - Fraction(container.start_time or 0, av.time_base)
    rest = max(Fraction(0), Fraction(container.duration or 0, av.time_base) - before)
    # Matroska's own duration counts a subtitle without an end as one of weeks.
    return min(rest, _tagged_duration(stream) or rest)


def _tagged_duration(stream: VideoStream) -> Fraction:
    """Seconds by Matroska's statistics tags, which hold `hh:mm:ss.fraction`; 0 without such a tag."""
    tagged = next((value for key, value in stream.metadata.items() if key.startswith("DURATION")), "")
    match = _CLOCK.fullmatch(tagged)
    return int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3]) if match else Fraction(0)


def _rate(stream: VideoStream, first: av.VideoFrame) -> Fraction:
    """Frames per second, 0 when unknown. Some demuxers give the rate of their clock, which no film has."""
    own = stream.codec_context.framerate
    rates = (stream.average_rate, stream.guessed_rate, own)
    rate = next((Fraction(rate) for rate in rates if rate and rate <= _MAX_RATE), Fraction(0))
    # An MP4 file may hold each field of H.264 as a sample, and then counts those.
    fields = first.interlaced_frame and stream.codec_context.codec.canonical_name == "h264"
    return Fraction(own) if fields and own and own < rate <= 2 * own else rate


def _video(stream: VideoStream, first: RawFrame, duration: Fraction, dynamic: set[str]) -> VideoInfo:
    frame = first.frame
    hdr = hdr_of(frame)
    rate = _rate(stream, frame)
    # Where fields are counted, they are no number of frames.
    counted = 0 if stream.average_rate and rate < stream.average_rate <= 2 * rate else stream.frames
    matrix = matrix_of(frame)
    codec = stream.codec_context.codec.canonical_name
    return VideoInfo(
        index=stream.index,
        codec=codec,
        width=frame.width,
        height=frame.height,
        pix_fmt=conversion(frame.format.name).target,
        source_pix_fmt=frame.format.name,
        time_base=Fraction(stream.time_base or 1),
        start_pts=first.record.pts,
        average_rate=rate,
        frames_estimate=counted or round(duration * rate),
        sample_aspect_ratio=Fraction(stream.sample_aspect_ratio or 1),
        rotation=rotation_of(matrix),
        mirrored=is_mirrored(matrix),
        display_matrix=matrix,
        colour=colour_of(frame, codec),
        chroma_siting=chroma_siting(stream, frame.format.name, conversion(frame.format.name).target),
        hdr=hdr.model_copy(update={"dynamic": tuple(sorted({*hdr.dynamic, *dynamic}))}),
    )


def _stream(stream: Stream) -> StreamInfo:
    context: Any = stream.codec_context
    details = ""
    if isinstance(stream, AudioStream) and context is not None and stream.sample_rate:
        details = f"{stream.sample_rate} Hz, {stream.layout.name}"
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=context.codec.canonical_name if context is not None else stream.metadata.get("mimetype", ""),
        language=stream.metadata.get("language", ""),
        title=track_title(stream.metadata) or stream.metadata.get("filename", ""),
        details=details,
    )


def _chapter(chapter: SourceChapter) -> Chapter:
    unit = Fraction(chapter["time_base"] or 1)
    return Chapter(
        start=chapter["start"] * unit,
        end=chapter["end"] * unit,
        title=chapter["metadata"].get("title", ""),
    )


def _sampled(info: SourceInfo, bound: ReadBound) -> tuple[FieldFinding, Bars, bool]:
    """Field order, borders and whether there are captions, from frames all over the film.

    Holds one whole frame at a time.
    """
    video, captions = info.video, False
    fields = FieldDetector(video.codec)

    def last_of_runs(container: InputContainer, stream: VideoStream) -> Iterator[Picture]:
        nonlocal captions
        for run in sample_runs(container, stream, info, bound):
            fields.begin_run()
            last: av.VideoFrame | None = None
            for frame in run:
                if (frame.width, frame.height, frame.format.name) != (video.width, video.height, video.source_pix_fmt):
                    continue
                last = frame
                captions = captions or has_caption_data(frame)
                luma, depth = luma_of(frame)
                fields.add(luma, depth, flagged=frame.interlaced_frame)
            if last is not None:
                yield picture_of(last, Bars())

    with open_source(info.location, bound=bound) as container:
        bars = detect_bars(last_of_runs(container, video_stream(container, info.location)))
    return fields.finding(), bars, captions
