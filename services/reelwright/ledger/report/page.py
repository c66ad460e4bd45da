"""Writes a film's report."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateStream
from markupsafe import Markup

from reelwright.ledger.comparison import compare
from reelwright.ledger.delivery import report_location
from reelwright.ledger.records import Manifest, ShotEntry
from reelwright.ledger.report import formatting
from reelwright.ledger.report.certificate import compared_curves, curves, edit_rows, worst_shots
from reelwright.ledger.report.images import Budget, shape_of
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.timestamp import time_span, timestamp
from reelwright.store.failures import output_error
from reelwright.store.folder import parent_folder
from reelwright.store.scratch import scratch_folder

# With more shots the pictures would be too small to judge, so only evenly spaced shots are shown.
MOST_SHOTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotView:
    """A shot as the filmstrip shows it. Pictures are data URIs; empty text if there is no picture.

    Attributes:
        number: of the shot in the film, from 1.
        frame: index of the preview frame.
        at: time of that frame.
        damage: what was measured in the shot, in words; empty when nothing was.
        thumb: small picture of the restored frame.
        before: the source's frame.
        after: the same frame restored.
    """

    number: int
    frame: int
    at: str
    damage: str
    thumb: str
    before: str
    after: str


def write_report(manifest: Manifest, ledger: RunLedger, film: str, scratch: Path | None = None) -> None:
    """Writes the report beside the film at an fsspec location, completely or not at all, one shot in memory at a time.

    Args:
        manifest: of the film.
        ledger: of the run.
        film: location of the film.
        scratch: folder for the page while it is written; the system's temporary folder if None.

    Raises:
        OutputError: it cannot be written.
        UnavailableError: a disk or the store is full, or the store does not answer.
        LedgerError: the ledger cannot be read.
    """
    folder, name = parent_folder(report_location(film))
    with scratch_folder("report", scratch) as scratch_path:
        page = scratch_path / "report.html"
        with page.open("wb") as stream:
            _page(manifest, ledger).dump(stream, encoding="utf-8")
        folder.upload(name, page)


def write_comparison(one: Manifest, other: Manifest, ledger: RunLedger, page: Path) -> None:
    """Writes the report of a film compared with another one of its source.

    Args:
        one: the other film's manifest.
        other: the film's manifest.
        ledger: holds pictures of `one` as previews of the source, and those of `other` as previews of the film.
        page: where the report goes.

    Raises:
        InputError: see `ledger.comparison.compare`.
        OutputError: it cannot be written.
        UnavailableError: the disk is full.
    """
    try:
        with page.open("wb") as stream:
            _page(other, ledger, one).dump(stream, encoding="utf-8")
    except OSError as error:
        raise output_error(error, str(page)) from None


def _page(manifest: Manifest, ledger: RunLedger, compared: Manifest | None = None) -> TemplateStream:
    environment = Environment(
        loader=PackageLoader("reelwright.ledger.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = spaced(manifest.shots, MOST_SHOTS)
    style, script = _asset("report.css"), _asset("report.js")
    distinct = len(set(manifest.pts))
    return environment.get_template("report.html.j2").stream(
        m=manifest,
        title=formatting.title_of(manifest),
        formatting=formatting,
        time_span=time_span,
        timestamp=timestamp,
        rows=formatting.comparison(manifest),
        steps=formatting.processing_steps(manifest),
        lost=max(0, manifest.frames_in - distinct),
        doubled=max(0, manifest.frames_out - distinct),
        complete=manifest.frames_in == manifest.frames_out == distinct,
        aspect=float(_aspect(manifest, ledger)),
        shown=len(shown),
        shots=_views(manifest, ledger, shown),
        curves=list(compared_curves(compared, manifest) if compared else curves(manifest)),
        compared=compare(compared, manifest) if compared else [],
        names=("A", "B") if compared else ("Source", "Restored"),
        other=compared,
        worst=worst_shots(manifest),
        edits=list(edit_rows(manifest)),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def spaced(shots: Sequence[ShotEntry], most: int) -> list[tuple[int, ShotEntry]]:
    """At most `most` of the shots, evenly spaced from the first on, each with its index."""
    step = max(1, -(-len(shots) // most))
    return [(index, shots[index]) for index in range(0, len(shots), step)]


def _views(manifest: Manifest, ledger: RunLedger, shown: Sequence[tuple[int, ShotEntry]]) -> Iterator[ShotView]:
    video = manifest.source.video
    aspect = _aspect(manifest, ledger)
    budget = Budget(images=3 * len(shown))
    for (index, shot), (segment, offset) in zip(shown, _preview_positions(ledger, shown), strict=True):
        before, after = ledger.source_preview(segment, offset), ledger.restored_preview(segment, offset)
        yield ShotView(
            number=index + 1,
            frame=shot.preview_frame,
            at=formatting.frame_time(manifest, shot.preview_frame),
            damage=formatting.shot_sentence(shot),
            thumb=(after and budget.thumbnail(after, aspect, video.rotation, mirrored=video.mirrored)) or "",
            before=(before and budget.fit(before, video.rotation, mirrored=video.mirrored)) or "",
            after=(after and budget.fit(after, video.rotation, mirrored=video.mirrored)) or "",
        )


def _preview_positions(ledger: RunLedger, shown: Sequence[tuple[int, ShotEntry]]) -> Iterator[tuple[int, int]]:
    """Segment and offset in it of each shot's preview."""
    segment = first = count = 0
    for _, shot in shown:
        while not first <= shot.preview_frame < first + count:
            plan = ledger.plan(segment)
            assert plan is not None, "the manifest was built from a whole plan"
            first, count, segment = plan.first_frame, len(plan.frames), segment + 1
        yield segment - 1, shot.preview_frame - first


def _aspect(manifest: Manifest, ledger: RunLedger) -> Fraction:
    """Width over height of a preview as displayed: the picture's area, its pixels' shape, its rotation."""
    pixel = manifest.source.video.sample_aspect_ratio
    width, height = _preview_shape(manifest, ledger)
    aspect = Fraction(width, height) * pixel
    return 1 / aspect if manifest.source.video.rotation % 180 else aspect


def _preview_shape(manifest: Manifest, ledger: RunLedger) -> tuple[int, int]:
    for segment, offset in _preview_positions(ledger, [(0, shot) for shot in manifest.shots[:1]]):
        preview = ledger.restored_preview(segment, offset)
        shape = shape_of(preview) if preview else None
        if shape:
            return shape
    return manifest.width, manifest.height


def _asset(name: str) -> str:
    return (resources.files("reelwright.ledger.report") / "templates" / name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
