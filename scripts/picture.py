"""Makes the README's picture: the same part of one frame, enlarged with a bicubic filter and restored, side by side.

    .venv/bin/python scripts/picture.py SOURCE FILM FRAME X Y WIDTH HEIGHT OUT.jpg

X, Y, WIDTH and HEIGHT are in pixels of the restored film. The README's picture is of ../shared/clips/chaplin.mp4:

    reelwright age chaplin.mp4 -o aged.mp4
    reelwright restore aged.mp4 -o restored.mp4
    python scripts/picture.py aged.mp4 restored.mp4 110 200 0 300 330 docs/images/chaplin.jpg
"""

from __future__ import annotations

import itertools
import sys

import av
import cv2
import numpy as np
from numpy.typing import NDArray


def picture(path: str, frame: int) -> NDArray[np.uint8]:
    """A frame of a film as (rows, columns, 3) BGR."""
    with av.open(path) as film:
        found = next(itertools.islice(film.decode(video=0), frame, None))
        return np.asarray(found.to_ndarray(format="bgr24"), np.uint8)


def main() -> None:
    """Writes the picture."""
    source, film, target = sys.argv[1], sys.argv[2], sys.argv[8]
    frame, x, y, width, height = (int(argument) for argument in sys.argv[3:8])
    restored = picture(film, frame)
    size = (restored.shape[1], restored.shape[0])
    enlarged = cv2.resize(picture(source, frame), size, interpolation=cv2.INTER_CUBIC)
    parts = [image[y : y + height, x : x + width] for image in (enlarged, restored)]
    line = np.full((height, 4, 3), 255, np.uint8)
    cv2.imwrite(target, np.hstack([parts[0], line, parts[1]]), [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
