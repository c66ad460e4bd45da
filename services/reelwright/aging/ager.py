"""Ages a film frame by frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelwright.aging import effects
from reelwright.aging.noise import Field, drift, generator
from reelwright.aging.presets import AgePreset

# One stream of random numbers per kind of damage: changing one leaves the others as they were.
_GRAIN, _DUST, _WEAVE, _WEAVE_SLOW, _FLICKER, _FLICKER_SLOW, _UNEVEN, _SCRATCHES = range(8)
_REFERENCE_ROWS = 360


class Ager:
    """Makes frames look like an old print.

    Frames may be given in any order and from several threads: the result depends on preset, seed, size and index only.

    Args:
        preset: kinds and strengths of damage.
        seed: of the random damage; not negative.
        width: luma columns.
        height: luma rows.
    """

    def __init__(self, preset: AgePreset, seed: int, width: int, height: int) -> None:
        self.preset, self.seed = preset, seed
        self._shape = (height, width)
        self._unit = max(height / _REFERENCE_ROWS, 0.5)
        self._area = width * height / (480 * _REFERENCE_ROWS) / self._unit**2
        self._vignette = effects.vignette(self._shape, preset.vignette)

    def age(self, index: int, planes: tuple[NDArray[np.uint8], ...]) -> tuple[NDArray[np.uint8], ...]:
        """Ages one frame.

        Args:
            index: 0 for the film's first frame.
            planes: Y, or Y, U, V; 8 bits, 0..255, Y (height, width).

        Returns:
            As many new planes of the same shapes; chroma is neutral unless the preset keeps colour.

        Raises:
            ValueError: the luma is not of the size given at construction.
        """
        if planes[0].shape != self._shape:
            raise ValueError(f"luma of shape {planes[0].shape}, expected {self._shape}")
        luma = self.age_luma(index, planes[0].astype(np.float32) / np.float32(255))
        luma8 = (np.clip(luma, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        chroma = (plane.copy() if self.preset.colour else np.full_like(plane, 128) for plane in planes[1:])
        return (luma8, *chroma)

    def age_luma(self, index: int, luma: Field) -> Field:
        """Applies all damage to luma in [0, 1], in the order of its causes. The result may leave [0, 1]."""
        luma = self.tone(index, luma)
        return self.wear(index, luma)

    def tone(self, index: int, luma: Field) -> Field:
        """Gate weave, fading, vignette and flicker: the damage that moves or dims the picture."""
        preset = self.preset
        if preset.weave > 0:
            shift = 0.4 * generator(self.seed, _WEAVE, index).standard_normal(2)
            shift += 0.9 * drift(self.seed, _WEAVE_SLOW, index, period=12, size=2)
            shift *= preset.weave * self._unit
            # In a projector the picture moves less sideways than up and down.
            luma = effects.weave(luma, float(0.7 * shift[0]), float(shift[1]))
        luma = effects.fade(luma, preset.black, preset.white)
        return luma * self._gain(index)

    def wear(self, index: int, luma: Field) -> Field:
        """Blur, grain, dust, hairs and scratches: the damage that a restoration should remove."""
        preset, unit = self.preset, self._unit
        luma = effects.blur(luma, preset.blur * unit)
        luma = effects.grain(luma, preset.grain, generator(self.seed, _GRAIN, index), unit)
        luma = effects.scratches(
            luma, mean=preset.scratches, seed=self.seed, purpose=_SCRATCHES, index=index, unit=unit
        )
        rng = generator(self.seed, _DUST, index)
        specks, hairs = rng.poisson(preset.dust * self._area), rng.poisson(preset.hairs * self._area)
        return effects.dust(luma, specks=int(specks), hairs=int(hairs), rng=rng, unit=unit)

    def _gain(self, index: int) -> Field:
        preset = self.preset
        if preset.flicker <= 0:
            return self._vignette
        quick = float(generator(self.seed, _FLICKER, index).standard_normal())
        slow = float(drift(self.seed, _FLICKER_SLOW, index, period=8, size=1)[0])
        knots = drift(self.seed, _UNEVEN, index, period=10, size=9).reshape(3, 3)
        uneven = effects.uneven_gain(self._shape, 0.5 * preset.flicker * knots)
        return self._vignette * (uneven + np.float32(1 + preset.flicker * (0.7 * quick + 0.7 * slow)))
