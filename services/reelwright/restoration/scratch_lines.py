"""Where scratches run: thin lines, nearly vertical, over much of the picture's height, at one place in three frames.

The weight set for undamaged film leaves scratches, and how far each pixel stands out (`measurement.scratch_map`) does
not tell them from the scene. What tells them is that they go on: so the picture is averaged in bands of rows, and a
path through the bands counts by how far it stands out from both of its sides in each, up to a limit. Many weak places
then count more than one strong one. (The path of best sum: Viterbi 1967; as lines of scratches: Newson et al.,
IEEE TIP 23(3), 2014.) Where a path was found, the set for damaged film restores (`enlarge.mix`). A post or the edge
of a door may be taken for a scratch: then as many columns are restored by the other set, which decides for itself.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.restoration.optical_flow import Window
from reelwright.restoration.window_network import MIDDLE

Field = NDArray[np.float32]

_BANDS = 6
# In bands of fewer rows what a scene shows does not average out: posts of film of 68 rows pass for scratches.
_LEAST_ROWS = 20
# Distance from the middle of a line to its last column, and to the first and the last of those on either side that it
# must stand out from.
_LINE, _NEAR, _FAR = 1, 3, 6
# Levels added to what stands out anywhere in a band, so that noise of a picture without any is no line.
_FLOOR = 0.3
# A band counts by how far the line stands out, in the unit of its noise, less `_EXPECTED`, and by no more than `_MOST`.
_EXPECTED, _MOST = 0.4, 1.5
# Mean of that over all bands from which a path is taken for a scratch, a little and wholly. Chosen on seven pieces of
# film without scratches and with drawn ones (`python -m tests.bench.bench_scratches`).
_PERHAPS, _CERTAIN = 0.78, 0.92
# Columns to which the result reaches around a line, and over how many it fades.
_WIDTH, _FADE = 9, 5


def scratch_lines(window: Window) -> Field | None:
    """Where scratches run in the middle frame.

    Args:
        window: five frames (H, W) uint8, not aligned: scratches keep their place while the scene moves.

    Returns:
        (6, W) float32, 0 to 1: for six bands of equal height how surely a column lies in a scratch; None where there is
        none in the whole frame, and for pictures of fewer than 120 rows.
    """
    if len(window[MIDDLE]) < _BANDS * _LEAST_ROWS:
        return None
    bands = _bands(window[MIDDLE - 1 : MIDDLE + 2])
    line = _mean(bands, -_LINE, _LINE)
    left, right = _mean(bands, -_FAR, -_NEAR), _mean(bands, _NEAR, _FAR)
    # Half of all columns differ by less from the mean of their sides; 1.48 makes it a standard deviation.
    middling = np.median(np.abs(line - (left + right) / 2), axis=1, keepdims=True)
    noise = (1.48 * middling + _FLOOR).astype(np.float32)
    brighter, darker = line - np.maximum(left, right), np.minimum(left, right) - line
    found = np.maximum(_strength(brighter / noise), _strength(darker / noise))
    share = np.clip((found - _PERHAPS) / (_CERTAIN - _PERHAPS), 0, 1).astype(np.float32)
    if not share.any():
        return None
    # A line may leave a band in another column than the next one shows it in.
    widened = cv2.dilate(share, np.ones((3, _WIDTH), np.uint8))
    return np.asarray(cv2.blur(widened, (_FADE, 1)), np.float32)


def _bands(frames: Window) -> Field:
    """The mean of three frames in each column of each band, in levels; (6, W) float32."""
    first, second, third = frames
    # Sums of whole numbers are exact in any order.
    total = cv2.add(cv2.add(first, second, dtype=cv2.CV_16S), third, dtype=cv2.CV_16S)
    means = cv2.resize(total.astype(np.float32), (total.shape[1], _BANDS), interpolation=cv2.INTER_AREA)
    return np.asarray(means / 3, np.float32)


def _mean(bands: Field, first: int, last: int) -> Field:
    """The mean of columns from `first` to `last`, counted from each column; beyond the picture its edge goes on."""
    width = last - first + 1
    padded = cv2.copyMakeBorder(bands, 0, 0, _FAR, _FAR, cv2.BORDER_REPLICATE)
    sums = cv2.boxFilter(padded, cv2.CV_32F, (width, 1), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    start = _FAR + first
    return np.asarray(sums[:, start : start + bands.shape[1]], np.float32)


def _strength(standing_out: Field) -> Field:
    """The best path through each place: the mean of what it counts over all bands; far below 0 where nothing is."""
    counts = np.clip(standing_out, -1, _MOST) - _EXPECTED
    down, up = _sums(counts), _sums(counts[::-1])[::-1]
    return np.asarray(np.where(counts > 0, (down + up - counts) / len(counts), -1.0), np.float32)


def _sums(counts: Field) -> Field:
    """The best sum of a path that comes from above and ends here; from band to band it moves one column at most."""
    found = np.empty_like(counts)
    best = np.zeros_like(counts[0])
    for band, here in enumerate(counts):
        padded = np.pad(best, 1)
        near = np.maximum(np.maximum(padded[:-2], padded[2:]), best)
        best = found[band] = here + np.maximum(near, 0)
    return found
