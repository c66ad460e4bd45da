"""Configuration of each topic: retention, largest message, log segments. `reelwright topics apply` sets it."""

from __future__ import annotations

from reelwright.bus import topics
from reelwright.bus.settings import BusSettings

_HOUR_MS = 3_600_000
_UNLIMITED = -1
_SEGMENT_BYTES = 16 << 20


def topic_config(settings: BusSettings, topic: str) -> dict[str, str]:
    """The configuration of a topic, under Kafka's own names.

    Args:
        settings: retention times and sizes.
        topic: one of `topics.ALL`.

    Returns:
        Kafka's topic options: sizes in bytes, times in milliseconds, -1 for no limit.
    """
    is_stream = topic in {*topics.FRAMES.values(), topics.RESTORED}
    if topic == topics.TITLES:
        # A title may wait for any time, and is small.
        hours, retention_bytes = None, _UNLIMITED
    elif topic == topics.EVENTS:
        hours, retention_bytes = 24 * settings.event_days, _UNLIMITED
    elif topic == topics.DEAD_LETTER:
        hours, retention_bytes = 24 * settings.dead_letter_days, _UNLIMITED
    else:
        hours, retention_bytes = settings.stream_hours, settings.stream_bytes
    config = {
        "max.message.bytes": str(settings.message_bytes),
        "cleanup.policy": "delete",
        "retention.ms": str(_UNLIMITED if hours is None else round(hours * _HOUR_MS)),
        "retention.bytes": str(retention_bytes),
    }
    if is_stream:
        # The broker deletes whole log segments only, so small ones free the disk soon after the purge.
        config["segment.bytes"] = str(max(_SEGMENT_BYTES, settings.message_bytes))
    return config
