"""Matches decoded frames with the packets that they came from, so that no packet is lost unnoticed.

The times of the packets that go into the decoder are kept, and those of the frames that come out are removed. What is
left over is damage, or a packet that holds no picture by design.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import av
from av.packet import Packet
from av.video.stream import VideoStream

# Here every packet is a frame, so one that gives none is damage even if the decoder reports no error. Other codecs
# have packets that show nothing by design (hidden references, second fields, "not coded" frames).
_FRAME_PER_PACKET = {"mpeg1video", "mpeg2video", "hevc", "av1", "ffv1", "prores", "mjpeg", "dvvideo"}
# These containers hold decoding times only; a frame takes the earliest time that is not taken yet.
_DECODE_TIMES = {"avi", "asf"}


def codec_name(stream: VideoStream) -> str:
    """The codec's name, whichever library decodes it."""
    return stream.codec_context.codec.canonical_name


@dataclass(slots=True)
class Expected:
    """A packet that should become a frame.

    Attributes:
        pts: when it is shown, in the stream's time base; None when the packet has no time.
        duration: in the same units, 0 when unknown.
        failed: the decoder or a checksum rejected it.
    """

    pts: int | None
    duration: int
    failed: bool = False


class PacketTracker:
    """The packets that a decoder was given and has not returned as frames.

    Args:
        stream: the stream that is decoded.
        container: FFmpeg's name of its container format.

    Attributes:
        silent: packets that gave no frame and are no damage.
        leading: packets before the first frame that cannot be decoded without earlier ones.
        leading_time: how long those last, in the stream's time base.
    """

    def __init__(self, stream: VideoStream, container: str) -> None:
        self._context = stream.codec_context
        self._by_decode_time = container in _DECODE_TIMES
        self._strict = codec_name(stream) in _FRAME_PER_PACKET
        # (recording, time, serial number, packet): earliest first. Where recordings were joined, times may overlap.
        self._open: list[tuple[int, int, int, Expected]] = []
        self._recording = 0
        self._last_dts: int | None = None
        self._serial = 0
        self._started = False
        self.silent = self.leading = self.leading_time = 0

    def fed(self, packet: Packet[VideoStream]) -> Expected | None:
        """Notes a packet that goes into the decoder.

        Returns:
            Its record; None for a packet that an edit list cuts off, which is decoded and never shown.
        """
        if packet.dts is not None:
            if packet.is_keyframe and self._last_dts is not None and packet.dts <= self._last_dts:
                self._recording += 1
            self._last_dts = packet.dts
        if packet.is_discard:
            return None
        time = packet.dts if self._by_decode_time else packet.pts
        entry = Expected(time, packet.duration or 0)
        if time is not None:
            self._serial += 1
            heapq.heappush(self._open, (self._recording, time, self._serial, entry))
        return entry

    def failed(self, entry: Expected) -> None:
        """The packet is damaged."""
        entry.failed = True
        self.distrust()

    def leave_out(self, entry: Expected) -> None:
        """The packet refers to frames before the beginning of the stream, and is no damage."""
        self._count_leading(entry)
        self._open = [item for item in self._open if item[3] is not entry]
        heapq.heapify(self._open)

    def distrust(self) -> None:
        """The stream is damaged: from here on, a packet without a frame is damage."""
        self._strict = self._started = True

    def came_out(self, frame: av.VideoFrame) -> tuple[list[Expected], Expected | None]:
        """Removes a decoded frame's packet.

        Returns:
            The packets before it that gave no frame and are damage, and the frame's own record; None for a frame
            that no packet accounts for, such as a decoder makes up where a reference is missing.
        """
        if self._by_decode_time:
            return self._earliest(frame)
        if frame.pts is None:
            return [], Expected(None, frame.duration)
        own = min((item for item in self._open if item[1] == frame.pts), default=None)
        limit = own[:2] if own else (self._open[0][0] if self._open else 0, frame.pts)
        passed: list[Expected] = []
        while self._open and self._open[0][:2] < limit:
            passed.append(heapq.heappop(self._open)[3])
        lost = self._damaged_among(passed)
        self._started = True
        return lost, heapq.heappop(self._open)[3] if own else Expected(frame.pts, frame.duration)

    def never_came_out(self) -> list[Expected]:
        """The damaged ones among the packets that gave no frame until the decoder's end."""
        return self._damaged_among([heapq.heappop(self._open)[3] for _ in range(len(self._open))])

    def end_recording(self) -> list[Expected]:
        """The same, where another recording follows: what comes before that one's first frame is no damage."""
        lost = self.never_came_out()
        self._started, self._last_dts = False, None
        return lost

    def _earliest(self, frame: av.VideoFrame) -> tuple[list[Expected], Expected | None]:
        # No decoder holds back more than its reordering depth, so what is older than that gave no picture.
        overdue = len(self._open) - self._context.reorder_depth - 2
        passed: list[Expected] = []
        while self._open and (self._open[0][3].failed or len(passed) < overdue):
            passed.append(heapq.heappop(self._open)[3])
        lost = self._damaged_among(passed)
        self._started = True
        if self._open:
            return lost, heapq.heappop(self._open)[3]
        return lost, None if self._strict else Expected(None, frame.duration)

    def _damaged_among(self, passed: list[Expected]) -> list[Expected]:
        """Which of the packets that gave no frame are damage.

        Packets before the first frame are not: a recording that starts between two key frames begins with some that
        refer to what was never recorded, and every player leaves them out.
        """
        lost = [entry for entry in passed if entry.failed or (self._strict and self._started)]
        if self._started:
            self.silent += len(passed) - len(lost)
            return lost
        for entry in passed:
            if not entry.failed:
                self._count_leading(entry)
        return lost

    def _count_leading(self, entry: Expected) -> None:
        self.leading += 1
        self.leading_time += entry.duration
