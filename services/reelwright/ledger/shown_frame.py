"""What the report shows of the worst frame of a shot."""

from __future__ import annotations

from pydantic import ConfigDict

from reelwright.titles.versions import VersionedDocument


class ShownFrame(VersionedDocument):
    """The worst frame of a shot in a segment, before and after, and a strip of the frames around it.

    Attributes:
        first: index in the title of the first frame of the strips.
        last: of their last frame.
        frames: number of frames in each strip.
        before: the source's frame as JPEG.
        after: the frame restored, as JPEG.
        mask: which samples of the source's frame the repair changed, as PNG (see `media.repair_mask`); empty when that
            is not known.
        strip_before: a part of the source's frames side by side, as JPEG.
        strip_after: the same part of the frames restored.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    first: int
    last: int
    frames: int
    before: bytes
    after: bytes
    mask: bytes = b""
    strip_before: bytes
    strip_after: bytes
