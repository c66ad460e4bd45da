"""Codes what the report shows of a frame; apart from its record, which roles without FFmpeg read."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.ledger.shown_frame import ShownFrame
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg, strip
from reelwright.media.picture import Picture
from reelwright.media.repair_mask import Codes, mask_png
from reelwright.media.source_info import ColourInfo


def code_shown_frame(
    colour: ColourInfo,
    frames: Sequence[int],
    *,
    before: Picture,
    after: bytes,
    mask: Codes | None,
    strips: tuple[Sequence[Picture], Sequence[Picture]],
) -> ShownFrame:
    """Codes the pictures of a frame.

    Args:
        colour: of all pictures.
        frames: indices in the title of the frames of the strips.
        before: the source's frame.
        after: the frame restored, as JPEG.
        mask: (H, W) uint8; None when it is not known.
        strips: the part that is shown of each of `frames`, of the source and restored.
    """
    return ShownFrame(
        first=frames[0],
        last=frames[-1],
        frames=len(frames),
        before=jpeg(before, colour, PREVIEW_WIDTH),
        after=after,
        mask=b"" if mask is None else mask_png(mask),
        strip_before=strip(strips[0], colour),
        strip_after=strip(strips[1], colour),
    )
