"""`reelwright recipes`: the recipes that ship."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.output import print_result


def command(name: Annotated[str, typer.Argument(metavar="[NAME]", help="Shows this recipe in full.")] = "") -> None:
    """List the recipes that ship, or show one in full."""
    from reelwright.titles.errors import RecipeError
    from reelwright.titles.named_recipes import recipe_names, recipe_summary, recipe_text
    from reelwright.titles.recipe_parsing import nearest

    names = recipe_names()
    if name:
        text = recipe_text(name)
        if text is None:
            raise RecipeError(f"no recipe named {name!r}", "", nearest(name, names))
        print_result(text.rstrip())
        return
    width = max(map(len, names))
    for each in names:
        print_result(f"{each:<{width}}  {recipe_summary(each)}")
