"""Writes the report of two films of one source, with pictures of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reelwright.ledger.manifest import read_manifest
from reelwright.ledger.records import Manifest, SegmentPlan
from reelwright.ledger.report.page import write_comparison
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.bars import film_bars
from reelwright.media.finished_film import pictures_of
from reelwright.media.jpeg import jpeg
from reelwright.media.types import FrameRecord
from reelwright.store.output_guard import guard_output
from reelwright.store.scratch import scratch_folder

_PREVIEW_WIDTH = 1280


def write_report(one: Path, other: Path, page: Path) -> None:
    """Reads both films and writes the page.

    Args:
        one: a film; its manifest lies beside it.
        other: another film of its source.
        page: where the page goes.

    Raises:
        InputError: a film cannot be read, or see `ledger.comparison.compare`.
        OutputError: the page cannot be written, or is one of the films.
        UnavailableError: the disk is full.
    """
    for film in (one, other):
        guard_output(str(film), str(page))
    first, second = read_manifest(str(one)), read_manifest(str(other))
    with scratch_folder("comparison", None) as folder:
        ledger = RunLedger(str(folder), second.run)
        frames = tuple(FrameRecord(pts=pts, duration=0) for pts in second.source_pts)
        ledger.put_plan(SegmentPlan(segment=0, first_frame=0, frames=frames, source_digest=""))
        for put, film, manifest in (
            (ledger.put_source_picture, one, first),
            (ledger.put_restored_picture, other, second),
        ):
            for frame, image in _previews(film, manifest, {shot.preview_frame for shot in second.shots}):
                put(0, frame, image)
        write_comparison(first, second, ledger, page)


def _previews(film: Path, manifest: Manifest, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    video = manifest.source.video
    for frame, picture in pictures_of(film, wanted, film_bars(video, manifest.recipe)):
        yield frame, jpeg(picture, video.colour, _PREVIEW_WIDTH)
