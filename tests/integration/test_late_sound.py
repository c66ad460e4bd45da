"""Sound of transport and program streams that begins before the picture, late, or never."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.media.probe import probe
from tests.support.clipmaker import Film, write_film
from tests.support.scenes import scene
from tests.support.unrestored_films import UnrestoredFilm, decoded, decoded_sound, make_unrestored_film

# FFmpeg gives times within a minute before the wrap of the 33-bit clock as negative ones.
_WRAP = Fraction(1 << 33, 90_000)


def _film(path: Path, audio_start: int = 0) -> Path:
    """Nine seconds of a few pictures, and sound from a second on to the end."""
    shots = [(Fraction(number, 5), scene(number, "yuv420p", 64, 48)) for number in range(45)]
    start = Fraction(audio_start)
    film = Film(shots, codec="mpeg2video", options={"bf": "0"}, audio="mp2", audio_start=start)
    write_film(path, film)
    return path


def _outcome(film: UnrestoredFilm) -> tuple[str, int, str]:
    (outcome,) = film.result.streams
    return outcome.outcome, outcome.packets, outcome.reason


@pytest.mark.parametrize("suffix", [".vob", ".ts"])
def test_sound_that_begins_late_is_carried(suffix: str, tmp_path: Path) -> None:
    """Sound whose first packet comes seconds after the first picture is found."""
    film = make_unrestored_film(_film(tmp_path / f"late{suffix}", 7), "web", tmp_path)
    outcome, packets, reason = _outcome(film)
    assert (outcome, reason) == ("copied", "")
    assert abs(packets - 1.84 * 48000 / 1152) < 3


def test_sound_that_is_announced_and_never_comes_is_named(tmp_path: Path) -> None:
    """A programme may list a stream of sound of which the recording has no packet."""
    source = _film(tmp_path / "announced.ts")
    data = source.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    source.write_bytes(b"".join(packet for packet in packets if int.from_bytes(packet[1:3], "big") & 0x1FFF != 0x101))
    assert [stream.details for stream in probe(str(source)).streams] == [""]
    outcome, packets_written, reason = _outcome(make_unrestored_film(source, "web", tmp_path))
    assert (outcome, packets_written) == ("left out", 0)
    assert "no packet of it was found" in reason


def test_text_behind_a_transport_stream_does_not_make_its_sound_incomplete(tmp_path: Path) -> None:
    """Bytes that are no part of the film end the reading of its sound without a complaint."""
    source = _film(tmp_path / "trailing.ts")
    whole = make_unrestored_film(source, "web", tmp_path)
    source.write_bytes(source.read_bytes() + b"trailing text\n" * 30)
    film = make_unrestored_film(source, "web", tmp_path)
    assert _outcome(film) == _outcome(whole)
    assert film.result.notes == whole.result.notes


@pytest.mark.parametrize("profile", ["web", "master", "prores"])
@pytest.mark.parametrize("lead", [Fraction(20, 25), Fraction(40, 25), Fraction(63, 25)])
def test_sound_before_a_picture_below_zero_stays_in_step(lead: Fraction, profile: str, tmp_path: Path) -> None:
    """A recording that begins shortly before its clock wraps keeps the sound in front of its first picture, in time."""
    source = tmp_path / "wrapping.ts"
    shots = [(lead + Fraction(number, 25), scene(number, "yuv420p", 64, 48)) for number in range(50)]
    offset = {"output_ts_offset": str(float(_WRAP - 3))}
    write_film(source, Film(shots, codec="mpeg2video", options={"bf": "0"}, audio="mp2", container_options=offset))
    film = make_unrestored_film(source, profile, tmp_path)
    step = []
    for path in (source, film.path):
        first, samples = decoded_sound(path)
        step.append((next(decoded(path))[0] - first, len(samples)))
    assert step[0][0] > lead - Fraction(1, 10)
    assert abs(step[1][0] - step[0][0]) <= Fraction(2, 1000)
    assert step[1][1] == step[0][1]
    assert min(film.result.shift, decoded_sound(film.path)[0]) >= 0
