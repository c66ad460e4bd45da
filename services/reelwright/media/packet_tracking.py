"""An account of every packet: it becomes a frame at its own time, or it is damage.

Which of the two is found by keeping the times of what went into the decoder and striking off those that came out.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import av
from av.packet import Packet
from av.video.stream import VideoStream

# Here a packet always is a frame, so one that gives none is damage even if the decoder does not complain. Others
# have packets that show nothing by design (hidden references, second fields, "not coded" frames).
_FRAME_PER_PACKET = {"mpeg1video", "mpeg2video", "hevc", "av1", "ffv1", "prores", "mjpeg", "dvvideo"}
# These containers hold the order of decoding, not the time of showing; a frame takes the earliest time not yet taken.
_DECODE_TIMES = {"avi", "asf"}


def codec_name(stream: VideoStream) -> str:
    """The codec's name, whichever library decodes it."""
    return stream.codec_context.codec.canonical_name


@dataclass(slots=True)
class Expected:
    """A packet that should become a frame. Times are in the stream's time base, None when it has none."""

    pts: int | None
    duration: int
    failed: bool = False


class PacketTracker:
    """What went into a decoder and has not come out.

    Attributes:
        silent: packets that gave no frame and are no damage.
    """

    def __init__(self, stream: VideoStream, container: str) -> None:
        self._context = stream.codec_context
        self._by_decode_time = container in _DECODE_TIMES
        self._strict = codec_name(stream) in _FRAME_PER_PACKET
        self._open: list[tuple[int, int, Expected]] = []
        self._serial = 0
        self._started = False
        self.silent = 0

    def fed(self, packet: Packet[VideoStream]) -> Expected | None:
        """Notes a packet that goes into the decoder; None for one that is never to be shown."""
        time = packet.dts if self._by_decode_time else packet.pts
        # What an edit list cuts off is decoded but never shown.
        if packet.is_discard:
            return None
        entry = Expected(time, packet.duration or 0)
        if time is not None:
            self._serial += 1
            heapq.heappush(self._open, (time, self._serial, entry))
        return entry

    def failed(self, entry: Expected) -> None:
        """The packet is damaged."""
        entry.failed = True
        self.distrust()

    def distrust(self) -> None:
        """Something is broken: from here on nothing is missing by design."""
        self._strict = self._started = True

    def came_out(self, frame: av.VideoFrame) -> tuple[list[Expected], Expected | None]:
        """Strikes the frame off.

        Returns what was passed over and is damage, and the frame's own entry; None for a frame that no packet
        accounts for, such as a decoder makes up where a reference is missing.
        """
        if self._by_decode_time:
            return self._earliest(frame)
        if frame.pts is None:
            return [], Expected(None, frame.duration)
        passed: list[Expected] = []
        while self._open and self._open[0][0] < frame.pts:
            passed.append(heapq.heappop(self._open)[2])
        lost = self._judged(passed)
        self._started = True
        if self._open and self._open[0][0] == frame.pts:
            return lost, heapq.heappop(self._open)[2]
        return lost, Expected(frame.pts, frame.duration)

    def never_came_out(self) -> list[Expected]:
        """What is damage among what the decoder still owes at its end."""
        return self._judged([heapq.heappop(self._open)[2] for _ in range(len(self._open))])

    def _earliest(self, frame: av.VideoFrame) -> tuple[list[Expected], Expected | None]:
        # No decoder holds back more than its reordering depth, so what is older than that gave no picture.
        overdue = len(self._open) - self._context.reorder_depth - 2
        passed: list[Expected] = []
        while self._open and (self._open[0][2].failed or len(passed) < overdue):
            passed.append(heapq.heappop(self._open)[2])
        lost = self._judged(passed)
        self._started = True
        if self._open:
            return lost, heapq.heappop(self._open)[2]
        return lost, None if self._strict else Expected(None, frame.duration)

    def _judged(self, passed: list[Expected]) -> list[Expected]:
        """Which of the packets that gave no frame are damage.

        Pictures before the first one shown are not: a recording that starts between two key frames begins with some
        that refer to what was never recorded, and every player leaves them out.
        """
        lost = [entry for entry in passed if entry.failed or (self._strict and self._started)]
        self.silent += len(passed) - len(lost)
        return lost
