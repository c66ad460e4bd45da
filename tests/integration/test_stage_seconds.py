"""The seconds of a decoder's stages: all of its work, each part once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.topics import FRAMES
from reelwright.decoder import segment_publisher, title_decoder
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.reader import FrameReader
from tests.support.films import uneven_film
from tests.support.pipeline_harness import request_for
from tests.support.stage_clock import StageClock

FRAME_COUNT = 30


def test_decode_is_reading_and_what_looks_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, look-ahead, fading and tone are all of `decode`, coding of the payloads is `transport`, each once."""
    clock, bus = StageClock(monkeypatch), LocalBus()
    frames = bus.consumer(list(FRAMES.values()), "readers")
    clock.charge(FrameReader, "__iter__", 1)
    for name, seconds in (("look_ahead", 10), ("with_fading", 100), ("with_tone", 1000)):
        clock.charge(title_decoder, name, seconds)
    clock.charge(segment_publisher, "encode_payload", 7)
    steps = {"deflicker": "on", "fading": 0.5, "tone": {"glare": 0.5}}
    request = request_for(uneven_film(20, 10), tmp_path / "out.mp4", **steps)
    ledger = RunLedger(str(tmp_path / "ledger"), request.run)
    title_decoder.decode_title(
        request,
        ledger,
        bus=bus,
        claims=ClaimCheck(str(tmp_path), 1 << 30),
        window=InFlightWindow(1000),
        settings=DecoderSettings(),
        guard=CrashGuard(3),
    )
    batches = sum(len(records) for records in iter(lambda: frames.poll(0), []))
    bus.close()
    assert clock.counted() == {"decode": 1111 * FRAME_COUNT, "transport": 7 * batches}
    end = ledger.plan_end()
    assert end is not None
    assert end.seconds == {"decode": 1111 * FRAME_COUNT}
