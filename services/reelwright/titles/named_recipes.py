"""The recipes that ship: TOML documents that begin with a comment of one line."""

from __future__ import annotations

from importlib import resources


def recipe_names() -> list[str]:
    """Names of the recipes that ship, in alphabetical order."""
    folder = resources.files("reelwright.titles") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def recipe_text(name: str) -> str | None:
    """A recipe as it is written, with its comments; None if no recipe has this name."""
    packaged = resources.files("reelwright.titles") / "recipes" / f"{name}.toml"
    # A name with a path in it is no recipe that ships.
    return packaged.read_text(encoding="utf-8") if name in recipe_names() else None


def recipe_summary(name: str) -> str:
    """What a recipe that ships is for, in one line."""
    return (recipe_text(name) or "").partition("\n")[0].removeprefix("# ")
