"""The film of a finished run for another output: copied from the output that has it, and not made again."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePath

from reelwright.ledger.delivery import report_location
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import write_manifest
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.segments import file_sha256
from reelwright.ledger.settings import SigningFiles
from reelwright.ledger.undelivered_film import put_signature
from reelwright.store.folder import parent_folder
from reelwright.store.scratch import scratch_folder
from reelwright.titles.errors import OutputError


def fetch_adopted_film(
    ledger: RunLedger,
    film: str,
    output: str,
    *,
    scratch: Path | None,
    signing: SigningFiles | None = None,
    keep_unsigned: bool = False,
) -> Manifest | None:
    """Copies a delivered film with its report and manifest into the attempt's folder, the manifest last.

    The report is the first film's and has the name of its file.

    Args:
        ledger: of the attempt.
        film: location of the delivered film.
        output: location where this attempt's film is wanted.
        scratch: folder for the copy under way; the system's temporary folder if None.
        signing: whose signature the copy gets; None for no credentials.
        keep_unsigned: whether the copy stays in the attempt's folder when there is no timestamp.

    Returns:
        The manifest; None when the film is not there any more, or is not the one that was delivered.

    Raises:
        UnavailableError: a store or the timestamp server does not answer, or there is no room.
        OutputError: the ledger refuses the copy.
        UserError: key or certificates cannot be used.
    """
    source, name = parent_folder(film)
    copy_name = f"film{PurePath(output).suffix.lower()}"
    with scratch_folder("film", scratch) as folder:
        try:
            manifest = ledger.film.delivered_manifest(film)
            if manifest is None:
                return None
            found = source.download(name, folder)
            report = source.download(report_location(name), folder).read_bytes()
        except OutputError:
            return None
        with ledger.film.draft(copy_name, folder) as draft:
            if found.is_relative_to(folder):
                shutil.move(found, draft)
            else:
                shutil.copyfile(found, draft)
            if file_sha256(draft) != manifest.film_sha256:
                return None
            manifest = manifest.model_copy(update={"film": PurePath(output).name})
            unsigned = put_signature(ledger, copy_name, draft, manifest, signing=signing, keep=keep_unsigned)
            copied = ledger.film.put(draft, copy_name)
    parent_folder(report_location(copied))[0].replace(report_location(copy_name), report)
    write_manifest(manifest, copied)
    if unsigned is not None:
        raise unsigned
    return manifest
