"""What a dispatcher cannot use: it ends as a dead letter or is asked for again, and holds nothing up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import BusClosed
from reelwright.bus.topics import DEAD_LETTER, FRAMES, RESTORED, segment_key
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.media.transport import decode_payload
from reelwright.store.retry import RetryPolicy
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from scripts.servers.s3 import S3Server
from tests.support.dispatch_harness import DispatchHarness, batch, until

MakeHouse = Callable[..., DispatchHarness]


def test_an_unreadable_batch_is_asked_for_again(house: MakeHouse) -> None:
    """Bytes that are no FrameBatch are a dead letter; the segment of their key is wanted, nothing is held up."""
    h = house()
    h.worker("w")
    h.bus.publish(FRAMES["standard"], segment_key("broken", 3), b"\xff\xff\xff")
    h.publish(batch("r", 0, 0))
    until(lambda: h.wanted() and h.restored(), "the request and the good batch")
    assert h.wanted()[0][:2] == ("broken", 3)
    assert h.failed() == []
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


def test_an_outsize_batch_is_refused_with_its_reason(house: MakeHouse) -> None:
    """A batch that no gRPC message may carry is not leased, which would break streams, and says why."""
    h = house(max_message_bytes=1 << 20)
    h.worker("w")
    h.publish(batch("r", 0, 0, size=1024))
    until(h.wanted, "the segment to be asked for")
    assert "max_message_bytes" in h.wanted()[0][2]


def test_a_batch_from_the_future_is_a_dead_letter(house: MakeHouse) -> None:
    """A batch in a format that only a later version reads is a dead letter that says so; its segment is wanted."""
    h = house()
    h.worker("w")
    h.bus.publish(FRAMES["standard"], segment_key("new", 0), b"whatever", {"format": "99"})
    h.publish(batch("r", 0, 0))
    until(lambda: h.wanted() and h.restored(), "the request and the good batch")
    ((run, segment, reason),) = h.wanted()
    assert (run, segment) == ("new", 0)
    assert "format 99" in reason
    assert "upgrade" in reason
    (letter,) = h.records(DEAD_LETTER)
    assert (letter.headers["reason"], letter.headers["topic"]) == (reason, FRAMES["standard"])
    until(lambda: h.frames_held() == 0, "all frames done on the bus")


@pytest.mark.parametrize("key", [b"", b"run", b"run/x", b"run/99999999999", b"\xff/\xff"])
def test_what_belongs_to_no_segment_is_only_buried(house: MakeHouse, key: bytes) -> None:
    """A record that names no segment is a dead letter; there is nothing to ask for."""
    h = house()
    h.bus.publish(FRAMES["bulk"], key, b"\xff\xff\xff")
    until(lambda: h.records(DEAD_LETTER), "the dead letter")
    until(lambda: h.frames_held() == 0, "the record to be done")
    assert (h.failed(), h.wanted()) == ([], [])


def test_a_damaged_payload_is_asked_for_again(house: MakeHouse) -> None:
    """A batch whose bytes are not those that were sent is taken out and its segment asked for, at no worker's cost."""
    h = house(attempts=1)
    h.worker("w")
    whole = batch("r", 7, 0)
    damaged = FrameBatch.FromString(whole.SerializeToString())
    damaged.payload.inline = b"\0" + damaged.payload.inline[1:]
    h.publish(damaged)
    until(h.wanted, "the segment to be asked for")
    ((run, segment, reason),) = h.wanted()
    assert (run, segment) == ("r", 7)
    assert "digest" in reason
    until(lambda: h.frames_held() == 0, "the batch to be done")
    h.publish(whole)
    until(lambda: h.restored() == {("r", 7, 0): 1}, "the batch, sent again")
    assert (h.failed(), h.records(DEAD_LETTER)) == ([], [])


def test_a_payload_that_was_never_right_fails_its_title(house: MakeHouse) -> None:
    """A batch that arrives as it was sent and is wrong all the same is not asked for again: that would never end."""
    h = house(attempts=2)
    h.worker("w")
    wrong = batch("r", 0, 0)
    wrong.frames.add(pts=1)
    h.publish(wrong)
    until(h.failed, "the title to fail")
    assert "2 pictures for 3 frames" in h.failed()[0][1]
    assert h.wanted() == []


def test_large_payloads_go_through_the_store(house: MakeHouse, tmp_path: Path) -> None:
    """A payload above the limit is fetched from the store and its restored one put there; small ones stay inline."""
    claims = ClaimCheck(str(tmp_path), 4096)
    h = house(claims=claims)
    h.worker("w")
    large, small = batch("r", 0, 0, size=64), batch("r", 0, 1)
    plain = [decode_payload(each.payload) for each in (large, small)]
    large.payload.CopyFrom(claims.check_in(large.payload, "r", 0))
    assert large.payload.HasField("reference")
    h.publish(large, small)
    until(lambda: len(h.restored()) == 2, "both batches")
    for record in h.records(RESTORED):
        out = RestoredBatch.FromString(record.value)
        assert out.payload.HasField("reference") == (out.batch == 0)
        found = decode_payload(out.payload, claims.content(out.payload))
        assert [p.planes[0][0, 0] for p in found] == [p.planes[0][0, 0] for p in plain[out.batch]]


def test_a_payload_gone_from_the_store_is_asked_for_again(house: MakeHouse, tmp_path: Path) -> None:
    """A batch whose payload was removed from the store is taken out and its segment asked for."""
    claims = ClaimCheck(str(tmp_path), 0)
    h = house(claims=claims, attempts=1)
    h.worker("w")
    lost = batch("r", 3, 0)
    lost.payload.CopyFrom(claims.check_in(lost.payload, "r", 3))
    claims.release("r", 3)
    h.publish(lost)
    until(h.wanted, "the segment to be asked for")
    ((run, segment, reason),) = h.wanted()
    assert (run, segment) == ("r", 3)
    assert "gone" in reason
    until(lambda: h.frames_held() == 0, "the batch to be done")
    assert h.failed() == []


def test_a_store_that_is_away_is_waited_for(house: MakeHouse, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store does not answer, what lies in it waits, other batches go on, and nobody is blamed."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    claims = ClaimCheck(f"s3://{s3.bucket}/dispatch", 1000, RetryPolicy())
    h = house(claims=claims, lease_seconds=1, attempts=1, losses=1)
    stored = batch("stored", 0, 0, size=32)
    stored.payload.CopyFrom(claims.check_in(stored.payload, "stored", 0))
    s3.stop()
    try:
        h.worker("w")
        h.publish(stored, batch("inline", 0, 0, size=8))
        until(lambda: h.restored() == {("inline", 0, 0): 1}, "the batch that needs no store")
        until(lambda: h.dispatcher._desk._leases.stalls, "the worker to say that the store is away")
        until(lambda: h.dispatcher._desk.leased == 0, "a lease to end meanwhile")
    finally:
        s3.start()
    until(lambda: ("stored", 0, 0) in h.restored(), "the batch from the store")
    assert h.failed() == []


class MuteBus(LocalBus):
    """A bus on which nothing can be said."""

    def publish(self, *_: object, **__: object) -> None:
        raise BusClosed


def test_a_dispatcher_that_cannot_go_on_says_so() -> None:
    """When the bus fails under a dispatcher, `run` ends with what happened instead of serving on, deaf."""
    bus, stop = MuteBus(), threading.Event()
    super(MuteBus, bus).publish(FRAMES["standard"], segment_key("r", 0), b"\xff")
    with pytest.raises(BusClosed):
        DispatcherService(bus, DispatcherSettings()).run(stop)
    assert stop.is_set()
