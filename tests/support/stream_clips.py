"""Short films with sound and subtitles whose every moment is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet

from tests.support.clipmaker import frame_of
from tests.support.scenes import scene
from tests.support.unrestored_films import decoded_sound

RATE = 48000
COUNT = 50
ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, Bold\r\nStyle: Default,Arial,16,&Hffffff,0\r\n\r\n"
    b"[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def tone(start: float, seconds: float, channels: int = 1) -> np.ndarray:
    """A chirp, so that each moment sounds like no other; shape (channels, samples), in [-1, 1]."""
    time = np.arange(int(start * RATE), int((start + seconds) * RATE)) / RATE
    return np.tile(0.4 * np.sin(2 * np.pi * (200 + 300 * time) * time), (channels, 1)).astype(np.float32)


def write_film(
    path: Path,
    codec: str = "",
    *,
    options: dict[str, str] | None = None,
    layout: str = "mono",
    rate: int = RATE,
    chunk: int = 1024,
    parts: tuple[tuple[float, float], ...] = ((0.0, 2.0),),
    extra: Any = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Two seconds of picture with sound in the given parts (start, length in seconds) and what `extra` adds."""
    with av.open(str(path), "w", container_options=muxer or {}) as out:
        video: Any = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = out.add_stream(codec, rate=rate, options=options or {}) if codec else None
        if audio:
            audio.layout = layout
            audio.metadata["language"] = "fra"
        added = extra(out) if extra else ()
        packets = [*pictures(video), *(sounds(audio, parts, chunk) if audio else ()), *added]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            out.mux(packet)
    return path


def pictures(video: Any) -> Iterator[Packet[Any]]:
    """Two seconds of picture."""
    for number in range(COUNT):
        frame = frame_of(scene(number, "yuv420p", 64, 48))
        frame.pts, frame.time_base = number, Fraction(1, 25)
        yield from video.encode(frame)
    yield from video.encode(None)


def sounds(audio: Any, parts: tuple[tuple[float, float], ...], chunk: int = 1024) -> Iterator[Packet[Any]]:
    """The chirp in parts (start, length in seconds)."""
    rate = audio.codec_context.sample_rate
    for start, seconds in parts:
        samples = tone(start, seconds, len(audio.codec_context.layout.channels))[:, :: RATE // rate]
        for at in range(0, samples.shape[1], chunk):
            part = np.ascontiguousarray(samples[:, at : at + chunk])
            frame = av.AudioFrame.from_ndarray(part, "fltp", audio.codec_context.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = rate, int(start * rate) + at, Fraction(1, rate)
            yield from audio.encode(frame)
    yield from audio.encode(None)


def lag(path: Path, start: float = 0.4) -> float:
    """Seconds by which the chirp is heard late, found where it fits best; the film must hold it after `start`."""
    first, samples = decoded_sound(path)
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].sample_rate
    wanted = tone(start, 0.2)[0][:: RATE // rate]
    at = round((start - float(first)) * rate)
    guesses = range(max(at - rate // 10, 0), at + rate // 10)
    errors = [np.abs(samples[guess : guess + len(wanted)] - wanted).sum() for guess in guesses]
    return (guesses[int(np.argmin(errors))] - at) / rate


def subtitles(out: Any, codec: str, cues: Iterable[tuple[int, int | None, str]]) -> list[Packet[Any]]:
    """A subtitle stream.

    Args:
        out: the container.
        codec: subrip or ass.
        cues: start and length in milliseconds, None for a cue without an end, and text.
    """
    words = out.add_stream("ass") if codec == "ass" else out.add_mux_stream(codec)
    if codec == "ass":
        words.codec_context.subtitle_header = ASS_HEADER
    packets = []
    for number, (start, length, text) in enumerate(cues):
        body = f"{number},0,Default,,0,0,0,,{text}" if codec == "ass" else text
        packet: Packet[Any] = Packet(body.encode())
        packet.stream, packet.time_base = words, Fraction(1, 1000)
        packet.pts = packet.dts = start
        packet.duration = length or 0
        packets.append(packet)
    return packets


def teletext(out: Any) -> list[Packet[Any]]:
    """A stream of teletext pages (EN 300 472) in a transport stream."""
    pages = out.add_mux_stream("dvb_teletext")
    pages.metadata["language"] = "deu"
    packets = []
    for start in (200, 600, 1200):
        packet: Packet[Any] = Packet(b"\x10" + (b"\x03\x2c\xe7\xe4" + bytes(42)) * 4)
        packet.stream, packet.time_base = pages, Fraction(1, 1000)
        packet.pts = packet.dts = start
        packets.append(packet)
    return packets
