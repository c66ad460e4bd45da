"""Presets of film damage.

Lengths are in pixels of a picture 360 rows high (the usual size of transfers of old film) and grow with the
picture. The values were set by eye against public-domain transfers of films of the period, not measured on film stock.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelwright.titles.errors import RecipeError


@dataclass(frozen=True, slots=True)
class GrainStock:
    """The grain of one film stock.

    Attributes:
        strength: standard deviation in mid-grey, as a share of the full range (0.03 is visible, 0.08 coarse).
        size: standard deviation of the grain's Gaussian footprint.
        clumping: share (0..1) of the variance that sits in clumps 2.5 times as large.
        toe: share (0..1) of `strength` left in pure black and white, where a density curve flattens out.
    """

    strength: float
    size: float
    clumping: float = 0.2
    toe: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class AgePreset:
    """A kind of old film.

    Attributes:
        name: how people ask for it.
        grain: the stock.
        blur: standard deviation of the lens and print blur.
        dust: mean specks per frame on a 480x360 picture.
        hairs: mean hairs per frame.
        scratches: mean vertical scratches present at a time.
        flicker: standard deviation of the exposure from frame to frame, as a share.
        weave: standard deviation of the picture's shift in the gate.
        black: what black has faded to, 0..1.
        white: what white has faded to, 0..1.
        vignette: share of light lost in the corners.
        colour: whether chroma survives; neutral grey otherwise.
    """

    name: str
    grain: GrainStock
    blur: float
    dust: float
    hairs: float
    scratches: float
    flicker: float
    weave: float
    black: float = 0.0
    white: float = 1.0
    vignette: float = 0.0
    colour: bool = False


PRESETS: dict[str, AgePreset] = {
    preset.name: preset
    for preset in (
        AgePreset(
            name="print-1940", grain=GrainStock(0.035, 0.6), blur=0.55, dust=5, hairs=0.15, scratches=0.6,
            flicker=0.015, weave=0.35, black=0.03, white=0.95, vignette=0.12,
        ),
        AgePreset(
            name="print-1910", grain=GrainStock(0.055, 0.8, clumping=0.35), blur=0.8, dust=14, hairs=0.5, scratches=2.0,
            flicker=0.05, weave=0.8, black=0.06, white=0.9, vignette=0.25,
        ),
        AgePreset(
            name="tv-1970", grain=GrainStock(0.025, 0.5, clumping=0.1), blur=0.65, dust=2, hairs=0.05, scratches=0.2,
            flicker=0.006, weave=0.2, black=0.02, white=0.97, vignette=0.05, colour=True,
        ),
    )
}  # fmt: skip


def age_preset(name: str) -> AgePreset:
    """The preset called `name`.

    Raises:
        RecipeError: no preset has that name.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise RecipeError(f"no age preset named {name!r}", "", f"known: {', '.join(PRESETS)}") from None
