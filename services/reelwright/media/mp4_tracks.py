"""Changes what a written MP4 or MOV film says about its tracks."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from reelwright.media.mp4_edits import boxes

# Handlers of subtitles and captions (ISO/IEC 14496-12, 12.5 and 12.6; QuickTime File Format, closed captions).
_SUBTITLES = {b"sbtl", b"subt", b"subp", b"text", b"clcp"}
_ENABLED = 1
_HANDLER_AT, _FLAGS_END = 8, 3


def hide_subtitles(film: Path) -> None:
    """Takes the flag off a film's subtitles that has players show them unasked (ISO/IEC 14496-12, 8.3.2).

    FFmpeg's muxer sets it for the first track of each kind where none has it.
    """
    with film.open("r+b") as file:
        for kind, start, end in boxes(file, *_content(file, b"moov", 0, film.stat().st_size)):
            if kind == b"trak" and _handler(file, start, end) in _SUBTITLES:
                flags_at = _content(file, b"tkhd", start, end)[0] + _FLAGS_END
                file.seek(flags_at)
                flags = file.read(1)[0]
                file.seek(flags_at)
                file.write(bytes([flags & ~_ENABLED]))


def _handler(file: IO[bytes], start: int, end: int) -> bytes:
    """What kind of track it is."""
    at, _ = _content(file, b"hdlr", *_content(file, b"mdia", start, end))
    file.seek(at + _HANDLER_AT)
    return file.read(4)


def _content(file: IO[bytes], wanted: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the content of the first box of a kind starts and ends."""
    return next((inner, after) for kind, inner, after in boxes(file, start, end) if kind == wanted)
