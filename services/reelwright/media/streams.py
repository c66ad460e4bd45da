"""What becomes of a source's other streams: copied packet for packet, converted, or left out with the reason."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import cast

import av
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from reelwright.media.carriers import AudioConversion, Carrier, Clock, Copy, TextConversion
from reelwright.media.container import open_source
from reelwright.media.profiles import ProfileSpec
from reelwright.media.types import StreamOutcome

# Tags that describe the old file and not the film in it.
_OF_THE_FILE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "bps",
    "number_of_frames",
    "number_of_bytes",
    "vendor_id",
    "timecode",
}
_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
_COVER_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
# Per channel: 256 kbit/s for stereo, where AAC is transparent to most listeners.
_AAC_BIT_RATE = 128_000
_COMMON_RATE = 48_000


@dataclass(frozen=True)
class Carriage:
    """How the other streams travel: carriers by source stream index, and the outcomes that are known already."""

    carriers: Mapping[int, Carrier]
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
    carriers: dict[int, Carrier] = {}
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


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Tags that are about the film, not about the file that held it."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _OF_THE_FILE
        and not key.startswith("_STATISTICS")
        and not (key.lower() == "handler_name" and value.endswith("Handler"))
    }


def codec_name(stream: Stream) -> str:
    """The codec by FFmpeg's common name; an attachment's MIME type."""
    if isinstance(stream, AttachmentStream):
        return stream.mimetype or "unknown"
    context = cast("object", stream.codec_context)
    return stream.codec_context.codec.canonical_name if context is not None else stream.name or "unknown"


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still picture about the film."""
    return stream.type == "video" and bool(stream.disposition & _COVERS)


def _carry(
    stream: Stream, location: str, film: OutputContainer, spec: ProfileSpec, clock: Clock
) -> Carrier | StreamOutcome:
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
    if _copied(stream, spec):
        return Copy(about, stream, _dressed(_add_copy(film, stream), stream), clock)
    if isinstance(stream, AudioStream):
        return _convert_audio(stream, film, spec, about, clock)
    if isinstance(stream, SubtitleStream) and stream.codec_context.codec.text_sub:
        return _convert_text(stream, film, spec, about, clock)
    return about


def _copied(stream: Stream, spec: ProfileSpec) -> bool:
    unplayable = stream.type == "audio" and codec_name(stream).startswith(spec.unplayable)
    return not unplayable and _holds(spec, lambda trial: _add_copy(trial, stream))


def _attach(stream: AttachmentStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome) -> StreamOutcome:
    if not _holds(spec, lambda trial: _add_copy(trial, stream)):
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
) -> Carrier | StreamOutcome:
    if not is_cover(stream):
        return about.model_copy(update={"reason": "only the main picture is restored"})
    if spec.container == "matroska" and about.codec in _COVER_TYPES:
        # Matroska keeps a cover as an attached file; as a track it would be a film of one picture.
        data = _first_payload(location, stream.index)
        film.add_attachment(*_COVER_TYPES[about.codec], data)
        return _settled_copy(about, data)
    if spec.container == "matroska" or not _holds(spec, lambda trial: _add_copy(trial, stream)):
        return about
    target = _add_copy(film, stream)
    target.disposition = Disposition.attached_pic
    return Copy(about, stream, target, clock)


def _convert_audio(
    stream: AudioStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome, clock: Clock
) -> Carrier | StreamOutcome:
    for layout in dict.fromkeys((stream.layout.name, "stereo")):
        add = partial(_add_audio, stream=stream, spec=spec, layout=layout)
        if _holds(spec, add):
            mixed = "" if layout == stream.layout.name else ", mixed down to stereo"
            reason = f"{about.codec} does not play from {spec.suffix[1:]} files; now {spec.audio}{mixed}"
            target = cast("AudioStream", _dressed(add(film), stream))
            return AudioConversion(about.model_copy(update={"reason": reason}), stream, target, clock)
    return about


def _add_audio(film: OutputContainer, stream: AudioStream, spec: ProfileSpec, layout: str) -> AudioStream:
    codec = Codec(spec.audio, "w")
    rate = stream.sample_rate
    if codec.audio_rates and rate not in codec.audio_rates:
        rate = _COMMON_RATE
    target = cast("AudioStream", film.add_stream(spec.audio, rate=rate))
    target.codec_context.layout = layout
    formats = [known.name for known in codec.audio_formats or ()]
    own = stream.format.packed.name
    target.codec_context.format = own if own in formats else formats[-1]
    if spec.audio == "aac":
        target.codec_context.bit_rate = _AAC_BIT_RATE * target.codec_context.channels
    return target


def _convert_text(
    stream: SubtitleStream, film: OutputContainer, spec: ProfileSpec, about: StreamOutcome, clock: Clock
) -> Carrier:
    target = cast("SubtitleStream", film.add_stream(spec.subtitles))
    target.time_base = stream.time_base
    stream.codec_context.open(strict=False)
    # The encoders take the styles that the decoder found as an ASS header.
    target.codec_context.subtitle_header = stream.codec_context.subtitle_header
    reason = f"{spec.suffix[1:]} files hold no {about.codec}; now {spec.subtitles}"
    about = about.model_copy(update={"reason": reason})
    return TextConversion(about, stream, cast("SubtitleStream", _dressed(target, stream)), clock)


def _add_copy(film: OutputContainer, stream: Stream) -> Stream:
    return film.add_stream_from_template(stream, opaque=True)


def _dressed(target: Stream, stream: Stream) -> Stream:
    """Gives the film's stream the source stream's language, title and role."""
    target.disposition = stream.disposition
    target.metadata.update(kept_metadata(stream.metadata))
    return target


def _holds(spec: ProfileSpec, add: Callable[[OutputContainer], object]) -> bool:
    """Whether libavformat writes a header of this container with the stream that `add` adds."""
    trial = av.open(io.BytesIO(), "w", format=spec.container)
    try:
        add(trial)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError, ValueError):
            trial.close()
    return True


def _first_payload(location: str, index: int) -> bytes:
    with open_source(location) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _is_chapter_text(stream: Stream, source: InputContainer) -> bool:
    """QuickTime files keep chapter titles in a track of their own; the muxer writes the film's anew."""
    return stream.type == "data" and stream.name == "bin_data" and bool(source.chapters())


def _settled_copy(about: StreamOutcome, data: bytes) -> StreamOutcome:
    sha256 = hashlib.sha256(data).hexdigest()
    return about.model_copy(update={"outcome": "copied", "reason": "", "packets": 1, "sha256": sha256})
