"""A frame: its time and marks, which plan and records keep, and its picture."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import AliasChoices, Field

from reelwright.media.document_values import DocumentValue
from reelwright.media.frame_correction import FrameCorrection, FrameFading, FrameTone
from reelwright.media.picture import Picture


class Repeat(DocumentValue):
    """A frame that shows the picture of the one before it, fields as of `FrameRecord`."""

    pts: int
    duration: int
    concealed: bool = False


class FrameRecord(DocumentValue):
    """What the pipeline knows about a frame apart from its picture.

    Attributes:
        pts: in the source's video time base; strictly increasing through a title. Of an excerpt less `skipped`.
        duration: in the same units, 0 when unknown.
        shot_start: the first frame of a shot.
        preview: the report shows this frame for its shot. Plans written before 0.1.0 call this field `sample`.
        concealed: the frame replaces one that did not decode (recipe: on_damage = conceal).
        duplicate: the frame repeats the one before it, of the same shot (see `media.duplicates`).
        correction: what steadies the frame; None when the recipe steadies nothing.
        tone: how glare and shadows are opened; None when the recipe opens neither.
        fading: how lost contrast is brought back; None when the recipe leaves it.
        skipped: how much of the source was left out before the frame (recipe: excerpt), in the same units.
        repeats: the frames directly after it that show its picture and are not handled for themselves (recipe:
            duplicates); empty in plans and records, which have each frame for itself.
    """

    pts: int
    duration: int
    shot_start: bool = False
    preview: bool = Field(default=False, validation_alias=AliasChoices("preview", "sample"))
    concealed: bool = False
    duplicate: bool = False
    correction: FrameCorrection | None = None
    tone: FrameTone | None = None
    fading: FrameFading | None = None
    skipped: int = 0
    repeats: tuple[Repeat, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame of the source, in presentation order.

    Attributes:
        index: 0 for the title's first frame.
        record: its time and marks; `shot_start` is always true for index 0.
        picture: the active area (bars left out), in VideoInfo.pix_fmt.
    """

    index: int
    record: FrameRecord
    picture: Picture
