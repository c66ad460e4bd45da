"""Reads recipes: by name, from files, settings and messages. The error for an unknown key names the nearest key."""

from __future__ import annotations

import copy
import difflib
import json
import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from reelwright.titles.errors import RecipeError
from reelwright.titles.named_recipes import recipe_names, recipe_text
from reelwright.titles.recipe import Recipe, recipe_keys

# YAML's name of a text.
_TEXT = "tag:yaml.org,2002:str"
# At others AV1's film grain is not like the source's: its filter reaches three samples far.
_TABLE_SCALES = (2, 3)


def load_recipe(name_or_path: str = "faithful", overrides: dict[str, str] | None = None) -> Recipe:
    """Reads a named recipe, or a .toml/.yaml file, and applies dotted overrides such as `{"grain.keep": "0"}`.

    Raises:
        RecipeError: unknown name or key (with the nearest right one), a value out of range, an unreadable file.
    """
    document = _read(name_or_path)
    for dotted, text in (overrides or {}).items():
        _assign(document, dotted, _value(dotted, text))
    return parse_recipe(document, where=name_or_path)


def merge_recipe(name_or_path: str, overrides: dict[str, Any], where: str = "recipe") -> Recipe:
    """Reads a recipe as `load_recipe`, and applies overrides that have the form of a recipe: `{"grain": {"keep": 0}}`.

    Raises:
        RecipeError: see `load_recipe`; `where` is where the overrides were written.
    """
    document = _read(name_or_path)
    for key, value in overrides.items():
        inner = document.get(key, {})
        both = isinstance(inner, dict) and isinstance(value, dict)
        document[key] = {**inner, **value} if both else value
    return parse_recipe(document, where)


def with_setting(recipe: Recipe, key: str, text: str) -> Recipe:
    """A recipe with another value of a dotted key, as `--set` writes it.

    Raises:
        RecipeError: see `load_recipe`.
    """
    document = recipe.model_dump(mode="json")
    _assign(document, key, _value(key, text))
    return parse_recipe(document, where="--set")


def known_recipe(document: object) -> object:
    """What this version knows of the recipe in a manifest; for reading about a film, never for restoring one.

    Args:
        document: the recipe as pydantic reads it.

    Returns:
        The document without the keys, and without the values, that a later version added.
    """
    if not isinstance(document, dict):
        return document
    known: dict[Any, Any] = copy.deepcopy(document)
    try:
        Recipe.model_validate(known)
    except ValidationError as error:
        for problem in error.errors():
            *parents, last = problem["loc"]
            inner = known
            for parent in parents:
                inner = inner[parent]
            inner.pop(last, None)
    return known


def parse_recipe(document: dict[str, Any], where: str = "recipe", unknown_key: str = "") -> Recipe:
    """Validates a document into a Recipe.

    Args:
        document: keys and values.
        where: where it was written, for the error.
        unknown_key: what to do about a key that is not known; the nearest right one when empty.

    Raises:
        RecipeError: see `load_recipe`.
    """
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
        if first["type"] == "extra_forbidden":
            inner = list(first["input"]) if isinstance(first["input"], dict) else []
            remedy = unknown_key or nearest(".".join([key, *map(str, inner[:1])]), recipe_keys())
            raise RecipeError(f"unknown key {key!r}", where, remedy) from None
        raise RecipeError(f"{key}: {first['msg']} (got {_shown(first['input'])})", where, "correct the value") from None
    _check_table(recipe, where)
    return recipe


def _shown(value: object) -> str:
    """A value as an error names it."""
    # What is nested may be too deep to be written down.
    return "several values" if isinstance(value, dict | list) else repr(value)


def _check_table(recipe: Recipe, where: str) -> None:
    if recipe.grain.mode != "table":
        return
    if recipe.profile != "av1":
        what = f"grain.mode: the profile {recipe.profile!r} has no table of grain"
        raise RecipeError(what, where, "set profile to 'av1' or grain.mode to 'synthetic'")
    if recipe.scale not in _TABLE_SCALES:
        what = f"grain.mode: grain of scale {recipe.scale} is too coarse for AV1's table"
        raise RecipeError(what, where, "set scale to 2 or 3, or grain.mode to 'synthetic'")


def parse_recipe_text(text: str) -> Recipe:
    """Reads a recipe from JSON, as `Recipe.canonical` writes it.

    Raises:
        RecipeError: the text is not JSON, or see `load_recipe`.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"not a valid recipe: {_reason(error)}", "recipe", "submit the title again") from None
    if not isinstance(document, dict):
        raise RecipeError("not a valid recipe: no keys in it", "recipe", "submit the title again")
    # A newer version wrote it. Without the key the film would be another one than was asked for.
    return parse_recipe(document, unknown_key="upgrade this version, or submit the title without the key")


def _read(name_or_path: str) -> dict[str, Any]:
    path = Path(name_or_path)
    if path.suffix in {".toml", ".yaml", ".yml"}:
        return _parse_file(path)
    if (text := recipe_text(name_or_path)) is not None:
        return tomllib.loads(text)
    raise RecipeError(f"no recipe named {name_or_path!r}", "", nearest(name_or_path, recipe_names()))


def _parse_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        document = tomllib.loads(text) if path.suffix == ".toml" else _read_yaml(text)
    except OSError as error:
        raise RecipeError(error.strerror or "cannot be read", str(path), "give a recipe's name or file") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"not a valid recipe: {_reason(error)}", str(path), "write it as TOML or YAML") from None
    if not isinstance(document, dict):
        raise RecipeError("not a valid recipe: no keys in it", str(path), "write KEY = VALUE lines")
    return document


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _value(dotted: str, text: str) -> object:
    """A value of `--set`: a number, null or a text in quotes as in YAML; any other text is taken whole."""
    try:
        if text[:1] in {'"', "'"}:
            return _read_yaml(text)
        loader = _YamlLoader(text)
        tag = loader.resolve(yaml.ScalarNode, text, (True, False)) if text else _TEXT  # type: ignore[no-untyped-call]
        value: object = loader.construct_object(yaml.ScalarNode(tag, text))
        return value
    except (ValueError, yaml.YAMLError, RecursionError):
        raise RecipeError(f"{dotted}: {text!r} is no value", "--set", f"quote it: {dotted}='\"{text}\"'") from None


class _YamlLoader(yaml.SafeLoader):
    """Reads `on`, `off`, `yes`, `no`, `true`, `false` and dates as the words that were written.

    YAML 1.1 makes booleans of them, so that `deinterlace: off` would be no valid value. A key that is boolean reads
    the same words when the recipe is validated.
    """


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(text: str) -> object:
    return yaml.load(text, _YamlLoader)  # noqa: S506 - derived from SafeLoader


def _assign(document: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        below = document.setdefault(parent, {})
        if not isinstance(below, dict):
            raise RecipeError(f"unknown key {dotted!r}", "--set", nearest(dotted, recipe_keys()))
        document = below
    document[last] = value


def nearest(word: str, known: list[str]) -> str:
    """What to do about a word that is not known: the most similar one, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
