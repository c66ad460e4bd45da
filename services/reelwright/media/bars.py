"""Finds black borders once per title, cuts them off before restoration and puts them back around the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelwright.media.picture import Picture, PixelFormat, Plane, eight_bits, pixel_format
from reelwright.media.source_info import Bars, VideoInfo
from reelwright.titles.recipe import Recipe

# Lines kept of a sampled picture's luma in each direction, at least: 24 pictures of 4096x4096 are then 100 MB, which is
# one decoded picture of 16-bit 4:4:4.
_SAMPLED = 480
# Lines kept of each plane in the source's depth, at most, for the borders' code values.
_SAMPLED_FILL = 32
# All levels are of 8-bit luma.
_BLACK = 36  # a border brighter than this is picture; limited-range black is 16 and worn prints lift it
_NOISE = 14  # how far a border's brightest samples may rise above its own level
_DRIFT = 5  # how far a border's level may move over the film; a dark scene's edge moves with the light
_STEP = 12  # how much brighter the picture beside a border must be in the frames that prove it
_LIT = 40  # frames darker than this at their brightest tenth prove nothing
_PROOF = 0.25  # share of the lit frames that must show the step
_MIN_LIT = 3
_INSIDE = 8  # rows beside the border that may show the step, so that a soft edge does not hide it
_MIN_WIDTH = 4  # a thinner border is a blanking artefact and costs nothing to restore
_MIN_PICTURE = 0.4  # borders that leave less of a side are a dark film, not borders


@dataclass(frozen=True)
class _Lines:
    """Statistics of every row (or column) in every sampled frame, each of shape (frames, lines).

    Attributes:
        mean: of the line's samples.
        high: a high percentile of them.
    """

    mean: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """What detection keeps of a picture: all rows of some columns, and all columns of some rows.

    Attributes:
        format: of the picture.
        rows: 8-bit luma of every row, at some columns.
        columns: 8-bit luma of every column, at some rows.
        fill_rows: every row of each plane at a few columns, in the picture's depth.
        fill_columns: every column of each plane at a few rows.
    """

    format: PixelFormat
    rows: Plane
    columns: Plane
    fill_rows: tuple[Plane, ...]
    fill_columns: tuple[Plane, ...]

    @classmethod
    def of(cls, picture: Picture) -> _Sample:
        depth = picture.format.depth
        wide, high = max(1, picture.width // _SAMPLED), max(1, picture.height // _SAMPLED)
        luma = picture.planes[0]
        return cls(
            format=picture.format,
            rows=eight_bits(luma[:, ::wide].copy(), depth),
            columns=eight_bits(luma[::high].copy(), depth),
            fill_rows=tuple(plane[:, :: _step(plane.shape[1])].copy() for plane in picture.planes),
            fill_columns=tuple(plane[:: _step(plane.shape[0])].copy() for plane in picture.planes),
        )

    def lit(self) -> bool:
        return bool(np.percentile(self.rows[::4, ::4], 90) >= _LIT)

    def luma_rows(self, left: int, right: int) -> Plane:
        """8-bit luma of every row, between the borders at the sides."""
        # The sampled columns stand for the picture's in proportion.
        width, count = self.columns.shape[1], self.rows.shape[1]
        return self.rows[:, -(-left * count // width) : count - -(-right * count // width)]

    def luma_columns(self, top: int, bottom: int) -> Plane:
        """8-bit luma of every column, as rows of the result, between the borders above and below."""
        height, count = self.rows.shape[0], self.columns.shape[0]
        return self.columns[-(-top * count // height) : count - -(-bottom * count // height)].T


def _step(lines: int) -> int:
    return -(-lines // _SAMPLED_FILL)


def detect_bars(pictures: Iterable[Picture]) -> Bars:
    """The borders that all sampled pictures of a title share; none when the evidence is thin.

    A border is as dark as black, keeps its level through the whole film and ends in a step that a good part of the
    lit frames show; a scene that happens to be dark at its edges has none of that.

    Args:
        pictures: whole pictures of one size and format, spread through the film; taken one at a time, and of each
            some lines are kept.

    Returns:
        Borders in luma samples, rounded down to the chroma grid, with the median code value of each plane in them.
    """
    samples = [_Sample.of(picture) for picture in pictures]
    lit = [sample for sample in samples if sample.lit()]
    if len(lit) < _MIN_LIT:
        return Bars()
    fmt = lit[0].format
    top, bottom = _pair([_lines(sample.luma_rows(0, 0)) for sample in lit], 1 << fmt.chroma_height_shift)
    # Columns are judged between the horizontal borders, and rows again between the vertical ones where those exist.
    left, right = _pair([_lines(sample.luma_columns(top, bottom)) for sample in lit], 1 << fmt.chroma_width_shift)
    if left or right:
        top, bottom = _pair([_lines(sample.luma_rows(left, right)) for sample in lit], 1 << fmt.chroma_height_shift)
    bars = Bars(left=left, top=top, right=right, bottom=bottom)
    return bars.model_copy(update={"fill": _fill(samples, bars)}) if bars.any else Bars()


def crop(picture: Picture, bars: Bars) -> Picture:
    """The picture without its borders, in tight planes of their own."""
    planes = tuple(
        plane[_window(picture.format, index, plane.shape, bars)].copy() for index, plane in enumerate(picture.planes)
    )
    rows, columns = planes[0].shape
    return Picture(picture.pix_fmt, columns, rows, planes)


def output_size(video: VideoInfo, recipe: Recipe) -> tuple[int, int]:
    """Width and height of the finished film's pictures."""
    width, height = video.width, video.height
    if recipe.bars == "crop":
        width -= video.bars.left + video.bars.right
        height -= video.bars.top + video.bars.bottom
    return width * recipe.scale, height * recipe.scale


def restored_size(video: VideoInfo, recipe: Recipe) -> tuple[int, int]:
    """Width and height of the pictures that workers return: the active area, enlarged."""
    bars = Bars() if recipe.bars == "ignore" else video.bars
    return (video.width - bars.left - bars.right) * recipe.scale, (video.height - bars.top - bars.bottom) * recipe.scale


def film_bars(video: VideoInfo, recipe: Recipe) -> Bars:
    """The borders of the finished film's pictures."""
    return _scaled(video.bars, recipe.scale) if recipe.bars == "keep" and video.bars.any else Bars()


def black_level(video: VideoInfo, recipe: Recipe) -> int | None:
    """The level of 255 up to which samples may belong to the film's bars; None for a film without bars."""
    if recipe.bars != "keep" or not video.bars.any:
        return None
    # A lossy codec changes even bars by a level or two.
    return (video.bars.fill[0] >> (pixel_format(video.pix_fmt).depth - 8)) + 2


def put_back(restored: Picture, video: VideoInfo, recipe: Recipe) -> Picture:
    """The restored active area inside its borders, where the recipe keeps them.

    Args:
        restored: `recipe.scale` times the active area of the source, in any carried format.
        video: the source's.
        recipe: decides whether there are borders to put back.
    """
    if recipe.bars != "keep" or not video.bars.any:
        return restored
    fmt, bars = restored.format, _scaled(video.bars, recipe.scale)
    fill = _fill_at(video.bars, pixel_format(video.pix_fmt), fmt)
    width, height = output_size(video, recipe)
    planes: list[Plane] = []
    for index, plane in enumerate(restored.planes):
        whole: Plane = np.full(fmt.plane_shape(index, width, height), fill[index], fmt.dtype)  # type: ignore[assignment]
        whole[_window(fmt, index, whole.shape, bars)] = plane
        planes.append(whole)
    return Picture(restored.pix_fmt, width, height, tuple(planes))


def _scaled(bars: Bars, scale: int) -> Bars:
    sides = {side: getattr(bars, side) * scale for side in ("left", "top", "right", "bottom")}
    return Bars(**sides, fill=bars.fill)


def _fill_at(bars: Bars, source: PixelFormat, target: PixelFormat) -> tuple[int, ...]:
    """The borders' code values in another format: shifted to its depth, neutral in planes the source lacks."""
    known = [level << (target.depth - 8) >> (source.depth - 8) for level in bars.fill]
    return tuple((known + [target.neutral] * 3)[: target.planes])


def _window(fmt: PixelFormat, plane: int, shape: tuple[int, ...], bars: Bars) -> tuple[slice, slice]:
    """Rows and columns of a plane that lie inside the borders."""
    high, wide = (fmt.chroma_height_shift, fmt.chroma_width_shift) if plane else (0, 0)
    return (
        slice(bars.top >> high, shape[0] - (bars.bottom >> high)),
        slice(bars.left >> wide, shape[1] - (bars.right >> wide)),
    )


def _lines(luma: Plane) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and brightest twentieth of each row."""
    # partition finds one percentile of all rows at once, several times faster than numpy.percentile.
    at = luma.shape[1] * 19 // 20
    high = np.partition(luma, at, axis=1)[:, at]
    return luma.mean(axis=1, dtype=np.float32), high.astype(np.float32)


def _pair(lines: list[tuple[NDArray[np.float32], NDArray[np.float32]]], grid: int) -> tuple[int, int]:
    """Widths of the borders before and after, in lines."""
    stats = _Lines(np.stack([mean for mean, _ in lines]), np.stack([high for _, high in lines]))
    before = _border(stats) // grid * grid
    after = _border(_Lines(stats.mean[:, ::-1], stats.high[:, ::-1])) // grid * grid
    before, after = (width if width >= _MIN_WIDTH else 0 for width in (before, after))
    count = stats.mean.shape[1]
    return (before, after) if count - before - after >= count * _MIN_PICTURE else (0, 0)


def _border(stats: _Lines) -> int:
    """How many lines from the first on are border."""
    level = float(np.median(stats.mean[:, 0]))
    dark = stats.high.max(axis=0) <= min(_BLACK, level) + _NOISE
    steady = np.ptp(stats.mean, axis=0) <= _DRIFT
    even = np.abs(stats.mean - level).max(axis=0) <= _DRIFT
    outside = ~(dark & steady & even)
    width = int(outside.argmax()) if outside.any() else 0
    if level > _BLACK or not width:
        return 0
    beside = stats.mean[:, width : width + _INSIDE].max(axis=1)
    return width if float((beside - level >= _STEP).mean()) >= _PROOF else 0


def _fill(samples: Sequence[_Sample], bars: Bars) -> tuple[int, ...]:
    """The median code value of each plane inside the borders."""
    fmt = samples[0].format
    levels = []
    for index in range(fmt.planes):
        high, wide = (fmt.chroma_height_shift, fmt.chroma_width_shift) if index else (0, 0)
        inside: list[Plane] = []
        for sample in samples:
            rows, columns = sample.fill_rows[index], sample.fill_columns[index]
            inside += [rows[: bars.top >> high], rows[rows.shape[0] - (bars.bottom >> high) :]]
            inside += [columns[:, : bars.left >> wide], columns[:, columns.shape[1] - (bars.right >> wide) :]]
        levels.append(round(float(np.median(np.concatenate([part.ravel() for part in inside])))))
    return tuple(levels)
