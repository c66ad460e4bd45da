"""Every metric of the pipeline, in one place: prefix `reelwright_`, base units, never a label per title.

Counters and gauges live in prometheus_client's default registry; several services in one process share them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from prometheus_client import Counter, Gauge, disable_created_metrics

# A `_created` series beside each counter doubles the page and answers no question.
disable_created_metrics()  # type: ignore[no-untyped-call]

BUILD_INFO = Gauge("reelwright_build_info", "1, labelled with what runs here.", ["version", "role"])

FRAMES_DECODED = Counter("reelwright_frames_decoded", "Frames read from sources.")
FRAMES_RESTORED = Counter("reelwright_frames_restored", "Frames restored and accepted by the bus.")
FRAMES_ENCODED = Counter("reelwright_frames_encoded", "Frames handed to a video encoder.")
FRAMES_LOST = Counter("reelwright_frames_lost", "Frames of finished films that are missing. Must read 0.")

BATCHES_QUEUED = Gauge("reelwright_batches_queued", "Batches at the dispatcher that wait for a worker.")
BATCHES_UNSERVED = Gauge("reelwright_batches_unserved", "Queued batches whose model no connected worker serves.")
BATCHES_IN_FLIGHT = Gauge("reelwright_batches_in_flight", "Batches leased to workers.")
WORKERS_CONNECTED = Gauge("reelwright_workers_connected", "Inference workers with an open stream.")
RETRIES = Counter("reelwright_batch_retries", "Batches put back to be restored again.", ["cause"])
LEASE_EXPIRIES = Counter("reelwright_lease_expiries", "Leases that ended without a word from their worker.")
DEAD_LETTERS = Counter("reelwright_dead_letters", "Records that no service could use, and batches given up.")

SEGMENTS_COMMITTED = Counter("reelwright_segments_committed", "Segments committed to the ledger.")
TITLES_FINISHED = Counter("reelwright_titles_finished", "Titles whose film was assembled.")
TITLES_FAILED = Counter("reelwright_titles_failed", "Titles that ended without a film.")

BUS_BYTES = Gauge("reelwright_bus_held_bytes", "Bytes a topic of the bus holds.", ["topic"])
STAGE_SECONDS = Counter("reelwright_stage_seconds", "Wall seconds of work, by stage, summed over threads.", ["stage"])
WORKER_BUSY_SECONDS = Counter(
    "reelwright_worker_busy_seconds", "Wall seconds in which restoration threads worked, summed over threads."
)

STAGES = ("decode", "transport", "restoration", "publish", "encode", "assemble")
RETRY_CAUSES = ("failure", "expiry", "disconnect")

# A counter that was never touched must read 0, not be absent: alerts and ratios are built on it.
for _stage in STAGES:
    STAGE_SECONDS.labels(stage=_stage)
for _cause in RETRY_CAUSES:
    RETRIES.labels(cause=_cause)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Adds the wall seconds of a `with` block to a stage of STAGES."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STAGE_SECONDS.labels(stage=stage).inc(time.perf_counter() - started)


def watch_bus(topics: tuple[str, ...], held_bytes: Callable[[str], int]) -> None:
    """Reads the bytes that topics hold whenever metrics are asked for.

    Args:
        topics: the topics to show.
        held_bytes: tells a topic's bytes; called on the metrics server's thread.
    """
    for topic in topics:
        BUS_BYTES.labels(topic=topic).set_function(partial(held_bytes, topic))
