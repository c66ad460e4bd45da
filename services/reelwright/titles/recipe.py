"""The recipe: how to restore a film, as a small typed document."""

from __future__ import annotations

import functools
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Always written. A key that was added later is written only when it is not its default, so that processes which do not
# know it take the titles that do not use it.
_FIRST_KEYS = frozenset({"scale", "model", "profile", "grain.keep", "deinterlace", "bars", "on_damage"})

Profile = Literal["web", "master", "hevc10", "av1", "prores"]
GrainMode = Literal["residual", "synthetic", "table"]


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
        stabilise_rotation: `on` takes back how the film turned in the gate, within a shot.
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
        temporal_filter: `on` averages each restored frame with its restored neighbours along the motion, so that
            texture changes less from frame to frame; None for what the model's file says. A model that reads single
            frames ignores it.
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
    stabilise_rotation: Literal["off", "on"] = "off"
    tone: Tone = Tone()
    limits: RecipeLimits = RecipeLimits()
    detail: float | None = Field(default=None, ge=0.0, le=1.0)
    excerpt: Excerpt = Excerpt()
    duplicates: Literal["keep", "restore-once"] = "keep"
    fading: float = Field(default=0.0, ge=0.0, le=1.0)
    temporal_filter: Literal["off", "on"] | None = None

    @property
    def steadies(self) -> bool:
        """Whether frames are corrected by what the frames around them show."""
        return "on" in {self.deflicker, self.stabilise, self.stabilise_rotation}

    def changed_keys(self) -> list[str]:
        """The keys whose values are not the defaults, in dotted form: those that must not be ignored."""
        default = type(self)()
        return [key for key in recipe_keys(type(self)) if value_of(self, key) != value_of(default, key)]

    def canonical(self) -> str:
        """The recipe as JSON with sorted keys: the form that enters the run identity."""
        written: dict[str, Any] = {}
        document = self.model_dump(mode="json")
        for key in sorted(_FIRST_KEYS.union(self.changed_keys())):
            *parents, last = key.split(".")
            inner, below = written, document
            for parent in parents:
                inner, below = inner.setdefault(parent, {}), below[parent]
            inner[last] = below[last]
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


def value_of(recipe: Recipe, dotted: str) -> object:
    """The value of a key in dotted form."""
    return functools.reduce(getattr, dotted.split("."), recipe)
