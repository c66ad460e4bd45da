"""What a person says about a shot, in the manifest of its film."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import PurePosixPath

from reelwright.ledger.delivery import manifest_location, report_location
from reelwright.ledger.judgement import Judgement
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.redone_film import film_lock
from reelwright.ledger.report.page import with_judgements
from reelwright.media.source_file import open_bytes
from reelwright.store.folder import parent_folder
from reelwright.titles.errors import InputError


def accept_shot(film: str, shot: int, remark: str) -> bool:
    """Writes into a film's manifest that a person accepts a shot, and then into its report.

    After an interruption in between, the next judgement writes both into the report. While a shot of the film is
    restored again, this is done at once, and the film that is made has it.

    Args:
        film: its location.
        shot: number of the shot, from 1.
        remark: of the person; may be empty.

    Returns:
        Whether the report has it; false when there is none, or one of an earlier version.

    Raises:
        InputError: no whole manifest lies beside the film, it has no such shot, or the film is not the manifest's.
        OutputError: manifest or report cannot be written.
    """
    check_shot(read_manifest(film), film, shot)
    with film_lock(film):
        check_film(read_manifest(film), film)
        return _accept(film, shot, remark)


def _accept(film: str, shot: int, remark: str) -> bool:
    folder, name = parent_folder(manifest_location(film))
    data = folder.read(name)
    assert data is not None, "the manifest was read a moment ago"
    # As JSON: what a later version wrote into the manifest stays.
    document = json.loads(data)
    judgement = Judgement(shot=shot, accepted=True, remark=remark, at=datetime.now(UTC).isoformat(timespec="seconds"))
    document["judgements"] = [*document.get("judgements", ()), judgement.model_dump()]
    folder.replace(name, json.dumps(document, separators=(",", ":")).encode())
    report = PurePosixPath(report_location(film)).name
    page = folder.read(report)
    changed = None if page is None else with_judgements(page.decode(), read_manifest(film))
    if changed is not None:
        folder.replace(report, changed.encode())
    return changed is not None


def check_film(manifest: Manifest, film: str) -> None:
    """Refuses a film that is not the one that a manifest describes; reads all of it.

    Raises:
        InputError: the film has other bytes, or cannot be read.
        UnavailableError: its store does not answer.
    """
    with open_bytes(film) as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != manifest.film_sha256:
            raise InputError("not the film of its manifest", film, "restore the film again")


def check_shot(manifest: Manifest, film: str, shot: int) -> None:
    """Refuses a shot that a film does not have.

    Raises:
        InputError: the film has no shot of that number.
    """
    if not 1 <= shot <= len(manifest.shots):
        what = f"no shot {shot}: the film has {len(manifest.shots)}"
        raise InputError(what, film, "`reelwright qc` lists the shots, counted from 1")
