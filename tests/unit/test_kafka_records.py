"""What is made of a broker's records, whoever wrote them."""

from __future__ import annotations

from types import SimpleNamespace

from reelwright.bus.kafka.consumer import to_record


def test_what_a_record_lacks_is_empty() -> None:
    """A record without key or value, with a header without a value, as strangers may write them, is read as empty."""
    headers = [("empty", None), ("text", b"t"), ("bytes", b"\xff")]
    record = to_record(SimpleNamespace(topic="t", partition=1, offset=2, key=None, value=None, headers=headers))
    assert (record.key, record.value) == (b"", b"")
    assert record.headers == {"empty": "", "text": "t", "bytes": "\ufffd"}
