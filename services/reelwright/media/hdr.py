"""High dynamic range: the static metadata of a source, read from its first picture, and as encoders take it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import cast

import av
from av.sidedata.sidedata import SideData

from reelwright.media.source_info import HdrInfo

# AVMasteringDisplayMetadata: x and y of red, green, blue and white, least and most luminance, each a fraction of two
# 32-bit integers, and two flags that say whether primaries and luminance are given.
_MASTERING = struct.Struct("=20i2i")
_LIGHT = struct.Struct("=2I")
# ITU-T H.265, D.3.28: chromaticity in units of 0.00002, luminance in units of 0.0001 cd/m2.
_CHROMATICITY, _LUMINANCE = 50_000, 10_000
_DYNAMIC = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
}


def hdr_of(frame: av.VideoFrame) -> HdrInfo:
    """What a decoded picture says about its range of light."""
    mastering: tuple[int, ...] = ()
    light: tuple[int, ...] = ()
    dynamic: set[str] = set()
    for data in cast("Iterable[SideData]", frame.side_data):
        name = data.type.name
        if name == "MASTERING_DISPLAY_METADATA":
            mastering = _mastering(bytes(data))
        elif name == "CONTENT_LIGHT_LEVEL":
            light = _LIGHT.unpack_from(bytes(data))
        elif name in _DYNAMIC:
            dynamic.add(_DYNAMIC[name])
    return HdrInfo(mastering=mastering, content_light=light if any(light) else (), dynamic=tuple(sorted(dynamic)))


def _mastering(data: bytes) -> tuple[int, ...]:
    fields = _MASTERING.unpack_from(data)
    has_primaries, has_luminance = fields[20:]
    if not (has_primaries and has_luminance):
        return ()
    pairs = zip(fields[:20:2], fields[1:20:2], strict=True)
    *chromaticities, least, most = (numerator / (denominator or 1) for numerator, denominator in pairs)
    points = (round(value * _CHROMATICITY) for value in chromaticities)
    return (*points, round(most * _LUMINANCE), round(least * _LUMINANCE))


def hdr_parameters(encoder: str, hdr: HdrInfo) -> tuple[str, list[str]]:
    """The option of an encoder that takes parameters, and those that write static metadata into its bitstream.

    Args:
        encoder: FFmpeg's name.
        hdr: of the source.

    Returns:
        The option's name and its parameters; none for an encoder that writes no such metadata.
    """
    if encoder == "libx265":
        names = ("x265-params", "master-display", "max-cll")
    elif encoder == "libx264":
        names = ("x264-params", "mastering-display", "cll")
    elif encoder == "libsvtav1":
        names = ("svtav1-params", "mastering-display", "content-light")
    else:
        return "", []
    option, display, light = names
    parameters = []
    if hdr.mastering:
        parameters.append(f"{display}={_display_text(hdr.mastering, fractions=encoder == 'libsvtav1')}")
    if hdr.content_light:
        parameters.append(f"{light}={hdr.content_light[0]},{hdr.content_light[1]}")
    return option, parameters


def _display_text(mastering: tuple[int, ...], *, fractions: bool) -> str:
    red, green, blue, white, luminance = (mastering[at : at + 2] for at in range(0, 10, 2))

    def pair(values: tuple[int, ...], unit: int) -> str:
        return ",".join(f"{value / unit:.5f}" if fractions else str(value) for value in values)

    primaries = "".join(
        f"{name}({pair(values, _CHROMATICITY)})"
        for name, values in (("G", green), ("B", blue), ("R", red), ("WP", white))
    )
    return f"{primaries}L({pair(luminance, _LUMINANCE)})"
