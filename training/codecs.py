"""The codec at the end of a film's way: JPEG frame by frame, or real MPEG-2 and H.264 through FFmpeg."""

from __future__ import annotations

import io
from typing import Literal

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Codes = NDArray[np.uint8]
Codec = Literal["none", "jpeg", "mpeg2video", "libx264"]


def compress(frames: Codes, codec: Codec, quality: int) -> Codes:
    """What is left of the frames after a codec.

    Args:
        frames: (n, rows, columns) uint8 luma, rows and columns even.
        codec: none gives `frames` back.
        quality: JPEG quality 1 to 100; quantiser 2 to 31 of MPEG-2; crf 0 to 51 of H.264.

    Returns:
        (n, rows, columns) uint8.
    """
    if codec == "none":
        return frames
    if codec == "jpeg":
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        coded = [cv2.imencode(".jpg", frame, options)[1] for frame in frames]
        return np.stack([np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8) for code in coded])
    return _through_video(frames, codec, quality)


def to_codes(field: NDArray[np.float32]) -> Codes:
    """Levels of 255, rounded; uint8."""
    return np.asarray(np.clip(np.rint(field * np.float32(255)), 0, 255), np.uint8)


def recorded_in_h264(clip: NDArray[np.float32], crf: int) -> NDArray[np.float32]:
    """A clip (n, rows, columns) in [0, 1] as H.264 of this crf leaves it, float32 in [0, 1]."""
    return compress(to_codes(clip), "libx264", crf).astype(np.float32) / np.float32(255)


def _through_video(frames: Codes, codec: Codec, quality: int) -> Codes:
    _, rows, columns = frames.shape
    if codec == "libx264":
        options = {"preset": "veryfast", "crf": str(quality)}
    else:
        options = {"qmin": str(quality), "qmax": str(quality)}
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = columns, rows, "yuv420p", 1
        neutral = np.full((rows // 2, columns), 128, np.uint8)
        for frame in frames:
            # The codes pass unscaled: luma is luma here, whatever its range is called.
            picture = av.VideoFrame.from_ndarray(np.concatenate([frame, neutral]), "yuv420p")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        source.streams.video[0].thread_count = 1
        decoded = [frame.to_ndarray(format="yuv420p")[:rows] for frame in source.decode(video=0)]
    return np.stack(decoded).astype(np.uint8)
