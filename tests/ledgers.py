"""Ledger documents and whole runs for tests, with no network or encoder behind them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import uuid4

from reelwright.ledger.records import SegmentPlan, SegmentRecord, TitleRecord
from reelwright.ledger.store import RunLedger
from reelwright.media.types import PlannedFrame, SourceInfo, VideoInfo
from reelwright.titles.recipe import Recipe

RUN = "0123456789abcdef0123"


def plan_of(segment: int = 0, digest: str = "d0") -> SegmentPlan:
    """The plan of a segment of two frames."""
    frames = (PlannedFrame(pts=0, duration=1, shot_start=True, sample=True), PlannedFrame(pts=1, duration=1))
    return SegmentPlan(segment=segment, first_frame=2 * segment, frames=frames, source_digest=digest)


def record_of(segment: int, content: bytes = b"film", digest: str = "aa", seconds: float = 1.0) -> SegmentRecord:
    """The record of that segment, whose encoded file holds `content`."""
    return SegmentRecord(
        segment=segment,
        first_frame=2 * segment,
        frames=plan_of().frames,
        frame_digests=(digest, digest),
        file_sha256=hashlib.sha256(content).hexdigest(),
        file_bytes=len(content),
        engine="test",
        seconds={"encode": seconds},
    )


def video_of(width: int = 4, height: int = 4, **more: object) -> VideoInfo:
    """A progressive 25 fps 4:2:0 stream; `more` sets other fields."""
    fields: dict[str, object] = {
        "index": 0,
        "codec": "h264",
        "width": width,
        "height": height,
        "pix_fmt": "yuv420p",
        "source_pix_fmt": "yuv420p",
        "time_base": "1/25",
        "start_pts": 0,
        "average_rate": "25/1",
        "frames_estimate": 2,
    }
    return VideoInfo.model_validate(fields | more)


def title_of(location: str = "a.mp4", engine: str = "test", video: VideoInfo | None = None) -> TitleRecord:
    """A title restored x2 by the default recipe."""
    video = video or video_of()
    return TitleRecord(
        run=RUN,
        source=SourceInfo(location=location, container="mp4", duration=1.0, size=1, video=video),
        recipe=Recipe(),
        output="film.mp4",
        fingerprint="f0",
        engine=engine,
        model_sha256="m0",
        version="1",
        out_pix_fmt="yuv420p",
        out_width=2 * video.width,
        out_height=2 * video.height,
    )


def put_file(ledger: RunLedger, folder: Path, segment: int, content: bytes) -> None:
    """Puts an encoded segment file that holds `content`."""
    local = folder / f"{uuid4().hex}.mkv"
    local.write_bytes(content)
    ledger.put_segment_file(segment, local)
