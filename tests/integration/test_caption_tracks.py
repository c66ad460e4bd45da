"""Captions in tracks of their own, captions that begin late, and what `probe` says about captions."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from reelwright.media.captions import has_captions
from reelwright.media.finished_film import missing_copies, read_timeline
from reelwright.media.probe import probe
from reelwright.media.stream_times import settle_outcomes
from tests.support.carried_clips import CUES, caption_track, captioned
from tests.support.stream_clips import subtitles, write_film
from tests.support.unrestored_films import UnrestoredFilm, demuxed_packets, make_unrestored_film


def shown(path: Path, word: bytes) -> list[float]:
    """Start and length in seconds of each subtitle with a word in it."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if word in bytes(packet)]
    return [float((units or 0) * one.time_base) for one in packets for units in (one.pts, one.duration)]


def settled(film: UnrestoredFilm) -> Any:
    """The first stream's outcome as the manifest gets it."""
    held = read_timeline(film.path).streams
    return settle_outcomes(film.result.streams, film.result.timed_streams, held, film.result.shift)[0]


@pytest.mark.parametrize("profile", ["web", "master"])
def test_a_caption_track_becomes_text(profile: str, tmp_path: Path) -> None:
    """Where no caption track is possible, a text track shows the captions at their times."""
    film = make_unrestored_film(write_film(tmp_path / "source.mov", extra=caption_track), profile, tmp_path)
    assert shown(film.path, b"HI") == pytest.approx([8 / 25, 22 / 25], abs=0.002)
    outcome = settled(film)
    assert (outcome.kind, outcome.outcome, outcome.packets) == ("subtitle", "converted", 1)
    assert outcome.times.error <= outcome.times.tolerance


def test_a_caption_track_stays_one_in_mov(tmp_path: Path) -> None:
    """Every pair of characters is in the film, at its time."""
    film = make_unrestored_film(write_film(tmp_path / "source.mov", extra=caption_track), "prores", tmp_path)
    packets = demuxed_packets(film.path, "subtitle")
    found = {round(packet.pts * packet.time_base * 25): bytes(packet) for packet in packets}
    assert {number: data for number, data in found.items() if data != b"\xfc\x80\x80"} == CUES
    outcome = settled(film)
    assert (outcome.outcome, outcome.times.error) == ("copied", 0.0)
    assert missing_copies(film.path, film.result.streams) == ()


def test_captions_beside_subtitles(tmp_path: Path) -> None:
    """A text track made from captions and a subtitle track of the source are each compared with their own source."""

    def both(out: Any) -> Any:
        return [*caption_track(out), *subtitles(out, "mov_text", [(200, 900, "\0\5first")])]

    film = make_unrestored_film(write_film(tmp_path / "source.mov", extra=both), "master", tmp_path)
    held = read_timeline(film.path).streams
    outcomes = settle_outcomes(film.result.streams, film.result.timed_streams, held, film.result.shift)
    assert [outcome.times.film_first for outcome in outcomes if outcome.times] == [Fraction(8, 25), Fraction(1, 5)]


def test_captions_that_begin_late(tmp_path: Path) -> None:
    """Captions are found wherever they begin."""
    source = captioned(tmp_path / "source.mp4", first=48)
    assert has_captions(str(source))
    assert any("closed captions" in note for note in probe(str(source)).notes)
    assert not has_captions(str(write_film(tmp_path / "bare.mp4")))
