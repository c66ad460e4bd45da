"""What becomes of a source's other streams: copied packet for packet, converted, or left out with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from reelwright.media.container import open_source
from reelwright.media.convert import convert_audio, convert_text
from reelwright.media.profiles import ProfileSpec
from reelwright.media.stream_copy import Clock, StreamCopy, StreamWriter, dressed, holds
from reelwright.media.types import StreamOutcome

_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
_COVER_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


@dataclass(frozen=True)
class Carriage:
    """How the other streams travel: carriers by source stream index, and the outcomes that are known already."""

    carriers: Mapping[int, StreamWriter]
    settled: tuple[StreamOutcome, ...]

    def outcomes(self) -> tuple[StreamOutcome, ...]:
        """What became of every stream, in the source's order."""
        carried = (carrier.outcome() for carrier in self.carriers.values())
        return tuple(sorted((*self.settled, *carried), key=lambda outcome: outcome.index))


def carry_streams(
    source: InputContainer,
    location: str,
    main: VideoStream,
    film: OutputContainer,
    spec: ProfileSpec,
    shift: Fraction,
) -> Carriage:
    """Adds to the film what it takes over of the source besides `main`; its header must not be written yet.

    Args:
        source: the source, which keeps its place.
        location: where it lies.
        main: the stream that was restored.
        film: the film.
        spec: its profile.
        shift: seconds from the source's time to the film's.
    """
    carriers: dict[int, StreamWriter] = {}
    settled: list[StreamOutcome] = []
    for stream in source.streams:
        if stream.index == main.index or _is_chapter_text(stream, source):
            continue
        result = _carry(stream, location, film, spec, Clock(shift))
        if isinstance(result, StreamOutcome):
            settled.append(result)
        else:
            carriers[stream.index] = result
    return Carriage(carriers, tuple(settled))


def codec_name(stream: Stream) -> str:
    """The codec by FFmpeg's common name; an attachment's MIME type."""
    if isinstance(stream, AttachmentStream):
        return stream.mimetype or "unknown"
    return stream.codec_context.codec.canonical_name if _is_known(stream) else getattr(stream, "name", "") or "unknown"


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still picture about the film."""
    return stream.type == "video" and bool(stream.disposition & _COVERS)


def _carry(
    stream: Stream, location: str, film: OutputContainer, spec: ProfileSpec, clock: Clock
) -> StreamWriter | StreamOutcome:
    about = StreamOutcome(
        index=stream.index,
        kind="cover" if is_cover(stream) else stream.type,
        codec=codec_name(stream),
        language=stream.metadata.get("language", ""),
        outcome="left out",
        reason=f"{spec.suffix[1:]} files hold no {codec_name(stream)} {stream.type}",
    )
    if isinstance(stream, AttachmentStream):
        return _attach(stream, film, spec, about)
    if stream.type == "video":
        return _cover(stream, location, film, spec, about, clock)
    if not _is_known(stream):
        return about.model_copy(update={"reason": "its codec is not known here"})
    return _sound_or_text(stream, film, spec, about, clock)


def _sound_or_text(
    stream: Stream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome, clock: Clock
) -> StreamWriter | StreamOutcome:
    if _copied(stream, spec):
        return StreamCopy(about, stream, dressed(_add_copy(film, stream), stream), clock)
    if isinstance(stream, AudioStream):
        return convert_audio(stream, film, spec, about, clock)
    if isinstance(stream, SubtitleStream) and stream.codec_context.codec.text_sub:
        return convert_text(stream, film, spec, about, clock)
    return about


def _copied(stream: Stream, spec: ProfileSpec) -> bool:
    unplayable = stream.type == "audio" and codec_name(stream).startswith(spec.unplayable)
    return not unplayable and holds(spec, lambda trial: _add_copy(trial, stream))


def _attach(stream: AttachmentStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome) -> StreamOutcome:
    if not holds(spec, lambda trial: _add_copy(trial, stream)):
        return about.model_copy(update={"reason": f"{spec.suffix[1:]} files hold no attachments"})
    _add_copy(film, stream)
    return _settled_copy(about, stream.data)


def _cover(
    stream: Stream,
    location: str,
    film: OutputContainer,
    spec: ProfileSpec,
    about: StreamOutcome,
    clock: Clock,
) -> StreamWriter | StreamOutcome:
    if not is_cover(stream):
        return about.model_copy(update={"reason": "only the main picture is restored"})
    if spec.container == "matroska" and about.codec in _COVER_TYPES:
        # Matroska keeps a cover as an attached file; as a track it would be a film of one picture.
        data = _first_payload(location, stream.index)
        film.add_attachment(*_COVER_TYPES[about.codec], data)
        return _settled_copy(about, data)
    if spec.container == "matroska" or not holds(spec, lambda trial: _add_copy(trial, stream)):
        return about
    target = _add_copy(film, stream)
    target.disposition = Disposition.attached_pic
    return StreamCopy(about, stream, target, clock)


def _add_copy(film: OutputContainer, stream: Stream) -> Stream:
    return film.add_stream_from_template(stream, opaque=True)


def _first_payload(location: str, index: int) -> bytes:
    with open_source(location) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _is_known(stream: Stream) -> bool:
    return cast("object", stream.codec_context) is not None


def _is_chapter_text(stream: Stream, source: InputContainer) -> bool:
    """QuickTime files keep chapter titles in a track of their own; the muxer writes the film's anew."""
    return stream.type == "data" and stream.name == "bin_data" and bool(source.chapters())


def _settled_copy(about: StreamOutcome, data: bytes) -> StreamOutcome:
    sha256 = hashlib.sha256(data).hexdigest()
    return about.model_copy(update={"outcome": "copied", "reason": "", "packets": 1, "sha256": sha256})
