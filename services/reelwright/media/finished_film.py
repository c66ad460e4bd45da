"""Reads a finished film: its timeline, its decoded frames and the data of its other streams."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Stream

from reelwright.media.captions import caption_digest
from reelwright.media.container import open_source
from reelwright.media.damage import SliceChecks
from reelwright.media.formats import picture_of
from reelwright.media.picture import Picture
from reelwright.media.source_info import Bars
from reelwright.media.stream_choice import video_stream
from reelwright.media.stream_copy import PayloadDigest
from reelwright.media.stream_outcome import StreamOutcome
from reelwright.media.stream_times import PacketTimes, TimedStream
from reelwright.media.streams import codec_name, is_cover
from reelwright.media.tags import disposition_names
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import CorruptPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmTimeline:
    """A film's pictures in time, in presentation order.

    Attributes:
        time_base: seconds per unit of `pts` and `durations`.
        pts: of each frame that a player shows.
        durations: of each, 0 where the container does not say.
        width: stored columns.
        height: stored rows.
        pix_fmt: FFmpeg's name.
        chapters: how many there are.
        streams: the sound and subtitles that it holds, in order.
        tags: of the film.
        picture_tags: of its picture.
        timecode: of the picture; empty for none.
    """

    time_base: Fraction
    pts: tuple[int, ...]
    durations: tuple[int, ...]
    width: int
    height: int
    pix_fmt: str
    chapters: int
    streams: tuple[TimedStream, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    picture_tags: Mapping[str, str] = field(default_factory=dict)
    timecode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDigest:
    """One of a film's other streams.

    Attributes:
        index: of the stream in the film.
        kind: audio, subtitle, attachment or data.
        codec: FFmpeg's common name.
        packets: number of packets, as StreamOutcome counts them.
        sha256: of the packets' payloads, as hex, as StreamOutcome computes it.
    """

    index: int
    kind: str
    codec: str
    packets: int
    sha256: str


def read_timeline(path: str | Path) -> FilmTimeline:
    """The film's timeline, and those of its sound and subtitles, read from the packets without decoding them.

    Raises:
        InputError: not a film that can be opened.
    """
    with open_source(str(path)) as container:
        stream = video_stream(container, str(path))
        others = {
            other.index: TimedStream(
                other.type, PacketTimes(other, codec_name(other)), other.metadata, disposition_names(other.disposition)
            )
            for other in container.streams
            if other.type in {"audio", "subtitle"}
        }
        shown: list[tuple[int, int]] = []
        for packet in container.demux([stream, *(container.streams[index] for index in others)]):
            heartbeat()
            if not packet.size:
                continue
            if packet.stream.index != stream.index:
                others[packet.stream.index].times.add(packet)
            elif packet.pts is not None and not packet.is_discard:
                shown.append((packet.pts, packet.duration or 0))
        shown.sort()
        tags = stream.metadata
        return FilmTimeline(
            time_base=Fraction(stream.time_base or 1),
            pts=tuple(pts for pts, _ in shown),
            durations=tuple(duration for _, duration in shown),
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            pix_fmt=stream.codec_context.pix_fmt or "",
            chapters=len(container.chapters()),
            streams=tuple(others.values()),
            tags=dict(container.metadata),
            picture_tags=dict(tags),
            timecode=next((value for key, value in tags.items() if key.lower() == "timecode"), ""),
        )


def frame_digests(path: str | Path, threads: int = 0) -> Iterator[str]:
    """`Picture.digest()` of each decoded frame, in presentation order; FFV1's slice CRCs are checked on the way.

    Args:
        path: the film.
        threads: decoder threads; 0 for one per core.

    Raises:
        InputError: not a film that can be opened.
        CorruptPayload: a frame does not decode or a slice does not match its CRC.
    """
    with open_source(str(path)) as container:
        stream = video_stream(container, str(path))
        stream.codec_context.thread_count = threads
        checks = SliceChecks() if stream.codec_context.name == "ffv1" else None
        count = 0
        try:
            for packet in container.demux(stream):
                if checks is not None and packet.size and checks.broken(bytes(packet)):
                    raise CorruptPayload(f"{path}: frame {count} does not match its checksum")
                for frame in packet.decode():
                    yield picture_of(frame, Bars()).digest()
                    count += 1
        except av.FFmpegError as error:
            raise CorruptPayload(f"{path}: frame {count} does not decode: {error.strerror}") from None


def pictures_of(path: str | Path, wanted: Container[int], bars: Bars) -> Iterator[tuple[int, Picture]]:
    """Some of a film's decoded pictures without their borders, each with its index.

    Args:
        path: the film.
        wanted: indices of the frames.
        bars: the borders, in samples of the film.

    Raises:
        InputError: not a film that can be opened.
        CorruptPayload: a frame does not decode.
    """
    with open_source(str(path)) as container:
        count = 0
        try:
            for frame in container.decode(video_stream(container, str(path))):
                if count in wanted:
                    yield count, picture_of(frame, bars)
                count += 1
        except av.FFmpegError as error:
            raise CorruptPayload(f"{path}: frame {count} does not decode: {error.strerror}") from None


def stream_digests(path: str | Path) -> tuple[StreamDigest, ...]:
    """The film's streams beside its picture, read packet by packet; a chapter track is not one of them.

    Raises:
        InputError: not a film that can be opened.
    """
    with open_source(str(path)) as container:
        main = video_stream(container, str(path))
        others = [s for s in container.streams if s.index != main.index and s.type != "data"]
        read = _payloads(container, [s for s in others if not isinstance(s, AttachmentStream)])
        return tuple(_digest_of(stream, read.get(stream.index)) for stream in others)


def missing_copies(path: str | Path, outcomes: tuple[StreamOutcome, ...]) -> tuple[StreamOutcome, ...]:
    """The streams that were copied into the film and are not, or not unchanged, in it now.

    Raises:
        InputError: not a film that can be opened.
    """
    held = [digest.sha256 for digest in stream_digests(path)]
    if any(outcome.kind == "captions" for outcome in outcomes):
        held.append(caption_digest(str(path))[1])
    missing = []
    for outcome in outcomes:
        # MP4 drops a track in which there is nothing.
        if outcome.outcome != "copied" or not outcome.packets:
            continue
        if outcome.sha256 in held:
            held.remove(outcome.sha256)
        else:
            missing.append(outcome)
    return tuple(missing)


def _payloads(container: InputContainer, streams: list[Stream]) -> dict[int, PayloadDigest]:
    digests = {stream.index: PayloadDigest(codec_name(stream)) for stream in streams}
    for packet in container.demux(streams) if streams else ():
        if packet.size:
            digests[packet.stream.index].add(packet)
    return digests


def _digest_of(stream: Stream, read: PayloadDigest | None) -> StreamDigest:
    kind = "cover" if is_cover(stream) else stream.type
    if isinstance(stream, AttachmentStream):
        sha256 = hashlib.sha256(stream.data).hexdigest()
        return StreamDigest(index=stream.index, kind=kind, codec=codec_name(stream), packets=1, sha256=sha256)
    assert read is not None
    return StreamDigest(
        index=stream.index, kind=kind, codec=codec_name(stream), packets=read.packets, sha256=read.hexdigest()
    )
