"""Recipe options as given on the command line."""

from __future__ import annotations

from reelwright.titles.errors import RecipeError
from reelwright.titles.recipe import Recipe, load_recipe


def resolve_recipe(
    name: str, assignments: list[str] | None, scale: int | None = None, profile: str | None = None
) -> Recipe:
    """The recipe called `name` with `KEY=VALUE` assignments and the two short options applied.

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
