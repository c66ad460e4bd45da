"""Scales the report's preview pictures to a total size in bytes. Imports OpenCV."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.repair_mask import DUST, SCRATCH

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
# By the code of a sample, in the order blue, green, red, opacity: nothing, dust, scratch, both.
_MASK_COLOURS = np.array([(0, 0, 0, 0), (214, 43, 255, 220), (255, 211, 25, 220), (255, 255, 255, 220)], np.uint8)
_LEAST_MASK = 64


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

    def strip(
        self, jpeg: bytes, count: int, pixel: Fraction, rotation: int = 0, *, mirrored: bool = False
    ) -> str | None:
        """A motion strip as a data URI, each of its pictures rotated for display; as `fit`.

        Args:
            jpeg: the strip as stored.
            count: number of its pictures, which lie side by side.
            pixel: width over height of a sample as displayed, before it is rotated.
            rotation: degrees counter-clockwise by which a player rotates a picture.
            mirrored: the player then shows it mirrored, left for right.
        """
        share, row = self._share(), _decode(jpeg, 0)
        if row is None or row.shape[1] % count:
            return None
        parts = np.split(row, count, axis=1)
        if pixel != 1:
            size = (max(1, round(parts[0].shape[1] * pixel)), parts[0].shape[0])
            parts = [np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8) for part in parts]
        whole = np.hstack([_turned(part, rotation, mirrored=mirrored) for part in parts])
        unchanged = pixel == 1 and rotation == 0 and not mirrored and len(jpeg) <= share
        return self._embed(jpeg if unchanged else _shrink(whole, share, _LADDER))

    def mask(self, codes: Image, rotation: int = 0, *, mirrored: bool = False) -> str | None:
        """A repair mask as a data URI of a PNG that is transparent where nothing was changed; as `fit`.

        Args:
            codes: (H, W) uint8, see `media.repair_mask`.
            rotation: degrees counter-clockwise by which a player rotates the picture.
            mirrored: the player then shows it mirrored, left for right.

        Returns:
            The URI; None when nothing was changed, or not even a small mask fits.
        """
        share, codes = self._share(), _turned(codes, rotation, mirrored=mirrored)
        if not codes.any():
            return None
        while True:
            _, buffer = cv2.imencode(".png", _MASK_COLOURS[codes & (DUST | SCRATCH)])
            if buffer.size <= share:
                return self._embed(buffer.tobytes(), "png")
            if min(codes.shape) < _LEAST_MASK:
                return None
            # Half as large; of four samples the largest, so that no speck disappears.
            codes = np.asarray(cv2.dilate(codes, np.ones((2, 2), np.uint8), anchor=(0, 0))[::2, ::2], np.uint8)

    def _share(self) -> int:
        share = min(IMAGE_BYTES, self.left // max(1, self.images))
        self.images -= 1
        return share

    def _embed(self, coded: bytes, kind: str = "jpeg") -> str:
        self.left -= len(coded)
        return f"data:image/{kind};base64," + base64.b64encode(coded).decode()


def mask_codes(png: bytes) -> Image | None:
    """The samples of a stored repair mask, (H, W) uint8; None when the bytes are no picture."""
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if found is None else np.asarray(found, np.uint8)


def shape_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height of a stored JPEG; None when the bytes are not a picture."""
    image = _decode(jpeg, 0)
    return None if image is None else (image.shape[1], image.shape[0])


def _decode(jpeg: bytes, rotation: int, *, mirrored: bool = False) -> Image | None:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return None
    return _turned(np.asarray(image, np.uint8), rotation, mirrored=mirrored)


def _turned(image: Image, rotation: int, *, mirrored: bool) -> Image:
    turned = np.rot90(image, rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


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
