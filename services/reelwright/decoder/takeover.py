"""Finds where a decoder that takes over a title begins to read: at a shot in the segments that are committed.

A segment is planned with the identity of its decoder if the reading up to its end was `FrameReader.seekable`. A decoder
of the same identity need not read from the start: it decodes the last segment before the first one that is not
committed again, and compares its plan, with the digest of the pictures, before it publishes anything. It begins at the
shot to which that segment's first frame belongs, because what is found in a frame depends on its shot alone.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from itertools import count

import reelwright
from reelwright.decoder.guarded_frames import SEEK_UNIT
from reelwright.ledger.records import SegmentPlan, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.seeking import SeekPoint
from reelwright.telemetry.watchdog import heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """Where a reading begins that goes on with the work of an earlier one.

    Attributes:
        point: the first frame that is read; it starts a shot.
        point_segment: number of the segment that it belongs to.
        point_offset: number of that segment's frames before it.
        segment: number of the first segment that is read whole; it is committed.
        first_frame: index of that segment's first frame in the title.
    """

    point: SeekPoint
    point_segment: int
    point_offset: int
    segment: int
    first_frame: int


def decoder_identity(title: TitleRecord) -> str:
    """What decides on the frames that a decoder finds in a title: version of the program, and its libraries."""
    return f"reelwright-{reelwright.__version__} {title.toolchain}"


def find_takeover(ledger: RunLedger, committed: Container[int], identity: str) -> Takeover | None:
    """Where a reading of a title begins; None for the title's first frame.

    Args:
        ledger: of the title's attempt.
        committed: its committed segments.
        identity: of this decoder.

    Raises:
        LedgerError: a plan cannot be read.
        UnavailableError: the store does not answer.
    """
    uncommitted = next(number for number in count() if number not in committed)
    last, first = ledger.plan(uncommitted - 1) if uncommitted > 1 else None, ledger.plan(0)
    # Not if it was not read by this attempt yet, by another version, or behind a repair.
    if last is None or first is None or last.seekable_by != identity:
        return None
    # A decoder that died while it sought may have died of that.
    if ledger.work_marks.names(SEEK_UNIT):
        return None
    shot = _shot_of(last, ledger)
    if shot is None:
        return None
    plan, offset = shot
    return Takeover(
        point=SeekPoint(plan.first_frame + offset, plan.frames[offset].pts, first.frames[0].pts),
        point_segment=plan.segment,
        point_offset=offset,
        segment=last.segment,
        first_frame=last.first_frame,
    )


def _shot_of(last: SegmentPlan, ledger: RunLedger) -> tuple[SegmentPlan, int] | None:
    """Where the shot of a segment's first frame starts: the plan that it is in, and its place there.

    None where it starts in the title's first segment: then there is little to skip.
    """
    plan: SegmentPlan | None = last
    frames = last.frames[:1]
    while plan is not None and plan.segment > 0:
        heartbeat()
        offset = next((at for at in reversed(range(len(frames))) if frames[at].shot_start), None)
        if offset is not None:
            return plan, offset
        plan = ledger.plan(plan.segment - 1)
        frames = plan.frames if plan is not None else ()
    return None
