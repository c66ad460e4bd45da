"""Scales the report's preview pictures to a total size in bytes. Imports OpenCV."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Large enough to judge a restoration, small enough to open on a phone.
BUDGET_BYTES = 40_000_000
IMAGE_BYTES = 1_000_000
# Base64 writes 4 characters for 3 bytes; the rest is for the page itself.
_SHARE = Fraction(7, 10)
# Long edges and JPEG qualities, tried in this order until a picture fits its share.
_LADDER = (
    *((1920, 90), (1600, 88), (1280, 85), (960, 82), (720, 80)),
    *((540, 75), (400, 70), (280, 65), (200, 60), (140, 50)),
)
_THUMB_LADDER = ((256, 70), (192, 60), (128, 50), (96, 40))
_THUMB_HEIGHT = 96


@dataclass(slots=True)
class Budget:
    """Bytes that are left for pictures. Each may use an even share; unused bytes are shared by the pictures after it.

    Attributes:
        images: pictures that are not added yet, thumbnails included.
        left: bytes left for them.
    """

    images: int
    left: int = int(BUDGET_BYTES * _SHARE)

    def fit(self, jpeg: bytes, rotation: int = 0, *, mirrored: bool = False) -> str | None:
        """A JPEG as a data URI, rotated for display and scaled down until it fits its share.

        Args:
            jpeg: the preview as stored.
            rotation: degrees counter-clockwise by which a player rotates the picture.
            mirrored: the player then shows it mirrored, left for right.

        Returns:
            The URI; None when the bytes are not a picture.
        """
        share = self._share()
        image = _decode(jpeg, rotation, mirrored=mirrored)
        if image is None:
            return None
        coded = jpeg if rotation == 0 and not mirrored and len(jpeg) <= share else _shrink(image, share, _LADDER)
        return self._embed(coded)

    def thumbnail(self, jpeg: bytes, aspect: Fraction, rotation: int = 0, *, mirrored: bool = False) -> str | None:
        """A small picture for the filmstrip, as `fit`.

        Args:
            jpeg: the preview as stored.
            aspect: width over height as displayed, with square pixels.
            rotation: degrees counter-clockwise by which a player rotates the picture.
            mirrored: the player then shows it mirrored, left for right.
        """
        share = self._share()
        image = _decode(jpeg, rotation, mirrored=mirrored)
        if image is None:
            return None
        size = (max(1, round(_THUMB_HEIGHT * aspect)), _THUMB_HEIGHT)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return self._embed(_shrink(small, share, _THUMB_LADDER))

    def _share(self) -> int:
        share = min(IMAGE_BYTES, self.left // max(1, self.images))
        self.images -= 1
        return share

    def _embed(self, coded: bytes) -> str:
        self.left -= len(coded)
        return "data:image/jpeg;base64," + base64.b64encode(coded).decode()


def shape_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height of a stored JPEG; None when the bytes are not a picture."""
    image = _decode(jpeg, 0)
    return None if image is None else (image.shape[1], image.shape[0])


def _decode(jpeg: bytes, rotation: int, *, mirrored: bool = False) -> Image | None:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return None
    turned = np.rot90(image, rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned).astype(np.uint8, copy=False)


def _shrink(image: cv2.typing.MatLike, most: int, ladder: tuple[tuple[int, int], ...]) -> bytes:
    coded = b""
    long_edge = max(image.shape[:2])
    for edge, quality in ladder:
        scale = min(1.0, edge / long_edge)
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        smaller = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        done, buffer = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done, "OpenCV writes every 8-bit picture as JPEG"
        coded = buffer.tobytes()
        if len(coded) <= most:
            break
    return coded
