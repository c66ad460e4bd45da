"""The versions of the libraries that decode and encode: what may change a bit of a film apart from the engine."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import cache
from io import BytesIO
from typing import cast

import av
import cv2
import numpy as np

from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import FilmFormat
from reelwright.media.picture import Picture, Plane, pixel_format
from reelwright.media.profiles import out_pix_fmt, profile_spec
from reelwright.titles.identity import PLAN_RULES

# Large enough for the coding tree units of every encoder, and for pictures that refer to others in both directions.
_WIDTH, _HEIGHT, _FRAMES = 128, 96, 6
_SEED = 1895


@cache
def toolchain_identity(profile: str) -> str:
    """The identity of what decodes, plans and encodes a title of a profile, as one line.

    It names the plan rules, PyAV, OpenCV, FFmpeg and each of its libraries. FFmpeg does not report the version of an
    encoder that it was linked with (x264, x265, SVT-AV1), so a reference clip is encoded, and the first 12 digits of
    the SHA-256 of the segment's file stand for the encoder: `libx264@0123456789ab`.

    Args:
        profile: of a recipe, see `titles.recipe.Profile`.
    """
    libraries = {"av": av.__version__, "ffmpeg": av.ffmpeg_version_info, "opencv": cv2.__version__}
    for name, version in av.library_versions.items():
        libraries[name] = ".".join(map(str, version))
    named = (f"{name}-{version}" for name, version in sorted(libraries.items()))
    return f"plan-{PLAN_RULES} {' '.join(named)} {profile_spec(profile).encoder}@{_reference_digest(profile)[:12]}"


def _reference_digest(profile: str) -> str:
    spec, pix_fmt = profile_spec(profile), out_pix_fmt(profile, "yuv420p")
    film = FilmFormat(
        width=_WIDTH, height=_HEIGHT, pix_fmt=pix_fmt, time_base=Fraction(1, 25), average_rate=Fraction(25)
    )
    segment = BytesIO()
    encoder = SegmentEncoder(segment, spec, film)
    for frame in range(_FRAMES):
        encoder.add(_reference_picture(pix_fmt, frame))
    encoder.finish()
    return hashlib.sha256(segment.getvalue()).hexdigest()


def _reference_picture(pix_fmt: str, frame: int) -> Picture:
    """A diagonal ramp that moves by three samples a frame, with noise: detail, motion and grain."""
    layout = pixel_format(pix_fmt)
    # MT19937 gives the same numbers in every version of NumPy; the streams of `default_rng` may change.
    noise = np.random.RandomState(_SEED + frame)
    planes: list[Plane] = []
    for plane in range(layout.planes):
        rows, columns = np.indices(layout.plane_shape(plane, _WIDTH, _HEIGHT))
        ramp = (2 * rows + 3 * columns + 9 * frame) % 200 + 16 + noise.randint(0, 24, rows.shape)
        planes.append(cast("Plane", (ramp << (layout.depth - 8)).astype(layout.dtype)))
    return Picture(pix_fmt, _WIDTH, _HEIGHT, tuple(planes))
