"""Writes a film's report."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateStream
from markupsafe import Markup

from reelwright.ledger.comparison import compare
from reelwright.ledger.delivery import report_location
from reelwright.ledger.manifest import Manifest, ShotEntry
from reelwright.ledger.report import formatting
from reelwright.ledger.report.certificate import compared_curves, curves, edit_rows, worst_frames_of, worst_shots
from reelwright.ledger.report.processing_steps import processing_steps
from reelwright.ledger.report.shot_pictures import ShotPictures
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.timestamp import time_span, timestamp
from reelwright.store.failures import output_error
from reelwright.store.folder import parent_folder
from reelwright.store.location import shell_argument
from reelwright.store.scratch import scratch_folder

# With more shots the pictures would be too small to judge, so only evenly spaced shots are shown.
MOST_SHOTS = 2000
# Around what `with_judgements` replaces.
_MARKERS = ("<!-- judgements -->", "<!-- end of judgements -->")


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
            _page(manifest, ledger, worst_frames_of(manifest)).dump(stream, encoding="utf-8")
        folder.upload(name, page)


def write_comparison(
    one: Manifest, other: Manifest, ledger: RunLedger, page: Path, *, differing: Mapping[int, int]
) -> None:
    """Writes the report of a film compared with another one of its source.

    Args:
        one: the other film's manifest.
        other: the film's manifest.
        ledger: holds pictures of `one` as those of the source, and those of `other` as those of the film.
        page: where the report goes.
        differing: the shots whose differences are shown, by their index, and the frame of each that is shown.

    Raises:
        InputError: see `ledger.comparison.compare`.
        OutputError: it cannot be written.
        UnavailableError: the disk is full.
    """
    try:
        with page.open("wb") as stream:
            _page(other, ledger, differing, one).dump(stream, encoding="utf-8")
    except OSError as error:
        raise output_error(error, str(page)) from None


def with_judgements(page: str, manifest: Manifest) -> str | None:
    """The text of a film's report with the judgements of its manifest in it, and nothing else changed.

    Returns:
        None when the report is of an earlier version, which has no place for them.
    """
    # Everything that a person or a source wrote is escaped in the page, so the first marker is ours.
    before, begin, rest = page.partition(_MARKERS[0])
    _, end, after = rest.partition(_MARKERS[1])
    if not end:
        return None
    part = _environment().get_template("judgements.html.j2").render(m=manifest, formatting=formatting)
    return f"{before}{begin}\n{part}{end}{after}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reelwright.ledger.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shell_argument"] = shell_argument
    return environment


def _page(
    manifest: Manifest, ledger: RunLedger, frames: Mapping[int, int], compared: Manifest | None = None
) -> TemplateStream:
    shown, worst = spaced(manifest.shots, MOST_SHOTS), worst_shots(manifest)
    words = formatting.difference_sentence if compared else formatting.repair_sentence
    pictures = ShotPictures(manifest, ledger, shown, frames, words=words)
    style, script = _asset("report.css"), _asset("report.js")
    distinct = len(set(manifest.pts))
    return (
        _environment()
        .get_template("report.html.j2")
        .stream(
            m=manifest,
            title=formatting.title_of(manifest),
            formatting=formatting,
            markers=[Markup(marker) for marker in _MARKERS],  # noqa: S704 - our own text
            time_span=time_span,
            timestamp=timestamp,
            rows=formatting.comparison(manifest),
            steps=processing_steps(manifest),
            lost=max(0, manifest.frames_in - distinct),
            doubled=max(0, manifest.frames_out - distinct),
            complete=manifest.frames_in == manifest.frames_out == distinct,
            aspect=float(pictures.aspect),
            shown=len(shown),
            shots=pictures.shots(),
            motion=pictures.motion(),
            curves=list(compared_curves(compared, manifest) if compared else curves(manifest)),
            compared=compare(compared, manifest) if compared else [],
            names=("A", "B") if compared else ("Source", "Restored"),
            other=compared,
            worst=worst,
            edits=list(edit_rows(manifest)),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
        )
    )


def spaced(shots: Sequence[ShotEntry], most: int) -> list[tuple[int, ShotEntry]]:
    """At most `most` of the shots, evenly spaced from the first on, each with its index."""
    step = max(1, -(-len(shots) // most))
    return [(index, shots[index]) for index in range(0, len(shots), step)]


def _asset(name: str) -> str:
    return (resources.files("reelwright.ledger.report") / "templates" / name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()
