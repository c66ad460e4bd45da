"""Names of the topics and consumer groups, and keys of messages. Retention and sizes: `bus/kafka/topic_settings.py`.

On a broker the names begin with that of the installation; `bus/kafka/names.py` translates.
"""

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
DECODER_GROUP = "decoder"
DISPATCHER_GROUP = "dispatcher"
ENCODER_GROUP = "encoder"
GROUPS = (DECODER_GROUP, DISPATCHER_GROUP, ENCODER_GROUP)


def run_key(run: str) -> bytes:
    """Key of titles and events: the messages of a run keep their order."""
    return run.encode()


def segment_key(run: str, segment: int) -> bytes:
    """Key of frames and restored frames: all batches of a segment go to one encoder."""
    return f"{run}/{segment}".encode()
