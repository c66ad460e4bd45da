"""The film-damage simulator: makes a clean picture look like an old print. Imports numpy and OpenCV alone."""

from reelwright.aging.ager import Ager
from reelwright.aging.presets import PRESETS, AgePreset, GrainStock, age_preset

__all__ = ["PRESETS", "AgePreset", "Ager", "GrainStock", "age_preset"]
