"""Conversion of a broker's records, also of those that other programs wrote."""

from __future__ import annotations

from types import SimpleNamespace

from reelwright.bus.kafka.consumer import to_record


def test_missing_parts_of_a_record_are_empty() -> None:
    """A missing key, value or header value becomes empty, and header bytes that are not UTF-8 are replaced."""
    headers = [("empty", None), ("text", b"t"), ("bytes", b"\xff")]
    record = to_record(SimpleNamespace(topic="t", partition=1, offset=2, key=None, value=None, headers=headers))
    assert (record.key, record.value) == (b"", b"")
    assert record.headers == {"empty": "", "text": "t", "bytes": "\ufffd"}
