"""The pictures of a leased batch: decoded from its payload, and restored one after another."""

from __future__ import annotations

import hashlib
import threading

from reelwright.bus.conversion import corrections_of, fading_of, frame_numbers, tone_of
from reelwright.inference.held_lease import HeldLease
from reelwright.inference.restored_publisher import BatchAbandoned
from reelwright.inference.restorer import PictureRestorer, lit_frames
from reelwright.media.transport import decode_payload
from reelwright.media.worst_frame import WorstFrame
from reelwright.restoration.restore import RestoredFrame
from reelwright.restoration.worst_frames import worst_frames
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import heartbeat


def restore_batch(
    lease: HeldLease, restorer: PictureRestorer, abandoning: threading.Event
) -> tuple[list[RestoredFrame], dict[int, WorstFrame]]:
    """Restores a batch whose payload was fetched.

    Args:
        lease: of the batch.
        restorer: restores its pictures.
        abandoning: set when no batch is to be finished any more.

    Returns:
        The restored frames, and the worst one of each shot in the batch by its index.

    Raises:
        BatchAbandoned: the lease was revoked, or `abandoning` was set.
        CorruptPayload: the payload cannot be decoded.
    """
    batch = lease.batch
    with metrics.timed("transport"):
        pictures = decode_payload(batch.payload, lease.content)
        corrections = corrections_of(batch)
        tones = [tone_of(frame) for frame in batch.frames]
        fadings = [fading_of(frame) for frame in batch.frames]
    frames = lit_frames(
        pictures,
        corrections if "deflicker" in batch.work.recipe_keys else [None] * len(pictures),
        fadings if "fading" in batch.work.recipe_keys else [None] * len(fadings),
        before=batch.halo_before,
        shot_starts=[frame.shot_start for frame in batch.frames],
        full_range=batch.work.full_range,
        halo_frames=restorer.halo_frames,
        near=restorer.is_filtered(batch.work),
    )
    own, restored = corrections[batch.halo_before :][: len(batch.frames)], list[RestoredFrame]()
    with metrics.timed("restoration"):
        rows = zip(frame_numbers(batch), frames, own, tones, strict=True)
        for frame, (picture, window), correction, tone in rows:
            if lease.revoked or abandoning.is_set():
                raise BatchAbandoned
            heartbeat()
            found = restorer.restore(picture, window, batch.work, frame=frame, moved=correction.move, tone=tone)
            restored.append(found)
        shot_starts = [frame.shot_start for frame in batch.frames]
        return restored, worst_frames(pictures, batch.halo_before, shot_starts, restored)


def matches_digest(lease: HeldLease) -> bool:
    """Whether the payload is the one that was published."""
    payload = lease.batch.payload
    coded = payload.inline if lease.content is None else lease.content
    return hashlib.sha256(coded).digest() == payload.digest
