"""Builds the manifest of a finished run from its records, and checks that every frame is accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from reelwright.ledger.edits import EditAccount, EditStep, is_deinterlaced, limited_frames
from reelwright.ledger.excerpts import excerpt_notes
from reelwright.ledger.film_facts import FilmFacts
from reelwright.ledger.film_times import worst_time_error
from reelwright.ledger.manifest import Manifest, ShotEntry
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.records import PlanEnd, SegmentRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.shot_entries import shots_of
from reelwright.ledger.shot_fidelity import CurveAccount
from reelwright.ledger.steadiness import SteadinessAccount
from reelwright.media.colour import RANGE_FULL
from reelwright.media.frame_record import FrameRecord
from reelwright.titles.errors import LedgerError
from reelwright.titles.identity import engine_matches

# A short title on a cheap pod costs a few thousandths of a unit.
_COST_DIGITS = 6
_MIXED_TOOLCHAINS = (
    "parts of the film were decoded or encoded by different versions of the libraries, which the manifest names: "
    "another restoration need not give the same bytes"
)


@dataclass(slots=True, kw_only=True)
class _FrameAccount:
    """What the manifest needs of the records. The records themselves would take ten times the memory.

    Attributes:
        source_pts: of each frame, in the source's time base.
        digests: SHA-256 of each restored frame, as hex.
        concealed: indices of the frames that replace damaged ones.
        duplicates: indices of the frames that repeat the one before.
        excerpts: of an excerpt, see `Manifest`.
        seconds: time of each stage.
        toolchains: that encoded a segment.
        engines: that restored a segment.
        cost: what their restoration cost.
        steadiness: how steady each shot was and is.
        edits: what was done to which frames.
        curves: how each frame agrees with its source.
    """

    edits: EditAccount

    source_pts: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    concealed: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    excerpts: list[tuple[int, int]] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    toolchains: set[str] = field(default_factory=set)
    engines: set[str] = field(default_factory=set)
    cost: float = 0.0
    steadiness: SteadinessAccount = field(default_factory=SteadinessAccount)
    curves: CurveAccount = field(default_factory=CurveAccount)
    _skipped: int = 0

    def collect(self, records: Iterable[SegmentRecord]) -> Iterator[MeasuredFrame]:
        """Yields the records' frames with what was measured in them, and collects what the manifest needs."""
        for record in records:
            self.digests += record.frame_digests
            self.engines.add(record.engine)
            self.seconds.update(record.seconds)
            self.cost += record.cost
            self.toolchains.add(record.toolchain)
            self.steadiness.add(record)
            measured = record.damage or (None,) * len(record.frames)
            changes = record.tone_changes or (None,) * len(record.frames)
            fidelity = record.fidelity or (None,) * len(record.frames)
            points = record.points or (None,) * len(record.frames)
            for found in zip(record.frames, measured, changes, fidelity, points, strict=True):
                frame = MeasuredFrame(*found)
                self.edits.add(len(self.source_pts), frame)
                self.curves.add(frame.fidelity)
                if frame.record.concealed:
                    self.concealed.append(len(self.source_pts))
                if frame.record.duplicate:
                    self.duplicates.append(len(self.source_pts))
                self._add_part(frame.record)
                self.source_pts.append(frame.record.pts)
                yield frame

    def shots(self, records: Iterable[SegmentRecord], *, full_range: bool) -> tuple[ShotEntry, ...]:
        """The shots of the records' frames; collects what the manifest needs."""
        found = list(shots_of(self.collect(records), full_range=full_range))
        pairs = zip(found, self.steadiness.shots(), strict=True)
        return tuple(shot.model_copy(update={"steadiness": steadiness}) for shot, steadiness in pairs)

    def _add_part(self, record: FrameRecord) -> None:
        if self.edits.recipe.excerpt.whole:
            return
        if not self.excerpts or record.skipped != self._skipped:
            self.excerpts.append((len(self.source_pts), record.pts + record.skipped))
        self._skipped = record.skipped


def build_manifest(ledger: RunLedger, film: FilmFacts) -> Manifest:
    """Builds the manifest of a finished run and checks every frame; reads one segment's documents at a time.

    Raises:
        LedgerError: the run is not finished, plan, records and film disagree about a frame or its time, or frames were
            restored with another engine than the one the run is bound to.
    """
    title, end = ledger.title(), ledger.plan_end()
    if title is None or end is None:
        raise LedgerError(f"run {ledger.run}: the source was not read to its end, so there is no manifest")
    recipe, video = title.request.recipe, title.source.video
    account = _FrameAccount(edits=EditAccount(recipe, is_deinterlaced(recipe, video)))
    shots = account.shots(_checked_records(ledger, end), full_range=video.colour.range == RANGE_FULL)
    _check_times(ledger.run, film, account.source_pts, video.time_base)
    for spent in (film.seconds, end.seconds):
        account.seconds.update(spent)
    # Documents of version 0.1 name no toolchain.
    toolchains = tuple(sorted((account.toolchains | {title.toolchain}) - {""}))
    edits = account.edits.steps()
    return Manifest(
        run=ledger.run,
        version=title.version,
        engine=_only_engine(ledger, account.engines),
        model_sha256=title.request.model_sha256,
        toolchains=toolchains,
        recipe=recipe,
        source=title.source,
        source_fingerprint=title.request.fingerprint,
        film=film.name,
        film_sha256=film.sha256,
        film_bytes=film.size,
        width=film.width,
        height=film.height,
        pix_fmt=film.pix_fmt,
        frames_in=end.frames,
        frames_out=len(film.pts),
        concealed=tuple(account.concealed),
        duplicates=tuple(account.duplicates),
        truncated_at=end.truncated_at,
        time_base=film.time_base,
        pts=tuple(film.pts),
        source_pts=tuple(account.source_pts),
        excerpts=tuple(account.excerpts),
        lossless=film.lossless,
        frame_digests=tuple(account.digests),
        streams=film.streams,
        chapters=film.chapters,
        timecode=film.timecode,
        shots=shots,
        edits=edits,
        frame_fidelity=account.curves.whole(),
        seconds={stage: round(total, 3) for stage, total in sorted(account.seconds.items())},
        cost=round(account.cost, _COST_DIGITS),
        notes=(
            *film.notes,
            *excerpt_notes(recipe.excerpt),
            *([_MIXED_TOOLCHAINS] if len(toolchains) > 1 else []),
            *limited_notes(shots, edits),
        ),
    )


def limited_notes(shots: Sequence[ShotEntry], edits: Sequence[EditStep]) -> list[str]:
    """What the limits of the recipe did, as a sentence; none when they did nothing."""
    frames = limited_frames(edits)
    if not frames:
        return []
    count = sum(shot.fidelity is not None and shot.fidelity.held_back > 0 for shot in shots)
    counted = [
        f"{number} {word if number == 1 else word + 's'}" for number, word in ((frames, "frame"), (count, "shot"))
    ]
    note = (
        f"in {' of '.join(counted)} the network's work went past a limit of the recipe, and less of it was used; "
        "the edit list names the frames"
    )
    return [note]


def _checked_records(ledger: RunLedger, end: PlanEnd) -> Iterator[SegmentRecord]:
    """The records of a run in order, each checked against its plan."""
    frames = 0
    for segment in range(end.segments):
        plan, record = ledger.plan(segment), ledger.segment(segment)
        where = f"run {ledger.run}, segment {segment}"
        if plan is None or record is None:
            raise LedgerError(f"{where}: {'planned' if plan else 'not planned'} but not committed")
        if plan.frames != record.frames or len(record.frame_digests) != len(plan.frames):
            raise LedgerError(f"{where}: the frames encoded are not the frames planned")
        _check_measured(record, where)
        if not plan.first_frame == record.first_frame == frames:
            raise LedgerError(f"{where}: starts at frame {record.first_frame} after {frames} frames")
        frames += len(plan.frames)
        yield record
    if frames != end.frames:
        raise LedgerError(f"run {ledger.run}: {end.frames} frames were read and {frames} restored")


def _check_measured(record: SegmentRecord, where: str) -> None:
    for name in ("damage", "tone_changes", "fidelity", "scene", "points"):
        if (count := len(getattr(record, name))) not in {0, len(record.frames)}:
            raise LedgerError(f"{where}: {count} measurements for {len(record.frames)} frames ({name})")


def _only_engine(ledger: RunLedger, found: set[str]) -> str:
    # Without frames no engine was needed.
    engine = ledger.engine() or min(found, default="")
    # Not compared as texts: records of earlier versions do not name the processor.
    if foreign := sorted(each for each in found if not engine_matches(engine, each)):
        raise LedgerError(f"run {ledger.run}: frames of engine {foreign[0]} among those of {engine}")
    return engine


def _check_times(run: str, film: FilmFacts, source_pts: Sequence[int], source_tick: Fraction) -> None:
    if len(film.pts) != len(source_pts):
        raise LedgerError(f"run {run}: {len(source_pts)} frames were restored and {len(film.pts)} are in the film")
    error = worst_time_error(film.pts, film.time_base, source_pts, source_tick)
    if error > 1:
        raise LedgerError(f"run {run}: a frame of the film is {float(error * film.time_base):.6f} s off its time")
