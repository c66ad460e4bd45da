"""Writes film files from pictures with PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition

from reelwright.media.picture import Picture
from reelwright.media.scheduling import kept_scheduling

if TYPE_CHECKING:
    # A name of PyAV's stubs alone.
    from av.container.core import Chapter

_AUDIO_RATE = 48000
_X264 = {"preset": "ultrafast", "bf": "0", "g": "12"}
_INTERLACED = 0x20000000 | 0x00040000  # AV_CODEC_FLAG_INTERLACED_ME | AV_CODEC_FLAG_INTERLACED_DCT


@dataclass(frozen=True)
class Film:
    """The content of a film file.

    Attributes:
        shots: (presentation time in seconds, picture) in order.
        rate: nominal frame rate.
        time_base: the encoder's unit of time in seconds; 1/rate when None.
        codec: name of the video encoder.
        pix_fmt: pixel format of the film; that of the pictures when empty.
        options: of the video encoder.
        interlaced: whether frames are encoded as two fields.
        colour: range, primaries, transfer, matrix as FFmpeg's numbers.
        sar: sample aspect ratio.
        rotation: of the display matrix, in degrees.
        audio, subtitles: names of encoders; no stream when empty.
        audio_start: time of the first audio sample, in seconds.
        chapters: number of chapters.
        attachment: whether a font is attached.
        metadata: of the container.
        container_options: of the muxer.
    """

    shots: Iterable[tuple[Fraction, Picture]]
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    codec: str = "libx264"
    pix_fmt: str = ""
    options: dict[str, str] = field(default_factory=dict)
    interlaced: bool = False
    colour: tuple[int, int, int, int] = (0, 2, 2, 2)
    sar: Fraction | None = None
    rotation: int = 0
    mirrored: bool = False
    audio: str = ""
    audio_start: Fraction = Fraction(0)
    subtitles: str = ""
    chapters: int = 0
    attachment: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


def write_film(path: Path, film: Film) -> list[Fraction]:
    """Encodes a film; the path's suffix decides the container. Returns the presentation times in seconds."""
    shots = list(film.shots)
    with av.open(str(path), "w", container_options=film.container_options) as out:
        out.metadata.update(film.metadata)
        video = _video_stream(out, film, shots[0][1])
        audio = _audio_stream(out, film.audio) if film.audio else None
        subtitles: Any = out.add_mux_stream(film.subtitles) if film.subtitles else None
        if film.attachment:
            out.add_attachment("font.ttf", "application/x-truetype-font", bytes(range(256)) * 8)
        duration = shots[-1][0] + 1 / film.rate
        if film.chapters:
            out.set_chapters(_chapters(film.chapters, duration))
        for packet in _interleaved(film, shots, video, audio, subtitles, duration):
            out.mux(packet)
    return [time for time, _ in shots]


def frame_of(picture: Picture, pix_fmt: str = "") -> av.VideoFrame:
    """The picture as an FFmpeg frame, converted to `pix_fmt` if it has another format."""
    frame = av.VideoFrame(picture.width, picture.height, picture.pix_fmt)
    for plane, samples in zip(frame.planes, picture.planes, strict=True):
        sample_bytes = samples.dtype.itemsize
        target = np.frombuffer(memoryview(plane), samples.dtype).reshape(-1, plane.line_size // sample_bytes)
        target[: samples.shape[0], : samples.shape[1]] = samples
    return frame.reformat(format=pix_fmt) if pix_fmt and pix_fmt != picture.pix_fmt else frame


def _video_stream(out: Any, film: Film, first: Picture) -> Any:
    options = {**_X264, **film.options} if film.codec == "libx264" else film.options
    video = out.add_stream(film.codec, rate=film.rate, options=options)
    context = video.codec_context
    context.width, context.height = first.width, first.height
    context.pix_fmt = film.pix_fmt or first.pix_fmt
    context.time_base = film.time_base or 1 / film.rate
    context.thread_count = 1
    if film.interlaced:
        context.flags |= _INTERLACED
    if film.sar:
        context.sample_aspect_ratio = film.sar
    if film.rotation or film.mirrored:
        video.set_display_rotation(film.rotation, hflip=film.mirrored)
    context.color_range, context.color_primaries, context.color_trc, context.colorspace = film.colour
    return video


def _audio_stream(out: Any, codec: str) -> Any:
    audio = out.add_stream(codec, rate=_AUDIO_RATE)
    audio.codec_context.layout = "mono"
    audio.metadata["language"] = "eng"
    return audio


def _chapters(count: int, duration: Fraction) -> list[Chapter]:
    step = int(duration * 1000 / count)
    return [
        {
            "id": i,
            "start": i * step,
            "end": (i + 1) * step,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": f"Part {i + 1}"},
        }
        for i in range(count)
    ]


def _interleaved(
    film: Film, shots: Sequence[tuple[Fraction, Picture]], video: Any, audio: Any, subtitles: Any, duration: Fraction
) -> list[Packet[Any]]:
    with kept_scheduling():
        packets = list(_video_packets(film, shots, video))
    if audio is not None:
        packets += _audio_packets(audio, film.audio_start, duration)
    if subtitles is not None:
        packets += _subtitle_packets(subtitles, duration, prefixed=film.subtitles == "mov_text")
    return sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base)


def _video_packets(film: Film, shots: Sequence[tuple[Fraction, Picture]], video: Any) -> Iterable[Packet[Any]]:
    time_base = film.time_base or 1 / film.rate
    for time, picture in shots:
        frame = frame_of(picture, film.pix_fmt)
        frame.time_base, frame.pts = time_base, round(time / time_base)
        # The encoder takes the colour of the frame before that of the stream.
        frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = film.colour
        yield from video.encode(frame)
    yield from video.encode(None)


def _audio_packets(audio: Any, start: Fraction, end: Fraction) -> list[Packet[Any]]:
    """Encodes a 440 Hz tone from `start` to `end`, in seconds."""
    first = int(start * _AUDIO_RATE)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(first, int(end * _AUDIO_RATE)) / _AUDIO_RATE)
    sound = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None, :], format="fltp", layout="mono")
    sound.sample_rate, sound.pts = _AUDIO_RATE, first
    sound.time_base = Fraction(1, _AUDIO_RATE)
    return [*audio.encode(sound), *audio.encode(None)]


def _subtitle_packets(subtitles: Any, duration: Fraction, *, prefixed: bool) -> list[Packet[Any]]:
    packets = []
    for index in range(2):
        text = f"Line {index + 1}".encode()
        # mov_text samples begin with the length of their text (3GPP TS 26.245).
        packet: Packet[Any] = Packet(len(text).to_bytes(2, "big") + text if prefixed else text)
        packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
        packet.pts = packet.dts = int(duration * 1000) * index // 2
        packet.duration = 800
        packets.append(packet)
    return packets


def write_sound(path: Path, seconds: Fraction, *, cover: Picture | None = None, empty_video: bool = False) -> None:
    """Writes a file with a tone and no film.

    Args:
        path: its suffix decides the container.
        seconds: duration of the tone.
        cover: a cover picture to attach.
        empty_video: whether it has a video stream without a frame.
    """
    with av.open(str(path), "w") as out:
        audio = _audio_stream(out, {".wav": "pcm_s16le", ".mp3": "libmp3lame"}.get(path.suffix, "aac"))
        packets = _audio_packets(audio, Fraction(0), seconds)
        if empty_video:
            _video_stream(out, Film([]), Picture("yuv420p", 160, 120, ()))
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = cover.width, cover.height, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            packets += [*picture.encode(frame_of(cover, "yuvj420p")), *picture.encode(None)]
        for packet in packets:
            out.mux(packet)


def write_film_with_changes(
    path: Path, pictures: Sequence[Picture], rate: Fraction, shapes: Sequence[Fraction] | None = None
) -> None:
    """Writes one MPEG-2 stream, with another encoder wherever the size or the sample shape changes."""
    parts = [(p.width, p.height, s) for p, s in zip(pictures, shapes or [Fraction(1)] * len(pictures), strict=True)]
    with av.open(str(path), "w") as out:
        stream = _video_stream(out, Film([], rate=rate, codec="mpeg2video", options={"b": "2M"}), pictures[0])
        out.start_encoding()
        for part in dict.fromkeys(parts):
            encoder = av.CodecContext.create("mpeg2video", "w")
            encoder.width, encoder.height, encoder.sample_aspect_ratio = part
            encoder.pix_fmt = pictures[0].pix_fmt
            encoder.time_base, encoder.framerate, encoder.bit_rate = 1 / rate, rate, 2_000_000
            for number, picture in enumerate(pictures):
                if parts[number] == part:
                    frame = frame_of(picture)
                    frame.pts, frame.time_base = number, 1 / rate
                    _mux_all(out, stream, encoder.encode(frame))
            _mux_all(out, stream, encoder.encode(None))


def _mux_all(out: Any, stream: Any, packets: list[Packet[Any]]) -> None:
    for packet in packets:
        packet.stream = stream
        out.mux(packet)
