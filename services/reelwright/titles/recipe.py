"""The recipe: how to restore a film, as a small typed document. The error for an unknown key names the nearest key."""

from __future__ import annotations

import copy
import difflib
import functools
import json
import operator
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reelwright.titles.errors import RecipeError
from reelwright.titles.named_recipes import recipe_names, recipe_text

# Always written. A key that was added later is written only when it is not its default, so that processes which do not
# know it take the titles that do not use it.
_FIRST_KEYS = frozenset({"scale", "model", "profile", "grain.keep", "deinterlace", "bars", "on_damage"})

Profile = Literal["web", "master", "hevc10", "av1", "prores"]
GrainMode = Literal["residual", "synthetic", "table"]


TABLE_SCALES = (2, 3)
"""Scales at which AV1's film grain is like the source's: its filter reaches three samples far."""


class Grain(BaseModel):
    """What happens to the grain.

    Attributes:
        keep: share of the removed grain that is added back, 0 to 1.
        mode: `residual` adds back what the network removed; `synthetic` adds grain that is made anew, as strong, large
            and correlated as that was; `table` leaves it to the player, which makes it anew by parameters in the film
            (profile `av1`, scale 2 or 3).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    keep: float = Field(default=0.4, ge=0.0, le=1.0)
    mode: GrainMode = "residual"


class Tone(BaseModel):
    """What happens to dark and bright parts of the picture; mid-tones stay.

    Attributes:
        glare: how far glare is taken off and bright parts are opened, 0 to 1; 0 leaves them.
        shadows: how far dark parts are opened, 0 to 1; 0 leaves them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    glare: float = Field(default=0.0, ge=0.0, le=1.0)
    shadows: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def opens(self) -> bool:
        """Whether anything is opened."""
        return self.glare > 0 or self.shadows > 0


class RecipeLimits(BaseModel):
    """How far a frame may depart from its source, in 8-bit levels. Past a limit less of the network's detail is used.

    Attributes:
        unsupported: root mean square of new detail where the source has none.
        coarse_difference: root mean square of the restored luma less the source's, over 8x8 samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unsupported: float = Field(default=8.0, ge=0.0, le=255.0)
    coarse_difference: float = Field(default=12.0, ge=0.0, le=255.0)


class Excerpt(BaseModel):
    """Which part of a film is restored: the first seconds of each period.

    Attributes:
        period: seconds from the beginning of a part to that of the next one; 0 restores the whole film.
        length: seconds of each part, less than a period.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    period: int = Field(default=0, ge=0, le=3600)
    length: int = Field(default=1, ge=1, le=3600)

    @model_validator(mode="after")
    def _leave_something_out(self) -> Self:
        if 0 < self.period <= self.length:
            raise ValueError("length must be less than period")
        return self

    @property
    def whole(self) -> bool:
        """Whether the whole film is restored."""
        return self.period == 0

    def frames(self, estimate: int) -> int:
        """About how many of so many frames of a film are restored."""
        return estimate if self.whole else estimate * self.length // self.period


class Recipe(BaseModel):
    """A resolved recipe.

    Attributes:
        scale: enlargement of the picture's width and height.
        model: a packaged model's name, the path of a safetensors file, or `sha256:` and the hash of one in the
            cluster's store.
        profile: codec and container of the film.
        grain: what happens to the grain.
        deinterlace: `auto` detects interlaced sources; the frame rate is kept either way.
        bars: `keep` does not restore black borders and adds them again; `crop` removes them; `ignore` restores them
            as a part of the picture.
        on_damage: `fail` ends the title at a packet that does not decode; `conceal` repeats
            the previous frame.
        deflicker: `on` evens out light that changes from frame to frame within a shot.
        stabilise: `on` takes back how the film moved in the gate, within a shot.
        tone: what happens to dark and bright parts of the picture.
        limits: how far a frame may depart from its source.
        detail: share of the model's weight set for detail, 0 to 1: how far texture and fine lines are brought to the
            strength that they would have in an undamaged film; None for the share that the model's file names. A model
            without such a set ignores it.
        excerpt: which part of the film is restored.
        duplicates: `keep` restores a frame that repeats the one before like any other; `restore-once` shows the
            restored frame again.
        fading: how far contrast that a shot lost against an earlier shot of the same view is brought back, 0 to 1; 0
            leaves it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    scale: Literal[2, 3, 4] = 2
    model: str = "reel-s"
    profile: Profile = "web"
    grain: Grain = Grain()
    deinterlace: Literal["auto", "on", "off"] = "auto"
    bars: Literal["keep", "crop", "ignore"] = "keep"
    on_damage: Literal["fail", "conceal"] = "fail"
    deflicker: Literal["off", "on"] = "off"
    stabilise: Literal["off", "on"] = "off"
    tone: Tone = Tone()
    limits: RecipeLimits = RecipeLimits()
    detail: float | None = Field(default=None, ge=0.0, le=1.0)
    excerpt: Excerpt = Excerpt()
    duplicates: Literal["keep", "restore-once"] = "keep"
    fading: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def steadies(self) -> bool:
        """Whether frames are corrected by what the frames around them show."""
        return "on" in {self.deflicker, self.stabilise}

    def changed_keys(self) -> list[str]:
        """The keys whose values are not the defaults, in dotted form: those that must not be ignored."""
        default = type(self)()
        return [key for key in recipe_keys(type(self)) if value_of(self, key) != value_of(default, key)]

    def canonical(self) -> str:
        """The recipe as JSON with sorted keys: the form that enters the run identity."""
        written: dict[str, Any] = {}
        document = self.model_dump(mode="json")
        for key in sorted(_FIRST_KEYS.union(self.changed_keys())):
            value = functools.reduce(operator.getitem, key.split("."), document)
            _assign(written, key, value)
        return json.dumps(written, sort_keys=True, separators=(",", ":"))


def recipe_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """Every key of a recipe in dotted form, e.g. `grain.keep`."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += recipe_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


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
        raise RecipeError(f"{key}: {first['msg']} (got {first['input']!r})", where, "correct the value") from None
    _check_table(recipe, where)
    return recipe


def _check_table(recipe: Recipe, where: str) -> None:
    if recipe.grain.mode != "table":
        return
    if recipe.profile != "av1":
        what = f"grain.mode: the profile {recipe.profile!r} has no table of grain"
        raise RecipeError(what, where, "set profile to 'av1' or grain.mode to 'synthetic'")
    if recipe.scale not in TABLE_SCALES:
        what = f"grain.mode: grain of scale {recipe.scale} is too coarse for AV1's table"
        raise RecipeError(what, where, "set scale to 2 or 3, or grain.mode to 'synthetic'")


def parse_recipe_text(text: str) -> Recipe:
    """Reads a recipe from JSON, as `Recipe.canonical` writes it.

    Raises:
        RecipeError: the text is not JSON, or see `load_recipe`.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise RecipeError(f"not a valid recipe: {error}", "recipe", "submit the title again") from None
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
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"not a valid recipe: {error}", str(path), "write it as TOML or YAML") from None
    if not isinstance(document, dict):
        raise RecipeError("not a valid recipe: no keys in it", str(path), "write KEY = VALUE lines")
    return document


def _value(dotted: str, text: str) -> object:
    try:
        return _read_yaml(text) if text else text
    except yaml.YAMLError:
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


def value_of(recipe: Recipe, dotted: str) -> object:
    """The value of a key in dotted form."""
    return functools.reduce(getattr, dotted.split("."), recipe)


def nearest(word: str, known: list[str]) -> str:
    """What to do about a word that is not known: the most similar one, or all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
