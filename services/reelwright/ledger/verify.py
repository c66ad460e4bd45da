"""Checks a film against its manifest, by reading the film alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path

from reelwright.ledger.damage_notes import damage_notes
from reelwright.ledger.film_times import worst_time_error
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.redone_film import finish_replacement
from reelwright.media.finished_film import FilmTimeline, frame_digests, missing_copies, read_timeline
from reelwright.media.held_files import held
from reelwright.media.source_file import open_bytes
from reelwright.media.stream_times import moved_packets, paired
from reelwright.titles.errors import CorruptPayload, InputError


@dataclass(frozen=True, slots=True)
class Check:
    """One property of a film that was checked.

    Attributes:
        name: a few words.
        ok: whether the property holds.
        detail: one line for the person.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Every check of one film.

    Attributes:
        checks: in the order in which they were made.
    """

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them hold."""
        return all(check.ok for check in self.checks)


def verify(film: str | Path) -> VerifyReport:
    """Checks checksum, frame count, every time of every stream, lossless frames, stream copies, timecode and chapters.

    Where a shot was restored again and the film's replacement was interrupted, the replacement is finished first.

    Args:
        film: its path, or its location in a store, where it is read by ranges.

    Raises:
        InputError: there is no such film, or no whole manifest beside it.
        OutputError: a replacement is to be finished, and the folder of the film cannot be written.
        UnavailableError: the store that it lies in does not answer, or a disk is full.
    """
    finish_replacement(str(film))
    # The film is opened for several checks, and all of them must be of one film.
    with held(str(film)):
        return _verify(str(film))


def _verify(film: str) -> VerifyReport:
    with open_bytes(film) as stream:
        manifest = read_manifest(film)
        checks = [_checksum(stream, manifest), _accounting(manifest)]
    try:
        timeline = read_timeline(film)
    except InputError as error:
        return VerifyReport((*checks, Check("film", ok=False, detail=f"cannot be read: {error.what}")))
    checks += [_count(timeline, manifest), _times(timeline, manifest), _source_times(manifest)]
    if manifest.lossless:
        checks.append(_guarded("frame digests", lambda: _digests(film, manifest)))
    checks.append(_guarded("stream copies", lambda: _streams(film, manifest)))
    checks.append(_stream_times(timeline, manifest))
    checks.append(_timecode(timeline, manifest))
    found = timeline.chapters
    checks.append(Check("chapters", found == manifest.chapters, f"{found} of {manifest.chapters}"))
    return VerifyReport(tuple(checks))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (CorruptPayload, InputError) as error:
        return Check(name, ok=False, detail=str(error))


def _checksum(stream: BufferedReader, manifest: Manifest) -> Check:
    found = hashlib.file_digest(stream, "sha256").hexdigest()
    same = found == manifest.film_sha256
    return Check("checksum", same, f"sha256 {found[:16]}" + ("" if same else f", not {manifest.film_sha256[:16]}"))


def _accounting(manifest: Manifest) -> Check:
    lost = manifest.frames_in - manifest.frames_out
    counts = f"{manifest.frames_in} frames in, {manifest.frames_out} out"
    return Check("accounting", lost == 0, "; ".join([counts, *damage_notes(manifest)]))


def _count(timeline: FilmTimeline, manifest: Manifest) -> Check:
    found = len(timeline.pts)
    return Check("frames", found == manifest.frames_out, f"{found} of {manifest.frames_out}")


def _times(timeline: FilmTimeline, manifest: Manifest) -> Check:
    unit = manifest.time_base
    for index, (found, wanted) in enumerate(zip_longest(timeline.pts, manifest.pts)):
        if found is None or wanted is None or found * timeline.time_base != wanted * unit:
            return Check("times", ok=False, detail=f"frame {index} is not at its time")
    return Check("times", ok=True, detail=f"every PTS as in the manifest, in units of {manifest.time_base} s")


def _source_times(manifest: Manifest) -> Check:
    if len(manifest.pts) != len(manifest.source_pts):
        return Check("source times", ok=False, detail=f"{len(manifest.source_pts)} frames in the source")
    unit, tick = manifest.time_base, manifest.source.video.time_base
    error = worst_time_error(manifest.pts, unit, manifest.source_pts, tick)
    return Check("source times", error <= 1, f"at most {float(error * unit) * 1000:.3f} ms from the source's")


def _digests(film: str, manifest: Manifest) -> Check:
    pairs = zip_longest(frame_digests(film), manifest.frame_digests)
    wrong = [index for index, (found, wanted) in enumerate(pairs) if found != wanted]
    if wrong:
        return Check("frame digests", ok=False, detail=f"{len(wrong)} frames differ, the first is frame {wrong[0]}")
    return Check("frame digests", ok=True, detail=f"all {len(manifest.frame_digests)} frames to the bit")


def _stream_times(timeline: FilmTimeline, manifest: Manifest) -> Check:
    """Every packet of sound and subtitles where the manifest has it, and that where the source had it."""
    held, wrong, worst, count = dict(paired(manifest.streams, timeline.streams)), [], 0.0, 0
    moved: list[str] = []
    for outcome in manifest.streams:
        if outcome.times is None:
            if outcome.kind in {"audio", "subtitle"} and outcome.outcome != "left out" and outcome.packets:
                wrong.append(f"{outcome.kind} {outcome.index} is not in the film")
            continue
        found = held.get(outcome.index)
        name = f"{outcome.kind} {outcome.index}"
        count += 1
        worst = max(worst, outcome.times.error)
        moved += moved_packets(outcome.times.displaced, outcome.times.continued, name)
        if found is None:
            wrong.append(f"{name} is not in the film")
        elif found.times.digest() != outcome.times.sha256:
            wrong.append(f"{name} is not shown at its times")
        if outcome.times.error > outcome.times.tolerance:
            wrong.append(f"{name} is {outcome.times.error:.3f} s off its source's time")
    close = f"{count} streams, at most {worst * 1000:.3f} ms from the source's"
    detail = "; ".join(wrong or [close, *moved])
    return Check("stream times", not wrong, detail)


def _timecode(timeline: FilmTimeline, manifest: Manifest) -> Check:
    found, wanted = timeline.timecode, manifest.timecode
    return Check("timecode", found == wanted, found or ("none" if not wanted else f"none, not {wanted}"))


def _streams(film: str, manifest: Manifest) -> Check:
    copied = [outcome for outcome in manifest.streams if outcome.outcome == "copied"]
    missing = missing_copies(film, manifest.streams)
    if missing:
        names = ", ".join(f"{outcome.kind} {outcome.index}" for outcome in missing)
        return Check("stream copies", ok=False, detail=f"not as in the source: {names}")
    return Check("stream copies", ok=True, detail=f"{len(copied)} streams packet for packet")
