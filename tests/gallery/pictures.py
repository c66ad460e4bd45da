"""Puts pictures beside each other, draws slices of a film over time, and writes them as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_GAP, _QUALITY = 4, 85
_DOTS, _CURVE_HEIGHT = 96, 200
# The limits of the page: it is read on telephones, too, and lies in the repository.
MOST_BYTES, MOST_BYTES_IN_ALL = 150_000, 2_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture, in its pixels.

    Attributes:
        left, top: of its first pixel.
        width, height: of the part.
    """

    left: int
    top: int
    width: int
    height: int

    def of(self, image: Image) -> Image:
        """The part of an image (rows, columns, 3)."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def side_by_side(images: Sequence[Image], part: Part) -> Image:
    """The same part of several images of one size, from left to right, with a white line between two."""
    line = np.full((part.height, _GAP, 3), 255, np.uint8)
    row: list[Image] = []
    for image in images:
        row += [line, part.of(image)] if row else [part.of(image)]
    return np.hstack(row)


def time_slices(films: Sequence[Sequence[Image]], part: Part, zoom: tuple[int, int]) -> Image:
    """One column of each frame from left to right, film below film.

    Args:
        films: frames of films, (rows, columns, 3) each.
        part: a column of them; its `width` is not used.
        zoom: how many pixels wide and high a sample is drawn.
    """
    rows: list[Image] = []
    for frames in films:
        columns = [image[part.top : part.top + part.height, part.left : part.left + 1] for image in frames]
        drawn = np.repeat(np.repeat(np.hstack(columns), zoom[1], axis=0), zoom[0], axis=1)
        rows += [np.full((_GAP, drawn.shape[1], 3), 255, np.uint8), drawn] if rows else [drawn]
    return np.vstack(rows)


def write_jpeg(path: Path, image: Image) -> None:
    """Writes an image.

    Raises:
        ValueError: it is larger than the page may have.
    """
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if len(coded) > MOST_BYTES:
        raise ValueError(f"{path.name}: {len(coded)} bytes, at most {MOST_BYTES}; show a smaller part")
    path.write_bytes(coded.tobytes())


def curves(values: Mapping[str, Sequence[float]], axes: tuple[str, str], width: int) -> Image:
    """Draws curves over the frames.

    Args:
        values: a curve's values by its name.
        axes: what the axes show, across and up.
        width: of the image.
    """
    figure = Figure(figsize=(width / _DOTS, _CURVE_HEIGHT / _DOTS), dpi=_DOTS, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    for (name, each), colour in zip(values.items(), ("#c0392b", "#1f4e79"), strict=True):
        plot.plot(each, label=name, color=colour, linewidth=1.3)
    plot.set(xlabel=axes[0], ylabel=axes[1], xmargin=0, ymargin=0.2)
    plot.legend(loc="upper right", ncols=2, frameon=False)
    plot.spines[["top", "right"]].set_visible(False)
    canvas.draw()  # type: ignore[no-untyped-call]
    dots = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.asarray(cv2.cvtColor(dots, cv2.COLOR_RGBA2BGR), np.uint8)
