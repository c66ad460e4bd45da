"""A recipe with the options of a command line applied."""

from __future__ import annotations

from reelwright.titles.errors import RecipeError
from reelwright.titles.recipe import Recipe
from reelwright.titles.recipe_parsing import load_recipe


def resolve_recipe(
    name: str, assignments: list[str] | None, scale: int | None = None, profile: str | None = None
) -> Recipe:
    """The recipe `name` with overrides applied.

    Args:
        name: of a packaged recipe, or the path of a .toml or .yaml file.
        assignments: texts of the form `KEY=VALUE`, e.g. `grain.keep=0`; a later one wins.
        scale: overrides the key `scale` when given.
        profile: overrides the key `profile` when given.

    Raises:
        RecipeError: an unknown recipe, key or value, or an assignment without `=`.
    """
    overrides: dict[str, str] = {}
    for assignment in assignments or []:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise RecipeError(f"{assignment!r} is not KEY=VALUE", "--set", "write for example grain.keep=0")
        overrides[key.strip()] = value.strip()
    if scale is not None:
        overrides["scale"] = str(scale)
    if profile is not None:
        overrides["profile"] = profile
    return load_recipe(name, overrides)
