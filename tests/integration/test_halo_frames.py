"""Halo frames reach the worker with their batch and do not reach the film."""

from __future__ import annotations

from pathlib import Path

from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from tests.support.films import small_film
from tests.support.pipeline_harness import pipeline_harness, request_for


def test_halo_frames_travel_with_a_batch_and_are_not_restored(tmp_path: Path) -> None:
    """Batches carry the frames around them within their shot; restored batches hold the batches' own frames alone."""
    carried: dict[int, tuple[int, int, int]] = {}
    restored: dict[int, tuple[int, int]] = {}

    def watch(topic: str, value: bytes) -> bytes:
        if ".frames." in topic:
            batch = FrameBatch.FromString(value)
            pictures = batch.payload.frames - batch.halo_before - batch.halo_after
            assert pictures == len(batch.frames)
            carried[batch.first_frame] = (pictures, batch.halo_before, batch.halo_after)
        elif ".restored." in topic:
            result = RestoredBatch.FromString(value)
            restored[result.first_frame] = (len(result.frames), result.payload.frames)
        return value

    request = request_for(small_film(60), tmp_path / "film.mp4")
    with pipeline_harness(str(tmp_path / "ledger"), watch) as harness:
        harness.submit(request)
        event = harness.wait(request)
    assert event.title_finished.frames == 60
    assert sum(frames for frames, _, _ in carried.values()) == 60
    # The film is one pan with a cut every 24 frames, so batches begin and end at cuts and in the middle of shots.
    assert {halo for _, *halos in carried.values() for halo in halos} == {0, 2}
    assert restored == {first: (frames, frames) for first, (frames, _, _) in carried.items()}
