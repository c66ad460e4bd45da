"""Ledger documents and whole runs for tests, made without a network or an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.ledger.manifest import FilmFacts, build_manifest
from reelwright.ledger.records import Manifest, PlanEnd, SegmentPlan, SegmentRecord, SourceProbe, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.motion_strip import MotionStrips
from reelwright.media.picture import Picture
from reelwright.media.repair_mask import mask_picture, mask_png
from reelwright.media.types import ColourInfo, Crop, FrameRecord, SourceInfo, VideoInfo
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest

RUN = "0123456789abcdef0123"
# What the motion strips of `with_crops` show.
SHOWN = Crop(left=8, top=0, width=32, height=24)


def plan_of(segment: int = 0, digest: str = "d0") -> SegmentPlan:
    """The plan of a segment of two frames."""
    frames = (FrameRecord(pts=0, duration=1, shot_start=True, preview=True), FrameRecord(pts=1, duration=1))
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


def request_of(**more: object) -> RunRequest:
    """A request for the run `RUN` with the default recipe; `more` sets other fields."""
    fields: dict[str, object] = {
        "run": RUN,
        "source": "a.mp4",
        "output": "film.mp4",
        "recipe": "{}",
        "fingerprint": "f0",
        "priority_class": "express",
        "engine": "test",
        "model_sha256": "m0",
        "deadline": 1.5e9,
        "submitted": 1.4e9,
    }
    return RunRequest.model_validate(fields | more)


def title_of(
    location: str = "a.mp4", engine: str = "test", video: VideoInfo | None = None, recipe: Recipe | None = None
) -> TitleRecord:
    """A title restored x2, by the default recipe if none is given."""
    video = video or video_of()
    return TitleRecord(
        request=request_of(source=location, engine=engine, recipe=recipe or Recipe()),
        source=SourceInfo(location=location, container="mp4", duration=1.0, size=1, video=video),
        version="1",
        out_pix_fmt="yuv420p",
        out_width=2 * video.width,
        out_height=2 * video.height,
    )


def probe_of() -> SourceProbe:
    """What a submission found in the source of `title_of`."""
    return SourceProbe(source=title_of().source, version="1", toolchain="av-1")


def put_file(ledger: RunLedger, folder: Path, segment: int, content: bytes) -> None:
    """Puts an encoded segment file that holds `content`."""
    local = folder / f"{uuid4().hex}.mkv"
    local.write_bytes(content)
    ledger.put_segment_file(segment, local)


def preview_of(index: int, width: int, height: int) -> bytes:
    """A JPEG with detail, different for each index."""
    rows, columns = np.mgrid[:height, :width]
    shade = (rows * (3 + index % 5) + columns * (2 + index % 7)) % 256
    done, coded = cv2.imencode(".jpg", shade.astype(np.uint8))
    assert done
    return coded.tobytes()


def planned(shots: Sequence[int], concealed: Sequence[int] = ()) -> tuple[FrameRecord, ...]:
    """The records of shots of these lengths, one time unit per frame; the first and third of a shot are previews."""
    offsets = [offset for length in shots for offset in range(length)]
    return tuple(
        FrameRecord(
            pts=index, duration=1, shot_start=offset == 0, preview=offset in (0, 2), concealed=index in concealed
        )
        for index, offset in enumerate(offsets)
    )


def with_crops(frames: Sequence[FrameRecord]) -> tuple[FrameRecord, ...]:
    """The frames, all of them in motion strips."""
    return tuple(frame.model_copy(update={"crop": SHOWN}) for frame in frames)


def put_run(
    ledger: RunLedger,
    folder: Path,
    title: TitleRecord,
    frames: Sequence[FrameRecord],
    segment: int = 5,
    toolchains: Sequence[str] = ("av-1",),
    cost: float = 0.0,
    fidelity: Callable[[int], FrameFidelity | None] = lambda _: None,
    masks: Mapping[int, NDArray[np.uint8]] = MappingProxyType({}),
) -> None:
    """Puts a run whose segments of `segment` frames are committed, with previews, by these toolchains in turn.

    Each segment has cost `cost`; `fidelity` gives what was measured in the frame of an index, or None throughout.
    Frames with a crop are in motion strips. `masks` are the repair masks of previews, by index.
    """
    ledger.put_request(title.request)
    ledger.put_title(title)
    video = title.source.video
    for number, first in enumerate(range(0, len(frames), segment)):
        part = tuple(frames[first : first + segment])
        ledger.put_plan(SegmentPlan(segment=number, first_frame=first, frames=part, source_digest="d0"))
        for offset in (offset for offset, frame in enumerate(part) if frame.preview):
            index = first + offset
            ledger.put_source_picture(number, offset, preview_of(index, video.width, video.height))
            ledger.put_restored_picture(number, offset, preview_of(index, title.out_width, title.out_height))
            if index in masks:
                ledger.put_restored_picture(number, offset, mask_png(mask_picture(masks[index])), "mask")
        _put_motion(ledger, number, part, title.request.recipe.scale)
        put_file(ledger, folder, number, b"film")
        fields = {
            "first_frame": first,
            "frames": part,
            "frame_digests": ("aa",) * len(part),
            "toolchain": toolchains[number % len(toolchains)],
            "cost": cost,
            "fidelity": tuple(found for found in map(fidelity, range(first, first + len(part))) if found is not None),
        }
        ledger.commit_segment(record_of(number).model_copy(update=fields))
    ledger.put_plan_end(PlanEnd(segments=-(-len(frames) // segment), frames=len(frames), seconds={"decode": 1.5}))


def _put_motion(ledger: RunLedger, number: int, part: Sequence[FrameRecord], scale: int) -> None:
    """Puts strips of flat crops, each frame with a shade of its own."""
    for times, put in ((1, ledger.put_source_picture), (scale, ledger.put_restored_picture)):
        motion = MotionStrips(ColourInfo(range=2), times, partial(put, number, kind="motion"))
        for offset, record in enumerate(part):
            size = (times * (SHOWN.left + SHOWN.width), times * (SHOWN.top + SHOWN.height))
            plane = np.full(size[::-1], 40 * (record.pts % 6), np.uint8)
            motion.add(offset, record, Picture("gray", *size, (plane,)))
        motion.end()


def fidelity_of(**figures: float) -> FrameFidelity:
    """A frame with these figures; the others are 0."""
    return FrameFidelity(**{**dict.fromkeys(FrameFidelity.model_fields, 0.0), **figures})


def manifest_of_shots(
    shots: Sequence[int],
    fidelity: Callable[[int], FrameFidelity | None] = lambda _: fidelity_of(unsupported=1),
) -> Manifest:
    """The manifest of a film with shots of these lengths, with what was measured in the frame of each index."""
    with TemporaryDirectory() as folder:
        ledger, frames = RunLedger(folder, RUN), planned(shots)
        put_run(ledger, Path(folder), title_of(), frames, segment=1000, fidelity=fidelity)
        return build_manifest(ledger, film_of(len(frames)))


def film_of(frames: int, **more: object) -> FilmFacts:
    """A film of that many frames at 25 fps; `more` sets other fields."""
    fields: dict[str, object] = {
        "name": "film.mp4",
        "sha256": "ab" * 32,
        "size": 1000,
        "width": 8,
        "height": 8,
        "pix_fmt": "yuv420p",
        "time_base": Fraction(1, 25),
        "pts": range(frames),
        "lossless": False,
    }
    return FilmFacts(**(fields | more))  # type: ignore[arg-type]
