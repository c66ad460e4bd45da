"""Makes a title's film of its segments, with report and manifest, in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePath

from reelwright.ledger.film_facts import FilmFacts
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_builder import build_manifest
from reelwright.ledger.manifest_file import write_manifest
from reelwright.ledger.records import PlanEnd, TitleRecord
from reelwright.ledger.report.page import write_report
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.segments import file_sha256
from reelwright.ledger.settings import SigningFiles
from reelwright.ledger.undelivered_film import put_signature
from reelwright.media.assemble import AssembledFilm, assemble_film
from reelwright.media.film_format import film_format
from reelwright.media.fingerprint import check_held_source
from reelwright.media.finished_film import FilmTimeline, read_timeline
from reelwright.media.held_files import held
from reelwright.media.picture_clock import SegmentInput
from reelwright.media.profiles import profile_spec
from reelwright.media.stream_times import check_places, settle_outcomes
from reelwright.media.tags import lost_tags
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import LedgerError, LostSegment


def assemble_title(
    ledger: RunLedger, scratch: Path | None, signing: SigningFiles | None = None, *, keep_unsigned: bool = False
) -> Manifest:
    """Writes film, credentials, report and manifest into the run's folder, the manifest last.

    Args:
        ledger: of a run whose every segment is committed.
        scratch: folder for files under way; the system's temporary folder if None.
        signing: whose signature the film gets; None for no credentials.
        keep_unsigned: whether the film stays in the run's folder, with report and manifest, when there is no timestamp.

    Returns:
        The manifest.

    Raises:
        InputError: the source, which is read again for its sound, is gone or was replaced.
        OutputError: the film cannot be written.
        UnavailableError: there is no room for it, or store or timestamp server does not answer.
        LedgerError: plan, records and film do not account for every frame.
        LostSegment: file or record of a segment is missing or damaged.
        UserError: key or certificates cannot be used.
    """
    title, end = ledger.title(), ledger.plan_end()
    if title is None or end is None:
        raise LedgerError(f"run {ledger.run} has segments but no complete plan")
    spec = profile_spec(title.request.recipe.profile)
    started = time.perf_counter()
    with (
        held(title.source.location, title.request.fingerprint),
        scratch_folder("film", scratch) as folder,
        ledger.film.draft(f"film{spec.suffix}", folder) as path,
        metrics.timed("assemble"),
    ):
        film = film_format(title.source.video, title.out_width, title.out_height, title.out_pix_fmt)
        assembled = assemble_film(
            path,
            _segments(ledger, end, folder),
            source=title.source,
            spec=spec,
            film=film,
            pictures_only=not title.request.recipe.excerpt.whole,
        )
        check_held_source(title.source.location)
        facts = film_facts(path, title, end, assembled, seconds=time.perf_counter() - started)
        # Counted here, from the film's own packets: the manifest of such a film is refused, and the title fails.
        metrics.FRAMES_LOST.inc(max(0, end.frames - len(facts.pts)))
        manifest = build_manifest(ledger, facts)
        unsigned = put_signature(ledger, f"film{spec.suffix}", path, manifest, signing=signing, keep=keep_unsigned)
        film_location = ledger.film.put(path, f"film{spec.suffix}")
    write_report(manifest, ledger, film_location, scratch)
    write_manifest(manifest, film_location)
    if unsigned is not None:
        raise unsigned
    return manifest


def _segments(ledger: RunLedger, end: PlanEnd, scratch: Path) -> Iterator[SegmentInput]:
    for number in range(end.segments):
        record = ledger.segment(number)
        if record is None:
            # The listing showed a record, which is gone by now or cannot be read.
            raise LostSegment(number, f"run {ledger.run}: the record of segment {number} is missing or damaged")
        heartbeat()
        path = ledger.segment_file(record, scratch)
        yield SegmentInput(path, record.frames)
        if path.is_relative_to(scratch):
            # A copy that is in the film by now. All copies together would take as much room as the film.
            path.unlink()


def film_facts(path: Path, title: TitleRecord, end: PlanEnd, assembled: AssembledFilm, *, seconds: float) -> FilmFacts:
    """What the manifest says about an assembled film.

    Args:
        path: the film.
        title: what it is.
        end: the totals of its plan.
        assembled: what was made.
        seconds: that it took.

    Raises:
        InternalError: a stream is far from its place in the film.
    """
    timeline = read_timeline(path)
    streams = settle_outcomes(assembled.streams, assembled.timed_streams, timeline.streams, assembled.shift)
    check_places(streams, (timeline.pts[-1] - timeline.pts[0]) * timeline.time_base if timeline.pts else Fraction(0))
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
        streams=streams,
        chapters=assembled.chapters,
        seconds={"assemble": seconds},
        notes=(*end.notes, *assembled.notes, *_container_losses(title, assembled, timeline)),
        timecode=timeline.timecode,
    )


def _container_losses(title: TitleRecord, assembled: AssembledFilm, timeline: FilmTimeline) -> Iterator[str]:
    """Sentences about the tags and the timecode that the film's container cannot hold."""
    suffix = profile_spec(title.request.recipe.profile).suffix[1:]
    if lost := lost_tags(title.source.metadata, timeline.tags):
        yield f"tags that this {suffix} file does not hold: {', '.join(lost)}"
    if lost := lost_tags(assembled.picture_tags, timeline.picture_tags):
        yield f"tags of the picture that this {suffix} file does not hold: {', '.join(lost)}"
    if assembled.timecode is not None and timeline.timecode != str(assembled.timecode):
        yield f"{suffix} files hold no timecode at this frame rate: it began at {assembled.timecode}"
