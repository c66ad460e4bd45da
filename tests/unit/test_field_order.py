from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.media.field_order import FieldDetector, FieldFinding

_ROWS, _COLUMNS, _FRAMES = 240, 320, 36
_Moment = Callable[[float], NDArray[np.float64]]


def _found(moment: _Moment, codec: str, *, order: str = "", flagged: bool = False, noise: float = 0) -> FieldFinding:
    """Shows a detector the pictures of whole frames; with an order, of fields that are half a frame apart."""
    detector = FieldDetector(codec)
    rng = np.random.default_rng(3)
    for index in range(_FRAMES):
        if index % 12 == 0:
            detector.begin_run()
        picture = moment(index).copy()
        if order:
            late = 1 if order == "tff" else 0
            picture[late::2] = moment(index + 0.5)[late::2]
        picture += rng.normal(0, noise, picture.shape) if noise else 0
        detector.add(np.clip(picture, 0, 255).astype(np.uint8), 8, flagged=flagged)
    return detector.finding()


def _grid(shift_rows: float, shift_columns: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.mgrid[0:_ROWS, 0:_COLUMNS].astype(np.float64)
    return rows + shift_rows, columns + shift_columns


def _credits(speed: float) -> _Moment:
    """Lines of small bright letters on black that roll upwards."""
    letters = np.kron(np.random.default_rng(1).random((200, 160)) < 0.5, np.ones((1, 2)))
    letters[::10] = letters[1::10] = letters[2::10] = 0

    def moment(time: float) -> NDArray[np.float64]:
        start = round(speed * time)
        return 16 + 219 * np.roll(np.tile(letters, (2, 1)), -start, 0)[:_ROWS]

    return moment


def _stave(time: float) -> NDArray[np.float64]:
    """Dark lines, one row high, every four rows, that move up by a row a frame."""
    rows, columns = _grid(time, 0)
    return np.where((rows + columns // 80) % 4 < 1, 40.0, 220.0)


def _engraving(time: float) -> NDArray[np.float64]:
    """Hatching with a period of 2.6 rows that follows a relief."""
    rows, columns = _grid(0, 2 * time)
    waves = 2 * np.pi * (rows + 1.3 * time) / 2.6 + 3 * np.sin(columns / 31) + 2 * np.sin(rows / 23)
    return np.asarray(128 + 90 * np.sin(waves))


def _blinds(time: float) -> NDArray[np.float64]:
    """Venetian blinds, two rows light and two rows dark, behind something that moves sideways."""
    rows, columns = _grid(0, 0)
    slats = np.where(rows % 4 < 2, 200.0, 50.0)
    return np.where(np.abs(columns - 60 - 4 * time) < 40, 120.0, slats)


def _pan(time: float) -> NDArray[np.float64]:
    """A textured scene that the camera pans over."""
    rows, columns = _grid(0, 3.1 * time)
    return np.asarray(120 + 50 * np.sin(columns / 5) * np.sin(rows / 7) + 30 * np.sin(columns / 2.3 + rows / 11))


_LINES: dict[str, _Moment] = {
    "credits1": _credits(1),
    "credits2": _credits(2),
    "credits3": _credits(3),
    "stave": _stave,
    "engraving": _engraving,
    "blinds": _blinds,
}


@pytest.mark.parametrize("name", _LINES)
@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_fine_lines_that_move_are_not_fields(name: str, codec: str) -> None:
    """Detail that looks like combs is progressive, whether the stream says so or says nothing."""
    assert _found(_LINES[name], codec).order == "progressive"


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(("codec", "flagged"), [("h264", True), ("h264", False), ("ffv1", False)])
@pytest.mark.parametrize("noise", [0, 4])
def test_fields_of_two_moments_are_found(order: str, codec: str, flagged: bool, noise: float) -> None:
    """Interlaced pictures are found in clean and noisy films, even where all are flagged progressive."""
    assert _found(_pan, codec, order=order, flagged=flagged, noise=noise).order == order


def test_a_progressive_film_with_the_wrong_flag_is_progressive() -> None:
    """Film in a broadcast stream is often flagged interlaced; its pictures decide."""
    assert _found(_pan, "mpeg2video", flagged=True).order == "progressive"


@pytest.mark.parametrize(
    ("codec", "flagged", "order"),
    [("mpeg2video", True, "tff"), ("dvvideo", True, "bff"), ("h264", False, "progressive")],
)
def test_where_nothing_moves_the_flag_counts(codec: str, flagged: bool, order: str) -> None:
    """A still picture proves nothing; DV has the bottom field first, all broadcast systems the top field."""
    assert _found(lambda _: _pan(0), codec, flagged=flagged).order == order


def test_the_evidence_is_told() -> None:
    """The counts and the flags that led to the finding can be read."""
    evidence = _found(_pan, "h264", order="tff").evidence
    assert "top field first" in evidence
    assert "all are flagged progressive" in evidence
    assert "ffv1 carries no flag" in _found(_pan, "ffv1").evidence
