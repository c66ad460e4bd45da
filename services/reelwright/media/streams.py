"""What becomes of a source's other streams: each is copied, converted, or left out with the reason."""

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

from reelwright.media.audio_conversion import convert_audio
from reelwright.media.caption_text import CaptionTrack
from reelwright.media.container import open_source
from reelwright.media.container_support import container_holds
from reelwright.media.edit_list import EditList
from reelwright.media.edited_sound import EditedSound
from reelwright.media.pcm_gaps import PCM, GapFiller
from reelwright.media.profiles import ProfileSpec
from reelwright.media.programmes import other_programmes, read_programmes, teletext
from reelwright.media.stream_copy import StreamClock, StreamCopy, StreamWriter
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.subtitle_copy import SubtitleCopy
from reelwright.media.tags import describe_stream, track_title
from reelwright.media.text_conversion import convert_text

# Sound that can be decoded and encoded again without a loss.
_LOSSLESS = ("pcm_", "flac", "alac")
_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
_COVER_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


@dataclass(frozen=True)
class OtherStreams:
    """How a source's other streams are written.

    Attributes:
        writers: by source stream index.
        settled: the outcomes of those that need no writer.
    """

    writers: Mapping[int, StreamWriter]
    settled: tuple[StreamOutcome, ...]

    def outcomes(self) -> tuple[StreamOutcome, ...]:
        """What became of every stream, in the source's order."""
        written = (writer.outcome() for writer in self.writers.values())
        return tuple(sorted((*self.settled, *written), key=lambda outcome: outcome.index))


@dataclass(frozen=True, kw_only=True)
class StreamPlanner:
    """Decides how each of a source's other streams is carried, and adds it to the film.

    Attributes:
        location: of the source.
        film: the film; its header is not written yet.
        spec: its profile.
        shift: seconds from the source's time to the film's.
        longest_subtitle: seconds; a subtitle that lasts longer is an endless one.
    """

    location: str
    film: OutputContainer
    spec: ProfileSpec
    shift: Fraction
    longest_subtitle: Fraction

    def add_streams(self, source: InputContainer, main: VideoStream) -> OtherStreams:
        """Adds to the film what it takes over of the source besides `main`."""
        writers: dict[int, StreamWriter] = {}
        settled: list[StreamOutcome] = []
        found = read_programmes(self.location) if source.format.name == "mpegts" else {}
        others, pages = other_programmes(found, main.id), teletext(found)
        programmes = {pid: number for number, pids in others.items() for pid in pids}
        for stream in source.streams:
            if stream.index == main.index or _is_chapter_text(stream, source):
                continue
            outcome = self._left_out(stream)
            if stream.id in programmes:
                reason = f"it belongs to another programme ({programmes[stream.id]})"
                result: StreamWriter | StreamOutcome = outcome.model_copy(update={"reason": reason})
            elif stream.id in pages and not _is_known(stream):
                reason = "teletext is not decoded here, and no film holds its pages"
                result = outcome.model_copy(update={"codec": "dvb_teletext", "reason": reason})
            else:
                result = self._add(stream, outcome)
            if isinstance(result, StreamOutcome):
                settled.append(result)
            else:
                writers[stream.index] = result
        return OtherStreams(writers, tuple(settled))

    def leave_out(self, source: InputContainer, main: VideoStream) -> OtherStreams:
        """Leaves out everything besides `main`, as an excerpt does."""
        streams = [each for each in source.streams if each.index != main.index and not _is_chapter_text(each, source)]
        update = {"reason": "an excerpt has pictures only"}
        return OtherStreams({}, tuple(self._left_out(each).model_copy(update=update) for each in streams))

    def _left_out(self, stream: Stream) -> StreamOutcome:
        """The outcome of a stream that the film's container does not hold."""
        return StreamOutcome(
            index=stream.index,
            kind="cover" if is_cover(stream) else stream.type,
            codec=codec_name(stream),
            language=stream.metadata.get("language", ""),
            title=track_title(stream.metadata),
            outcome="left out",
            reason=f"{self.spec.suffix[1:]} files hold no {codec_name(stream)} {stream.type}",
        )

    def _add(self, stream: Stream, outcome: StreamOutcome) -> StreamWriter | StreamOutcome:
        if isinstance(stream, AttachmentStream):
            return self._attach(stream, outcome)
        if stream.type == "video":
            return self._add_cover(stream, outcome)
        if stream.type == "data":
            reason = "the film gets a new timecode" if _is_timecode(stream) else "data beside the film is not carried"
            return outcome.model_copy(update={"reason": reason})
        if not _is_known(stream):
            return outcome.model_copy(update={"reason": "its codec is not known here"})
        if isinstance(stream, AudioStream):
            return self._add_audio(stream, outcome)
        return self._add_subtitles(cast("SubtitleStream", stream), outcome)

    def _add_audio(self, stream: AudioStream, outcome: StreamOutcome) -> StreamWriter | StreamOutcome:
        if not stream.sample_rate:
            reason = "no packet of it was found in the first 100 seconds and 48 MiB, so that its format is not known"
            return outcome.model_copy(update={"reason": reason})
        edits = EditList.of(stream, self.location)
        in_place = edits.starts_at + round(self.shift / Fraction(stream.time_base or 1)) <= 0
        edited = edits.needs_decoding(
            lossless=outcome.codec.startswith(_LOSSLESS) and self.spec.audio != "aac",
            trims=in_place and self.spec.container != "matroska",
        )
        playable = not outcome.codec.startswith(self.spec.unplayable)
        if playable and not edited and self._holds(stream):
            target = self._copy_of(stream)
            copy = StreamCopy(
                outcome, stream, clock=self._clock(target), heard_from=edits.starts_at, ends_at=edits.ends_at
            )
            # MP4 and MOV count uncompressed sound in samples alone, so a gap would be closed there.
            return GapFiller(copy, stream) if self.spec.container != "matroska" and _is_pcm(outcome) else copy
        reason = outcome.reason
        if edited:
            reason = "its edit list cuts it inside its packets"
        elif not playable:
            reason = f"{outcome.codec} does not play from {self.spec.suffix[1:]} files"
        converting = outcome.model_copy(update={"reason": reason})
        sound = EditedSound(self.location, stream.index, edits.edits.parts) if edits.edits else None
        converted = convert_audio(stream, self.film, spec=self.spec, outcome=converting, shift=self.shift, edited=sound)
        if converted is None:
            return outcome
        describe_stream(converted.target, stream, self.spec)
        return converted

    def _add_subtitles(self, stream: SubtitleStream, outcome: StreamOutcome) -> StreamWriter | StreamOutcome:
        if self._holds(stream):
            return SubtitleCopy(outcome, self._clock(self._copy_of(stream)), self.shift, self.longest_subtitle)
        if not stream.codec_context.codec.text_sub:
            return outcome
        if outcome.codec == "eia_608":
            track = CaptionTrack(outcome, self.film, self.spec, self.shift)
            describe_stream(track.target, stream, self.spec)
            return track
        converted = convert_text(
            stream, self.film, spec=self.spec, outcome=outcome, shift=self.shift, longest=self.longest_subtitle
        )
        describe_stream(converted.target, stream, self.spec)
        return converted

    def _attach(self, stream: AttachmentStream, outcome: StreamOutcome) -> StreamOutcome:
        if not self._holds(stream):
            return outcome.model_copy(update={"reason": f"{self.spec.suffix[1:]} files hold no attachments"})
        _add_template(self.film, stream)
        return _copied_whole(outcome, stream.data)

    def _add_cover(self, stream: Stream, outcome: StreamOutcome) -> StreamWriter | StreamOutcome:
        if not is_cover(stream):
            return outcome.model_copy(update={"reason": "only the main picture is restored"})
        if self.spec.container == "matroska" and outcome.codec in _COVER_TYPES:
            # Matroska keeps a cover as an attached file; as a track it would be a film of one picture.
            data = _first_payload(self.location, stream.index)
            self.film.add_attachment(*_COVER_TYPES[outcome.codec], data)
            return _copied_whole(outcome, data)
        if self.spec.container == "matroska" or not self._holds(stream):
            return outcome
        target = _add_template(self.film, stream)
        target.disposition = Disposition.attached_pic
        return StreamCopy(outcome, stream, clock=self._clock(target))

    def _holds(self, stream: Stream) -> bool:
        return container_holds(self.spec, lambda container: _add_template(container, stream))

    def _copy_of(self, stream: Stream) -> Stream:
        target = _add_template(self.film, stream)
        describe_stream(target, stream, self.spec)
        return target

    def _clock(self, target: Stream) -> StreamClock:
        strict = self.spec.container != "matroska" and target.type != "subtitle"
        return StreamClock(self.shift, target, strict=strict)


def codec_name(stream: Stream) -> str:
    """The codec by FFmpeg's common name; an attachment's MIME type."""
    if isinstance(stream, AttachmentStream):
        return stream.mimetype or "unknown"
    return stream.codec_context.codec.canonical_name if _is_known(stream) else getattr(stream, "name", "") or "unknown"


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still picture about the film."""
    return stream.type == "video" and bool(stream.disposition & _COVERS)


def _add_template(film: OutputContainer, stream: Stream) -> Stream:
    return film.add_stream_from_template(stream, opaque=True)


def _first_payload(location: str, index: int) -> bytes:
    with open_source(location) as source:
        return next((bytes(packet) for packet in source.demux(source.streams[index]) if packet.size), b"")


def _is_known(stream: Stream) -> bool:
    return cast("object", stream.codec_context) is not None


def _is_pcm(outcome: StreamOutcome) -> bool:
    return PCM.match(outcome.codec) is not None


def _is_timecode(stream: Stream) -> bool:
    return any(key.lower() == "timecode" for key in stream.metadata)


def _is_chapter_text(stream: Stream, source: InputContainer) -> bool:
    """QuickTime files keep chapter titles in a track; the muxer writes the film's anew."""
    return stream.type == "data" and stream.name == "bin_data" and bool(source.chapters())


def _copied_whole(outcome: StreamOutcome, data: bytes) -> StreamOutcome:
    sha256 = hashlib.sha256(data).hexdigest()
    return outcome.model_copy(update={"outcome": "copied", "reason": "", "packets": 1, "sha256": sha256})
