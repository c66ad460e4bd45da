"""Enlarges a film twice with VapourSynth and a network, as a restorer would without `reelwright`, to y4m on stdout.

    python enlarge_film.py FILM NETWORK.onnx STREAMS

The peers' Python runs this file. The network (see `build_onnx.py`) reads five frames as they are; what it gives is
added to a bicubic enlargement of luma. Chroma is enlarged by a bicubic kernel. FILM is 8-bit 4:2:0.
"""

from __future__ import annotations

import sys
from typing import Any

import vapoursynth as vs

core: Any = vs.core


def enlarged(film: str, network: str, streams: int) -> vs.VideoNode:
    """The clip of the enlarged film.

    Args:
        film: a file.
        network: the ONNX file for the film's size.
        streams: frames that the network computes at the same time.
    """
    clip = core.bs.VideoSource(film, cachemode=0, showprogress=False)
    luma, *chroma = (core.std.ShufflePlanes(clip, plane, vs.GRAY) for plane in range(3))
    luma = luma.resize.Point(format=vs.GRAYS)
    first, last = luma[0], luma[-1]
    window = [first * 2 + luma[:-2], first + luma[:-1], luma, luma[1:] + last, luma[2:] + last * 2]
    size = {"width": 2 * clip.width, "height": 2 * clip.height}
    added = core.ov.Model(window, network_path=network, device="CPU", num_streams=streams)
    sharp = core.std.Expr([added, luma.resize.Bicubic(**size)], "x y +").resize.Point(format=vs.GRAY8)
    wide = [plane.resize.Bicubic(width=clip.width, height=clip.height) for plane in chroma]
    return core.std.ShufflePlanes([sharp, *wide], [0, 0, 0], vs.YUV)


def main() -> None:
    """Writes the film."""
    film, network, streams = sys.argv[1:]
    enlarged(film, network, int(streams)).output(sys.stdout.buffer, y4m=True)


if __name__ == "__main__":
    main()
