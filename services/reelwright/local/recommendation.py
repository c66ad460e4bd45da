"""Chooses a recipe and settings by what was measured in a film, with a reason for each choice.

The limits are where a step begins to be seen, on the clips that the tests use; a person may always see it otherwise.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from reelwright.local.film_measurement import FilmMeasurement
from reelwright.titles.recipe import Recipe, value_of
from reelwright.titles.recipe_parsing import load_recipe

# Flicker in per cent of the light, of the whole picture or of its parts. Weave as a share of the picture's height; a
# camera in the hand shows less of it. Rotation in degrees: from about here on some of it is taken back.
_FLICKER, _WEAVE, _ROTATION = 0.5, 0.0012, 0.015
_STRONG_GRAIN, _WEAK_GRAIN = 6.0, 1.5
_BLOCKS = 0.35
# Shares of the picture from which opening shadows, or taking glare off, is worth it, and the slopes.
_DARK, _BRIGHT = 0.2, 0.05
_SHADOWS, _HIGHLIGHTS = 0.7, 0.3
# Of the most that the measured slopes allow.
_MOST_SLOPE, _MOST_TONE = 1.6, 0.7
_SMALL_HEIGHT = 300


class Recommendation(BaseModel):
    """A recipe and what to change in it.

    Attributes:
        recipe: its name.
        settings: keys of the recipe with other values than it has.
        reasons: a sentence for each choice.
        measured: what the choices go by.
    """

    model_config = ConfigDict(frozen=True)
    recipe: str
    settings: dict[str, str]
    reasons: tuple[str, ...]
    measured: FilmMeasurement


def recommend(found: FilmMeasurement) -> Recommendation:
    """Chooses a recipe and settings."""
    name, why = _named(found)
    recipe = load_recipe(name)
    reasons, wanted = [why], dict[str, str]()
    for key, value, reason in _choices(found):
        reasons.append(reason)
        if value and value != _written(recipe, key):
            wanted[key] = value
    return Recommendation(recipe=name, settings=wanted, reasons=tuple(reasons), measured=found)


def _named(found: FilmMeasurement) -> tuple[str, str]:
    unsteady = _flickers(found) or _weaves(found)
    if found.field_order in {"tff", "bff"}:
        return "television", f"interlaced ({found.field_order}): a video recording"
    if not found.colour and unsteady:
        return ("war-film" if _opens(found) else "newsreel"), "black and white, and unsteady: an old print"
    if unsteady and found.grain >= _STRONG_GRAIN:
        return "home-movie-8mm", f"colour, unsteady, with coarse grain of {found.grain:.1f} levels: small film"
    if found.grain < _WEAK_GRAIN and not unsteady and found.blockiness < _BLOCKS:
        return "gentle", f"steady, with little grain ({found.grain:.1f} levels) and few blocks: little is to be done"
    return "faithful", f"{'colour' if found.colour else 'black and white'}, no damage that asks for a recipe of its own"


def _flickers(found: FilmMeasurement) -> bool:
    return max(found.flicker, found.local_flicker) >= _FLICKER


def _weaves(found: FilmMeasurement) -> bool:
    return found.weave >= _WEAVE * found.height


def _opens(found: FilmMeasurement) -> bool:
    return _shadows(found) > 0 or _glare(found) > 0


def _shadows(found: FilmMeasurement) -> float:
    if found.dark < _DARK or found.shadows < _SHADOWS:
        return 0.0
    return round(min(_MOST_TONE, found.shadows / _MOST_SLOPE), 1)


def _glare(found: FilmMeasurement) -> float:
    if found.bright < _BRIGHT or found.highlights < _HIGHLIGHTS:
        return 0.0
    return round(min(_MOST_TONE, found.highlights / _MOST_SLOPE + 0.2), 1)


def _choices(found: FilmMeasurement) -> list[tuple[str, str, str]]:
    """Key, value and reason of each choice; the value is empty where the recipe decides."""
    flickers, weaves = _flickers(found), _weaves(found)
    turns = found.rotation >= _ROTATION
    shadows, glare = _shadows(found), _glare(found)
    choices = [
        (
            "deflicker",
            "on" if flickers else "off",
            f"flicker of {found.flicker:.1f} % of the light, of parts of the picture {found.local_flicker:.1f} %",
        ),
        ("stabilise", "on" if weaves else "off", f"weave of {found.weave:.2f} samples"),
        ("stabilise_rotation", "on" if turns else "off", f"rotation of {found.rotation:.3f} degrees in the gate"),
        ("tone.shadows", f"{shadows:g}", f"{100 * found.dark:.0f} % of the picture in deep shadow"),
        ("tone.glare", f"{glare:g}", f"{100 * found.bright:.0f} % of the picture close to white"),
    ]
    choices = [(key, value, f"{reason}: {key}={value}") for key, value, reason in choices]
    choices.append(
        ("", "", f"grain of {found.grain:.1f} levels, blockiness {found.blockiness:.2f}: the recipe's grain")
    )
    if found.height <= _SMALL_HEIGHT:
        choices.append(("scale", "4", f"only {found.height} rows: scale=4"))
    if found.bars:
        choices.append(("", "", "black borders are kept as they are; bars=crop would remove them"))
    return choices


def _written(recipe: Recipe, key: str) -> str:
    value = value_of(recipe, key)
    return f"{value:g}" if isinstance(value, float) else str(value)
