"""Topic names and keys, in one place."""

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
    """Key of titles and events: a run's messages keep their order."""
    return run.encode()


def segment_key(run: str, segment: int) -> bytes:
    """Key of frames and restored frames: a segment meets one encoder."""
    return f"{run}/{segment}".encode()
