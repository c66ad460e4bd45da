"""One clip of each kind of stream."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from av.packet import Packet

from tests.support import mp4_edit
from tests.support.carried_clips import caption_track, captioned, cover, tagged, write_hdr, write_timed
from tests.support.stream_clips import subtitles, teletext, write_film

_SOUND = (
    ("aac", ".mp4"),
    ("aac", ".ts"),
    ("aac", ".mkv"),
    ("libmp3lame", ".mkv"),
    ("mp2", ".ts"),
    ("ac3", ".ts"),
    ("eac3", ".mkv"),
    ("flac", ".mkv"),
    ("alac", ".mov"),
    ("libopus", ".mkv"),
    ("vorbis", ".mkv"),
    ("wmav2", ".asf"),
    ("pcm_s16le", ".avi"),
    ("pcm_s16le", ".mkv"),
    ("pcm_s24le", ".mov"),
    ("pcm_s16be", ".mov"),
)
_OPTIONS = {"vorbis": {"strict": "-2"}, "wmav2": {"b": "128000"}}
_STEREO = {"vorbis", "wmav2"}
_CUES = ((200, 900, "first"), (700, 800, "second"), (1200, None, "third"))

Write = Callable[[Path], object]


def _sound(codec: str, path: Path) -> Path:
    return write_film(path, codec, options=_OPTIONS.get(codec), layout="stereo" if codec in _STEREO else "mono")


def _edited(codec: str, path: Path) -> None:
    _sound(codec, path)
    mp4_edit.keep_parts(path, [(Fraction(0), Fraction(1, 2)), (Fraction(6, 5), Fraction(3, 5))])


def _trimmed(codec: str, path: Path) -> None:
    _sound(codec, path)
    mp4_edit.keep_parts(path, [(Fraction(6, 5), Fraction(3, 5))])


def _subtitles(codec: str, path: Path) -> Path:
    return write_film(path, extra=lambda out: subtitles(out, codec, _CUES))


def _bitmaps(codec: str, path: Path) -> Path:
    """Two packets that no decoder reads: they are carried or not by what the container holds."""

    def add(out: Any) -> list[Packet[Any]]:
        stream, packets = out.add_mux_stream(codec), []
        for start in (500, 1500):
            packet: Packet[Any] = Packet(b"\x16\0\x02\0\0\x80\0\0")
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packets.append(packet)
        return packets

    return write_film(path, extra=add)


def _attachment(path: Path) -> Path:
    def add(out: Any) -> list[Packet[Any]]:
        out.add_attachment("font.ttf", "application/x-truetype-font", bytes(range(256)))
        return []

    return write_film(path, extra=add)


# Name, suffix of the clip, and what writes it.
KINDS: tuple[tuple[str, str, Write], ...] = (
    *((f"{codec} sound", suffix, partial(_sound, codec)) for codec, suffix in _SOUND),
    ("late sound", ".mkv", partial(write_film, codec="aac", parts=((0.7, 1.2),))),
    ("sound with a gap", ".mkv", partial(write_film, codec="pcm_s16le", parts=((0.0, 0.5), (1.0, 1.0)))),
    ("sound in packets of 0.8 ms", ".mkv", partial(write_film, codec="pcm_s16le", chunk=40)),
    ("edit list: middle cut out, aac", ".mov", partial(_edited, "aac")),
    ("edit list: middle cut out, pcm", ".mov", partial(_edited, "pcm_s16le")),
    ("edit list: start cut off, aac", ".mov", partial(_trimmed, "aac")),
    ("edit list: start cut off, pcm", ".mov", partial(_trimmed, "pcm_s16le")),
    ("subrip, overlapping, open end", ".mkv", partial(_subtitles, "subrip")),
    ("ass, overlapping, open end", ".mkv", partial(_subtitles, "ass")),
    ("webvtt", ".mkv", partial(_subtitles, "webvtt")),
    ("PGS subtitles", ".mkv", partial(_bitmaps, "hdmv_pgs_subtitle")),
    ("DVD subtitles", ".mkv", partial(_bitmaps, "dvd_subtitle")),
    ("DVB subtitles", ".mkv", partial(_bitmaps, "dvb_subtitle")),
    ("teletext", ".ts", partial(write_film, codec="mp2", extra=teletext)),
    ("font attachment", ".mkv", _attachment),
    ("cover picture", ".mp4", partial(write_film, codec="aac", extra=cover)),
    ("tags of film and track", ".mkv", partial(write_film, extra=tagged)),
    ("EIA-608 captions in H.264", ".mp4", captioned),
    ("caption track (c608)", ".mov", partial(write_film, extra=caption_track)),
    ("HDR10 metadata", ".mp4", write_hdr),
    ("timecode, 25 fps", ".mov", partial(write_timed, timecode="10:00:00:00", rate=Fraction(25))),
    ("timecode, drop frame", ".mp4", partial(write_timed, timecode="01:00:00;02", rate=Fraction(30000, 1001))),
)
