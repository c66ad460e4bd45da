"""Frames that everybody is finished with leave the broker at once, instead of waiting for its retention."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from kafka import KafkaAdminClient, TopicPartition
from kafka import errors as kafka_errors

from reelwright.bus.kafka.client import RateLimitedLog
from reelwright.bus.protocol import Slot
from reelwright.bus.topics import FRAMES, RESTORED

# One group reads each of these, so what it has committed nobody needs. The other topics tell what happened.
_STREAMS = frozenset({*FRAMES.values(), RESTORED})
_TRIM_SECONDS = 5.0


class RecordPurge:
    """Has the broker drop what was committed, every five seconds, on a thread of its own, until `close`.

    With it a title's bytes on the broker follow its window and not its length. The broker frees whole log segments, so
    each partition keeps up to two of them (`segment.bytes`). A broker that does not allow it keeps what its retention
    says.

    Args:
        admin: asks the broker; closed by others.
    """

    def __init__(self, admin: KafkaAdminClient) -> None:
        self._admin, self._sparing = admin, RateLimitedLog()
        self._due: dict[TopicPartition, int] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-trim", daemon=True)
        self._thread.start()

    def committed(self, positions: Mapping[Slot, int]) -> None:
        """The broker has these offsets: nothing before them is needed any more."""
        with self._lock:
            for slot, offset in positions.items():
                if slot[0] in _STREAMS:
                    part = TopicPartition(*slot)
                    self._due[part] = max(offset, self._due.get(part, 0))

    def stop(self) -> None:
        """Begins to close, without waiting: a request under way ends with the admin client."""
        self._stop.set()

    def close(self) -> None:
        """Stops; what was not dropped is left to the next commit."""
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TRIM_SECONDS):
            with self._lock:
                due, self._due = self._due, {}
            if not due:
                continue
            try:
                self._admin.delete_records(due)
            except (kafka_errors.KafkaError, RuntimeError) as error:  # the latter from a client that was closed
                if not self._stop.is_set():
                    self._sparing.warn("frames that are done stay on the broker", error)
