"""The recipe of each shot of a film in which shots were restored again."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.ledger.manifest import Manifest
from reelwright.titles.errors import RecipeError
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import nearest, with_setting

SHOT_KEYS = (
    "grain.keep",
    "grain.mode",
    "detail",
    "temporal_filter",
    "deflicker",
    "stabilise",
    "stabilise_rotation",
    "tone.glare",
    "tone.shadows",
    "limits.unsupported",
    "limits.coarse_difference",
)
"""Keys that a shot may have for itself; the others are of the whole film."""


def shot_recipes(manifest: Manifest, shot: int, settings: Sequence[str]) -> dict[int, Recipe]:
    """The recipes of the shots that have one for themselves, by the shot's index from 0.

    Args:
        manifest: of the film.
        shot: index of the shot that is restored again; its settings come after those it has.
        settings: texts of the form `KEY=VALUE`.

    Raises:
        RecipeError: a key is not known or is of the whole film, or a value is none.
    """
    found: dict[int, Recipe] = {}
    for redone in manifest.redone:
        found[redone.shot - 1] = _with(found.get(redone.shot - 1, manifest.recipe), redone.settings)
    found[shot] = _with(found.get(shot, manifest.recipe), settings)
    return found


def _with(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise RecipeError(f"{setting!r} is not KEY=VALUE", "--set", "write for example grain.keep=0")
        if key not in SHOT_KEYS:
            raise RecipeError(f"{key!r} is no key of a single shot", "--set", nearest(key, list(SHOT_KEYS)))
        changed = with_setting(recipe, key, value)
        if (recipe.grain.mode == "table") != (changed.grain.mode == "table"):
            what = "grain.mode: whether players make the grain is one for the whole film"
            raise RecipeError(what, "--set", "set grain.keep, or restore the film again")
        recipe = changed
    return recipe
