"""Figures of several shots as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

Figures = TypeVar("Figures", bound=BaseModel)


def mean_of(measured: Sequence[tuple[Figures | None, int]]) -> Figures | None:
    """The mean of each figure, weighted by frames; None when nothing was measured.

    Args:
        measured: what was measured in each shot, None where nothing was, and the shot's number of frames.
    """
    known = [(figures, frames) for figures, frames in measured if figures is not None]
    if not known:
        return None
    total, kind = sum(frames for _, frames in known), type(known[0][0])
    return kind(
        **{
            name: sum(getattr(figures, name) * frames for figures, frames in known) / total
            for name in kind.model_fields
        }
    )
