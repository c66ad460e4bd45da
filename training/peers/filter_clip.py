"""Filters a clip with VapourSynth; a process of the peers' Python runs this file.

    python filter_clip.py degrain IN.npy OUT.npy THSAD
    python filter_clip.py repair IN.npy OUT.npy

IN is luma (n, rows, columns) uint8, OUT the same luma float32 in [0, 1].
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

core: Any = vs.core
Codes = NDArray[np.uint8] | NDArray[np.uint16]
# `make quality` runs a process for each core.
core.num_threads = 1

# Frames before and after that MVTools averages, and those whose median replaces dust.
_DEGRAINED, _COMPENSATED = 4, 2
# Rows and columns of MVTools' blocks; halved where the first match is poor.
_BLOCK = 16
# Above any difference of two blocks: grain is no change of shot.
_NO_CUT = 16320
# Dust is what differs from the median by more levels. On three pieces with grain of 4 levels, 8 repaired 92 % of the
# dust and changed 6.5 % of the clean pixels, 10 repaired 88 % and changed 3.3 %, 12 repaired 83 % and changed 1.8 %.
_DUST = 10
# The best of 96 settings on three pieces with known scratches: lines 5 levels high, up to 3 pixels wide, 40 long.
_SCRATCH = {"mindif": 5, "asym": 20, "maxwidth": 3, "minlen": 40, "maxgap": 10, "keep": 100, "modey": 3}


def degrained(clip: vs.VideoNode, thsad: int) -> vs.VideoNode:
    """The mean of nine motion-compensated frames. Motion is searched on a blurred copy, as grain has none.

    Args:
        clip: GRAY16.
        thsad: difference of two blocks of 8x8 in 8-bit levels, up to which a frame counts.
    """
    blurred = clip.std.Convolution([1, 2, 1, 2, 4, 2, 1, 2, 1])
    searched = blurred.mv.Super(pel=2, sharp=2, chroma=False)
    averaged = clip.mv.Super(pel=2, sharp=2, chroma=False, levels=1)
    vectors = []
    for distance in range(1, _DEGRAINED + 1):
        for backward in (True, False):
            coarse = _search(searched, distance, backward=backward)
            vectors.append(
                searched.mv.Recalculate(
                    coarse, thsad // 2, blksize=_BLOCK // 2, overlap=_BLOCK // 4, search=5, chroma=False
                )
            )
    return clip.mv.Degrain4(averaged, *vectors, thsad=thsad, plane=0, thscd1=_NO_CUT)


def repaired(clip: vs.VideoNode) -> vs.VideoNode:
    """Scratches removed by DeScratch; dust replaced by the median of five motion-compensated frames.

    Args:
        clip: GRAY8.
    """
    without = _without_scratches(clip)
    super_ = without.mv.Super(pel=2, sharp=1, chroma=False)
    frames = [without]
    for distance in range(1, _COMPENSATED + 1):
        before, after = (
            without.mv.Compensate(super_, _search(super_, distance, backward=backward), thscd1=_NO_CUT)
            for backward in (False, True)
        )
        frames = [before, *frames, after]
    median = core.std.Interleave(frames).zsmooth.TemporalMedian(radius=_COMPENSATED)
    median = median.std.SelectEvery(len(frames), _COMPENSATED)
    return core.std.Expr([median, without], f"x y - abs {_DUST} > x y ?")


def _without_scratches(clip: vs.VideoNode) -> vs.VideoNode:
    # DeScratch takes pictures with chroma alone; 4:4:4 has no odd sides.
    neutral = core.std.BlankClip(clip, format=vs.YUV444P8, color=[0, 128, 128])
    colour = core.std.ShufflePlanes([clip, neutral], [0, 1, 2], vs.YUV)
    return core.std.ShufflePlanes(colour.descratch.DeScratch(modeu=0, modev=0, **_SCRATCH), 0, vs.GRAY)


def _search(super_: vs.VideoNode, distance: int, *, backward: bool) -> vs.VideoNode:
    return super_.mv.Analyse(
        isb=backward, delta=distance, blksize=_BLOCK, overlap=_BLOCK // 2, search=5, truemotion=True, chroma=False
    )


def _to_clip(codes: Codes, form: int) -> vs.VideoNode:
    """A clip of luma (n, rows, columns) in a format of as many bits."""
    count, rows, columns = codes.shape
    blank = core.std.BlankClip(width=columns, height=rows, format=form, length=count, keep=True)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        np.asarray(frame[0])[:] = codes[n]
        return frame

    return blank.std.ModifyFrame(blank, fill)


def main() -> None:
    """Reads a clip, filters it, writes it."""
    step, source, target, *strength = sys.argv[1:]
    codes = np.load(source)
    if step == "degrain":
        clip, peak = degrained(_to_clip(codes.astype(np.uint16) * 257, vs.GRAY16), int(strength[0])), 65535
    else:
        clip, peak = repaired(_to_clip(codes, vs.GRAY8)), 255
    frames = [np.array(frame[0], np.float32) for frame in clip.frames()]
    np.save(target, np.stack(frames) / np.float32(peak))


if __name__ == "__main__":
    main()
