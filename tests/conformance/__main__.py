"""Runs every kind of stream through every profile and writes docs/conformance.md.

Nothing is restored: the clips go through probe, encoders and assembly, and the result is read back from the film.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av

from reelwright.media.finished_film import read_timeline
from reelwright.media.hdr import hdr_of
from reelwright.media.stream_times import settle_outcomes
from reelwright.titles.errors import ReelwrightError
from tests.conformance.kinds import KINDS
from tests.support.unrestored_films import PROFILES, make_unrestored_film

_PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
_HEAD = """# What each profile carries

Made by `make conformance`, which runs a clip of each kind through each profile and reads the film back.

- **copied**: the same bytes at the same times.
- **converted**: the same content in another codec, at the same times.
- **left out**: named in manifest and report, with the reason.

The largest distance of a packet from its time in the source follows, in milliseconds. A container rounds to its own
unit: Matroska to 1 ms. A converted stream has other packets; its first and its last moment are compared. Where an edit
list cuts sound inside a packet, the source's packet reaches beyond the cut, and the distance is what was cut off: the
sound itself is cut to the sample.

"""


def main() -> int:
    """Tries all kinds; 0 when every film was made and every stream is within its tolerance."""
    rows, wrong = [], []
    with tempfile.TemporaryDirectory() as place:
        for name, suffix, write in KINDS:
            source = Path(place) / f"source{suffix}"
            write(source)
            cells = []
            for profile in PROFILES:
                folder = Path(place) / profile
                folder.mkdir(exist_ok=True)
                try:
                    cell, in_time = _tried(source, profile, folder)
                except ReelwrightError as error:
                    cell, in_time = f"error: {error}", False
                cells.append(cell)
                if not in_time:
                    wrong.append(f"{name}, {profile}: {cell}")
                sys.stdout.write(f"{name}, {profile}: {cell}\n")
            rows.append((name, suffix[1:], *cells))
    _PAGE.write_text(_HEAD + "".join(_table(rows)), encoding="utf-8")
    sys.stdout.write("".join(f"WRONG {line}\n" for line in wrong))
    return 1 if wrong else 0


def _tried(source: Path, profile: str, folder: Path) -> tuple[str, bool]:
    """What became of the source's streams, tags and timecode; and whether all of it is in time."""
    film = make_unrestored_film(source, profile, folder)
    timeline = read_timeline(film.path)
    outcomes = settle_outcomes(film.result.streams, film.result.timed_streams, timeline.streams, film.result.shift)
    parts, in_time = [], True
    for outcome in outcomes:
        part = f"{outcome.outcome}" + (f" ({outcome.reason})" if outcome.reason else "")
        if outcome.times is not None:
            part += f", {outcome.times.error * 1000:.1f} ms"
            in_time = in_time and outcome.times.error <= outcome.times.tolerance
        if outcome.not_kept:
            part += f"; not kept: {', '.join(outcome.not_kept)}"
        parts.append(part)
    if film.result.timecode is not None:
        kept = timeline.timecode == str(film.result.timecode)
        parts.append(f"timecode {timeline.timecode}" if kept else "timecode not kept")
        in_time = in_time and kept
    if film.info.video.hdr.mastering:
        with av.open(str(film.path)) as container:
            held = hdr_of(next(container.decode(video=0)))
        parts.append("HDR10 metadata kept" if held.mastering and held.content_light else "HDR10 metadata not kept")
    parts += film.result.notes
    return "; ".join(parts) or "nothing beside the picture", in_time


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| kind | from | {' | '.join(PROFILES)} |\n"
    yield "|---" * (2 + len(PROFILES)) + "|\n"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |\n"


sys.exit(main())
