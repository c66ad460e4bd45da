"""Writes the report of two films of one source, with pictures of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from reelwright.ledger.comparison import compare
from reelwright.ledger.delivery import credentials_location, manifest_location, report_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.records import SegmentPlan
from reelwright.ledger.report.certificate import WORST_SHOTS
from reelwright.ledger.report.page import write_comparison
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.source_places import source_places
from reelwright.local.compared_frames import ComparedFrames, FramePair
from reelwright.media.bars import film_bars, restored_size
from reelwright.media.finished_film import pictures_of
from reelwright.media.frame_record import FrameRecord
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.store.location import local_path
from reelwright.store.output_guard import guard_output, refuse_existing
from reelwright.store.scratch import scratch_folder
from reelwright.titles.errors import InputError, OutputError


def check_page(one: str, other: str, page: str, *, overwrite: bool) -> Path:
    """Refuses, before any work, a page that would replace what it is about, or another file. Writes nothing.

    Args:
        one: location of a film; its manifest lies beside it.
        other: location of another film of its source.
        page: where the page is to go.
        overwrite: whether it may replace a page.

    Returns:
        The path of the page.

    Raises:
        InputError: a manifest cannot be read.
        OutputError: the page is not an .html file on a disk of this machine; it is a source, a film or a file beside a
            film; it exists, or cannot be written.
    """
    path = local_path(page, "name a file on a disk")
    for film in (one, other):
        beside = (film, *(locate(film) for locate in (manifest_location, report_location, credentials_location)))
        for known in (*source_places(read_manifest(film), film), *beside):
            guard_output(known, str(path))
    if path.suffix.lower() != ".html":
        raise OutputError("the report is an .html file", page, f"name it {path.stem}.html")
    if not overwrite:
        refuse_existing(path)
    return path


def write_report(one: str, other: str, page: Path) -> None:
    """Reads both films and writes the page.

    Args:
        one: location of a film; its manifest lies beside it.
        other: location of another film of its source.
        page: where the page goes, as `check_page` returns it.

    Raises:
        InputError: a film cannot be read, or see `ledger.comparison.compare`.
        OutputError: the page cannot be written.
        UnavailableError: the disk is full.
    """
    first, second = read_manifest(one), read_manifest(other)
    compare(first, second)
    with scratch_folder("comparison", None) as folder:
        ledger = RunLedger(str(folder), second.run)
        frames = tuple(FrameRecord(pts=pts, duration=0) for pts in second.source_pts)
        ledger.put_plan(SegmentPlan(segment=0, first_frame=0, frames=frames, source_digest=""))
        differing = _put_pictures(ledger, (one, first), (other, second))
        write_comparison(first, second, ledger, page, differing=differing)


def _put_pictures(ledger: RunLedger, *films: tuple[str, Manifest]) -> dict[int, int]:
    """Puts previews of both films, and the frames in which they differ most; those frames by the index of their shot.

    There are none of films that show different areas of the source: with its black borders restored and without.
    """
    (_, one), (_, other) = films
    colour, previews = other.source.video.colour, {shot.preview_frame for shot in other.shots}
    (width, height), area = _area(one), _area(other)
    compared = ComparedFrames(colour, width, height, WORST_SHOTS)
    ends = {shot.first_frame + shot.frames - 1: number for number, shot in enumerate(other.shots)}
    for pair in _pairs(films):
        if pair.frame in previews:
            ledger.pictures.put_source(0, pair.frame, jpeg(pair.one, colour, PREVIEW_WIDTH))
            ledger.pictures.put_restored(0, pair.frame, jpeg(pair.other, colour, PREVIEW_WIDTH))
        if (width, height) == area:
            compared.add(pair)
        if pair.frame in ends:
            compared.end(ends[pair.frame])
    for frame, shown in compared.shots().values():
        ledger.pictures.put_shown(0, frame, shown)
    return {shot: frame for shot, (frame, _) in compared.shots().items()}


def _pairs(films: Sequence[tuple[str, Manifest]]) -> Iterator[FramePair]:
    """The frames of both films, which are read side by side, so that few pictures are in memory."""
    readers = [
        pictures_of(path, range(known.frames_out), film_bars(known.source.video, known.recipe)) for path, known in films
    ]
    for frame in range(films[0][1].frames_out):
        found = [next(reader, None) for reader in readers]
        for (path, _), picture in zip(films, found, strict=True):
            if picture is None:
                raise InputError(f"frame {frame} is missing", path, "restore the film again")
        one, other = (picture for _, picture in filter(None, found))
        yield FramePair(frame, one, other)


def _area(manifest: Manifest) -> tuple[int, int]:
    """Width and height of what was restored, in samples of the source."""
    width, height = restored_size(manifest.source.video, manifest.recipe)
    return width // manifest.recipe.scale, height // manifest.recipe.scale
