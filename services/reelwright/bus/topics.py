"""Names of the topics and keys of their messages. Retention and sizes: `bus/kafka/topic_settings.py`."""

from __future__ import annotations

TITLES = "reelwright.titles.v1"
FRAMES = {
    "express": "reelwright.frames.v1.express",
    "standard": "reelwright.frames.v1.standard",
    "bulk": "reelwright.frames.v1.bulk",
}
RESTORED = "reelwright.restored.v1"
EVENTS = "reelwright.events.v1"
DEAD_LETTER = "reelwright.deadletter.v1"
ALL = (TITLES, *FRAMES.values(), RESTORED, EVENTS, DEAD_LETTER)


def run_key(run: str) -> bytes:
    """Key of titles and events: the messages of a run keep their order."""
    return run.encode()


def segment_key(run: str, segment: int) -> bytes:
    """Key of frames and restored frames: all batches of a segment go to one encoder."""
    return f"{run}/{segment}".encode()
