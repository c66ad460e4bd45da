"""The end of a title: from committed segments to film, manifest and report, all in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path, PurePath

from reelwright.ledger.manifest import FilmFacts, build_manifest, write_manifest
from reelwright.ledger.records import Manifest, PlanEnd, TitleRecord
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger, file_sha256
from reelwright.media.assemble import AssembledFilm, assemble_film
from reelwright.media.encode import film_format
from reelwright.media.film import FilmTimeline, read_timeline
from reelwright.media.profiles import profile_spec
from reelwright.media.stream_times import settle_outcomes
from reelwright.media.tags import lost_tags
from reelwright.media.timing import SegmentInput
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry import metrics
from reelwright.titles.errors import LedgerError


def ready(ledger: RunLedger) -> bool:
    """Whether the plan is whole and each of its segments committed."""
    end = ledger.plan_end()
    return end is not None and ledger.committed() >= set(range(end.segments))


def finish_title(ledger: RunLedger, scratch: Path | None) -> tuple[Manifest, str]:
    """Assembles the film and writes film, report and manifest into the run's folder, the manifest last.

    Returns:
        The manifest, and where the film is wanted.

    Raises:
        OutputError: there is no room for the film.
        LedgerError: plan, records and film do not account for every frame.
    """
    title, end = ledger.title(), ledger.plan_end()
    if title is None or end is None:
        raise LedgerError(f"run {ledger.run} has segments but no whole plan")
    spec = profile_spec(title.request.recipe.profile)
    started = time.perf_counter()
    with (
        scratch_folder("film", scratch) as folder,
        ledger.film_draft(f"film{spec.suffix}", folder) as path,
        metrics.timed("assemble"),
    ):
        film = film_format(title.source.video, title.out_width, title.out_height, title.out_pix_fmt)
        assembled = assemble_film(path, _segments(ledger, end, folder), title.source, spec, film)
        facts = _facts(path, title, end, assembled, time.perf_counter() - started)
        manifest = build_manifest(ledger, facts)
        film_location = ledger.put_film(path, f"film{spec.suffix}")
    write_report(manifest, ledger, film_location, scratch)
    write_manifest(manifest, film_location)
    return manifest, title.request.output


def _segments(ledger: RunLedger, end: PlanEnd, scratch: Path) -> Iterator[SegmentInput]:
    for number in range(end.segments):
        record = ledger.segment(number)
        if record is None:
            raise LedgerError(f"run {ledger.run}: segment {number} is not committed")
        path = ledger.segment_file(record, scratch)
        yield SegmentInput(path, record.frames)
        if path.is_relative_to(scratch):
            # A copy, and written into the film by now: all of them would take as much room as the film.
            path.unlink()


def _facts(path: Path, title: TitleRecord, end: PlanEnd, assembled: AssembledFilm, seconds: float) -> FilmFacts:
    timeline = read_timeline(path)
    return FilmFacts(
        name=PurePath(title.request.output).name,
        sha256=file_sha256(path),
        size=path.stat().st_size,
        width=assembled.width,
        height=assembled.height,
        pix_fmt=title.out_pix_fmt,
        time_base=timeline.time_base,
        pts=timeline.pts,
        lossless=profile_spec(title.request.recipe.profile).lossless,
        streams=settle_outcomes(assembled.streams, assembled.timed_streams, timeline.streams, assembled.shift),
        chapters=assembled.chapters,
        seconds={"assemble": seconds},
        notes=(*end.notes, *assembled.notes, *_not_held(title, assembled, timeline)),
        timecode=timeline.timecode,
    )


def _not_held(title: TitleRecord, assembled: AssembledFilm, timeline: FilmTimeline) -> Iterator[str]:
    """What of the film's tags and timecode its container does not hold, for the person."""
    suffix = profile_spec(title.request.recipe.profile).suffix[1:]
    if lost := lost_tags(title.source.metadata, timeline.tags):
        yield f"tags that this {suffix} file does not hold: {', '.join(lost)}"
    if assembled.timecode is not None and timeline.timecode != str(assembled.timecode):
        yield f"{suffix} files hold no timecode at this frame rate: it began at {assembled.timecode}"
