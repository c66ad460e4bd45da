"""Configuration of the topics."""

from __future__ import annotations

from reelwright.bus import topics
from reelwright.bus.kafka.topic_settings import topic_config
from reelwright.bus.settings import BusSettings


def test_titles_have_no_retention_limit() -> None:
    """The broker never deletes a title that waits, for however long."""
    config = topic_config(BusSettings(), topics.TITLES)
    assert (config["retention.ms"], config["retention.bytes"]) == ("-1", "-1")


def test_frames_are_bounded_by_time_and_bytes() -> None:
    """Frames and restored frames have the retention of the settings and small log segments; events have a time only."""
    settings = BusSettings(stream_hours=2, stream_bytes=1 << 30, event_days=3)
    for topic in (*topics.FRAMES.values(), topics.RESTORED):
        config = topic_config(settings, topic)
        assert (config["retention.ms"], config["retention.bytes"]) == ("7200000", "1073741824")
        assert config["segment.bytes"] == str(16 << 20)
    config = topic_config(settings, topics.EVENTS)
    assert (config["retention.ms"], config["retention.bytes"]) == ("259200000", "-1")
