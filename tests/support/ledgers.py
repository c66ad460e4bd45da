"""Ledger documents and whole runs for tests, made without a network or an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.ledger.film_facts import FilmFacts
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.records import PlanEnd, SegmentPlan, SegmentRecord, SourceProbe, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.shown_frame import ShownFrame
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_record import FrameRecord
from reelwright.media.jpeg import strip
from reelwright.media.picture import Picture
from reelwright.media.repair_mask import mask_png
from reelwright.media.source_info import ColourInfo, SourceInfo, VideoInfo
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest

RUN = "0123456789abcdef0123"
# Columns and rows of a frame in the strips of `put_run`, of the source.
STRIP_SIZE = (32, 24)


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


def shown_of() -> ShownFrame:
    """A worst frame whose pictures are no text."""
    picture = bytes(range(256))
    return ShownFrame(
        first=0, last=1, frames=2, before=picture, after=picture, strip_before=picture, strip_after=picture
    )


def planned(shots: Sequence[int], concealed: Sequence[int] = ()) -> tuple[FrameRecord, ...]:
    """The records of shots of these lengths, one time unit per frame; the first and third of a shot are previews."""
    offsets = [offset for length in shots for offset in range(length)]
    return tuple(
        FrameRecord(
            pts=index, duration=1, shot_start=offset == 0, preview=offset in (0, 2), concealed=index in concealed
        )
        for index, offset in enumerate(offsets)
    )


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

    Each segment has cost `cost`; `fidelity` gives what was measured in the frame of an index, or None throughout. Of
    measured shots the worst frame of each segment is there. `masks` are the repair masks of such frames, by index.
    """
    ledger.put_request(title.request)
    ledger.put_title(title)
    video = title.source.video
    for number, first in enumerate(range(0, len(frames), segment)):
        part = tuple(frames[first : first + segment])
        ledger.put_plan(SegmentPlan(segment=number, first_frame=first, frames=part, source_digest="d0"))
        for offset in (offset for offset, frame in enumerate(part) if frame.preview):
            index = first + offset
            ledger.pictures.put_source(number, offset, preview_of(index, video.width, video.height))
            ledger.pictures.put_restored(number, offset, preview_of(index, title.out_width, title.out_height))
        _put_worst(ledger, number, part, title, fidelity=fidelity, masks=masks)
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


def _put_worst(
    ledger: RunLedger,
    number: int,
    part: Sequence[FrameRecord],
    title: TitleRecord,
    *,
    fidelity: Callable[[int], FrameFidelity | None],
    masks: Mapping[int, NDArray[np.uint8]],
) -> None:
    """Puts the worst frame of each shot in a segment; its strips are of flat crops, each frame with its own shade."""
    starts = sorted({0, *(offset for offset, frame in enumerate(part) if frame.shot_start), len(part)})
    video, scale = title.source.video, title.request.recipe.scale
    for first, end in pairwise(starts):
        departures = {offset: found.departure for offset in range(first, end) if (found := fidelity(part[offset].pts))}
        if not departures:
            continue
        worst = max(departures, key=departures.__getitem__)
        around, index = part[max(first, worst - 2) : min(end, worst + 3)], part[worst].pts
        strips = []
        for times in (1, scale):
            width, height = (times * side for side in STRIP_SIZE)
            shades = [np.full((height, width), 40 * (record.pts % 6), np.uint8) for record in around]
            strips.append(strip([Picture("gray", width, height, (shade,)) for shade in shades], ColourInfo(range=2)))
        shown = ShownFrame(
            first=around[0].pts,
            last=around[-1].pts,
            frames=len(around),
            before=preview_of(index, video.width, video.height),
            after=preview_of(index, title.out_width, title.out_height),
            mask=mask_png(masks[index]) if index in masks else b"",
            strip_before=strips[0],
            strip_after=strips[1],
        )
        ledger.pictures.put_shown(number, worst, shown)


def fidelity_of(**figures: float | Sequence[int]) -> FrameFidelity:
    """A frame with these figures; the others are 0, and it has no cells."""
    names = {name for name, each in FrameFidelity.model_fields.items() if each.annotation is float}
    return FrameFidelity(**{**dict.fromkeys(names, 0.0), **figures})


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
