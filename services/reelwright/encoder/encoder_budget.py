"""What bounds an encoder's memory: how many codecs are open, and how many bytes wait for one."""

from __future__ import annotations

import threading


class EncoderBudget:
    """Open codecs and waiting bytes of all segments of an encoder. Thread-safe.

    A codec takes most of an encoder's memory, so most segments wait without one. A segment whose batches are all there
    needs no reservation: its thread opens a codec for it, encodes it to its end and closes it. So whatever holds a
    reservation, every complete segment is encoded, in the order in which the segments of all titles become complete.

    Args:
        codecs: most codecs that are reserved for segments whose batches are still arriving.
        bytes_held: most bytes of payloads that wait in memory.
    """

    def __init__(self, codecs: int, bytes_held: int) -> None:
        self._codecs, self._bytes = codecs, bytes_held
        self._lock = threading.Lock()

    def reserve_codec(self) -> bool:
        """Reserves a codec; False when none is free."""
        with self._lock:
            if self._codecs <= 0:
                return False
            self._codecs -= 1
            return True

    def release_codec(self) -> None:
        """Ends a reservation."""
        with self._lock:
            self._codecs += 1

    def reserve_bytes(self, size: int) -> bool:
        """Reserves memory for a payload that waits; False when there is not enough."""
        with self._lock:
            if size > self._bytes:
                return False
            self._bytes -= size
            return True

    def release_bytes(self, size: int) -> None:
        """Ends such reservations, of so many bytes together."""
        with self._lock:
            self._bytes += size
