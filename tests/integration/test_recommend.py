"""`recommend` measures a film and chooses a recipe, with its reasons."""

from __future__ import annotations

import json
import shlex
from fractions import Fraction
from pathlib import Path

import pytest

from reelwright.cli.main import run
from reelwright.local.film_measurement import FilmMeasurement, measure_film
from reelwright.local.recommendation import recommend
from reelwright.media.probe import probe
from reelwright.titles.overrides import resolve_recipe
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.films import gray_in_colour, locally_flickering_film, real_film, turning_film, unsteady_film
from tests.support.scenes import scene

STEADY = FilmMeasurement(
    frames=288,
    colour=True,
    field_order="progressive",
    bars=False,
    width=720,
    height=576,
    grain=3.0,
    blockiness=0.1,
    sharpness=0.4,
    dusty=0.1,
    flicker=0.1,
    local_flicker=0.0,
    weave=0.05,
    rotation=0.0,
    dark=0.1,
    bright=0.01,
    shadows=0.5,
    highlights=0.0,
)
OLD = {"colour": False, "flicker": 2.0, "weave": 1.5, "grain": 8.0}


@pytest.mark.parametrize(
    ("changes", "recipe", "settings"),
    [
        ({}, "faithful", {}),
        ({"grain": 0.5}, "gentle", {}),
        ({"field_order": "tff"}, "television", {}),
        ({"flicker": 1.0}, "faithful", {"deflicker": "on"}),
        ({"local_flicker": 1.0}, "faithful", {"deflicker": "on"}),
        ({"weave": 1.0, "height": 240}, "faithful", {"stabilise": "on", "scale": "4"}),
        ({"rotation": 0.08}, "faithful", {"stabilise_rotation": "on"}),
        (OLD, "newsreel", {"tone.shadows": "0"}),
        ({**OLD, "dark": 0.4, "shadows": 1.2, "bright": 0.2, "highlights": 0.6}, "war-film", {"tone.shadows": "0.7"}),
        ({**OLD, "colour": True}, "home-movie-8mm", {"tone.shadows": "0", "tone.glare": "0"}),
    ],
)
def test_what_was_measured_decides(changes: dict[str, object], recipe: str, settings: dict[str, str]) -> None:
    """Each kind of film has its recipe, and what the recipe does not say comes as a setting that it takes."""
    found = recommend(STEADY.model_copy(update=changes))
    assert (found.recipe, found.settings) == (recipe, settings)
    resolve_recipe(found.recipe, [f"{key}={value}" for key, value in found.settings.items()])
    assert all("\n" not in reason for reason in found.reasons)


def test_an_unsteady_film_gets_steady(capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the measured flicker and weave, and prints the command that restores the film."""
    source = unsteady_film(44)
    assert run(["recommend", str(source)]) == 0
    first, *reasons = capsys.readouterr().out.splitlines()
    assert first.startswith(f"reelwright restore {source} --recipe faithful")
    assert "--set deflicker=on --set stabilise=on" in first
    assert any(reason.strip().startswith("flicker of ") for reason in reasons)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_film_of_a_few_frames_is_measured_whole(frames: int, tmp_path: Path) -> None:
    """The frames that the decoder holds back to put them in order are measured too."""
    source = tmp_path / "short.mp4"
    shots = [(Fraction(number, 25), scene(number, "yuv420p", 64, 48)) for number in range(frames)]
    write_film(source, Film(shots, options={"bf": "2"}))
    assert measure_film(probe(str(source))).frames == frames


def test_the_command_can_be_typed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed command names the film as one argument, whatever its name begins with."""
    monkeypatch.chdir(tmp_path)
    write_film(Path("-my film.mp4"), Film([(Fraction(0), scene(0, "yuv420p", 64, 48))]))
    assert run(["recommend", "--", "-my film.mp4"]) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[0])
    assert command[:3] == ["reelwright", "restore", "./-my film.mp4"]


@pytest.mark.parametrize("name", ["chaplin", "bikes"])
def test_flicker_of_parts_of_a_real_film_is_found(name: str) -> None:
    """Parts that flicker by 3 % against each other while the mean is steady ask for deflicker, and only they do."""
    source, flickering = real_film(name), locally_flickering_film(name, 0.03)
    steady, found = measure_film(probe(str(source))), measure_film(probe(str(flickering)))
    assert steady.local_flicker < 0.2
    assert 1.5 < found.local_flicker < 4.5
    (reason,) = (each for each in recommend(found).reasons if each.endswith("deflicker=on"))
    assert f"of parts of the picture {found.local_flicker:.1f} %" in reason


def test_a_film_that_turns_is_turned_back(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason has the measured rotation in degrees, and the command turns it back."""
    source = turning_film(60)
    assert run(["recommend", str(source)]) == 0
    first, *reasons = capsys.readouterr().out.splitlines()
    assert "--set stabilise_rotation=on" in first
    (reason,) = (each.strip() for each in reasons if each.endswith("stabilise_rotation=on"))
    assert 0.1 < float(reason.removeprefix("rotation of ").split()[0]) < 0.2


@pytest.mark.parametrize("name", ["chaplin", "bikes"])
def test_a_real_film_that_does_not_turn_is_not_turned_back(name: str) -> None:
    """No rotation is found in real film that is steady, with walkers and a moving camera."""
    found = measure_film(probe(str(real_film(name))))
    assert found.rotation == 0
    assert "stabilise_rotation" not in recommend(found).settings


def test_an_interlaced_film_is_television(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--json` the recipe, the reasons and what was measured are one document."""
    assert run(["recommend", "--json", str(clips.clip("interlaced_tff"))]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["recipe"] == "television"
    assert document["measured"]["field_order"] == "tff"


def test_black_and_white_is_recognised() -> None:
    """Neutral chroma is no colour; a scene with chroma is."""
    assert not measure_film(probe(str(gray_in_colour()))).colour
    assert measure_film(probe(str(clips.clip("rate_25")))).colour


@pytest.mark.parametrize("name", ["short", "gray10", "full_range"])
def test_every_film_can_be_measured(name: str) -> None:
    """One frame, deep gray and full range give figures within their ranges."""
    found = measure_film(probe(str(clips.clip(name))))
    assert 0 <= found.dark <= 1
    assert found.frames >= 1


def test_a_real_film_is_measured() -> None:
    """Of a clip of real film the picture's size and steadiness are found."""
    found = measure_film(probe(str(real_film("chaplin"))))
    assert found.frames > 20
    assert found.flicker < 2


def test_what_is_no_film_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without a film is an error of one line and exit code 2."""
    path = tmp_path / "text.mp4"
    path.write_text("no film")
    assert run(["recommend", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
