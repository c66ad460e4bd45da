"""Film, report and manifest on their way from the run's folder to where the person wants them."""

from __future__ import annotations

from pydantic import ValidationError

from reelwright.ledger.names import MANIFEST, manifest_location, report_location
from reelwright.ledger.records import Manifest
from reelwright.store.folder import Folder, parent_folder
from reelwright.titles.errors import LedgerError, OutputError

_OUTPUT_SECONDS = 60.0


def deliver(run: str, source: Folder, output: str) -> Manifest:
    """Moves or copies a finished film to its output: film, report, and the manifest last, which completes it.

    Called again after it was interrupted it goes on where it stopped; once all is there it changes nothing.

    Args:
        run: the run.
        source: the run's folder.
        output: location of the film, on any store.

    Returns:
        The film's manifest.

    Raises:
        OutputError: the output cannot be written.
        UnavailableError: a store does not answer or is full.
        LedgerError: there is no finished film in the folder, nor at the output.
    """
    found = [name for name in source.list_names("") if name.endswith(MANIFEST)]
    manifest = _manifest(source, found[0]) if found else None
    if manifest is None:
        return _delivered(run, source, output)
    film = found[0].removesuffix(MANIFEST)
    # An output that is full or away holds up no other title for longer: the decoder has the title finished again.
    retry = source.retry.with_limit(_OUTPUT_SECONDS)
    target, name = parent_folder(output, retry)
    source = source.with_retry(retry)
    source.transfer(film, target, name)
    if target.size(name) != manifest.film_bytes:
        raise LedgerError(f"{target.address(name)}: not the film that was assembled in {source.address(film)}")
    for locate in (report_location, manifest_location):
        if not source.transfer(locate(film), target, locate(name)) and not target.exists(locate(name)):
            raise LedgerError(f"{source.address(locate(film))}: gone before it was delivered")
    return manifest


def whole_at(run: str, output: str) -> Manifest | None:
    """The manifest when a run's film, whole by its size, its report and its manifest are at the output; else None.

    Raises:
        OutputError: the output cannot be read.
        UnavailableError: its store does not answer.
    """
    target, name = parent_folder(output)
    manifest = _manifest(target, manifest_location(name))
    if manifest is None or manifest.run != run:
        return None
    whole = target.size(name) == manifest.film_bytes and target.exists(report_location(name))
    return manifest if whole else None


def check_replaceable(source: Folder, output: str, fingerprint: str) -> None:
    """Refuses to replace a file at the output that was not made from the same source.

    Args:
        source: the run's folder: a delivery that was interrupted is recognised by the manifest in it.
        output: location of the film, on any store.
        fingerprint: titles.identity.content_fingerprint of the source.

    Raises:
        OutputError: film, report or manifest exist there, and no manifest says that they come from this source.
        UnavailableError: a store does not answer.
    """
    target, name = parent_folder(output)
    if not any(target.exists(each) for each in (name, report_location(name), manifest_location(name))):
        return
    size, known = target.size(name), _manifest(target, manifest_location(name))
    if known is not None and known.source_fingerprint == fingerprint and size in {None, known.film_bytes}:
        return
    begun = (_manifest(source, found) for found in source.list_names("") if found.endswith(MANIFEST))
    if size is not None and size in {manifest.film_bytes for manifest in begun if manifest is not None}:
        return
    what = "exists and was not made from this source"
    if known is not None and known.source_fingerprint != fingerprint:
        what = f"exists and was made from {known.source.location}"
    raise OutputError(what, output, "give another name, or --overwrite to replace it")


def _manifest(folder: Folder, name: str) -> Manifest | None:
    """A manifest; None when there is none, or one that is not whole: what it asks for is this very restoration."""
    data = folder.read(name)
    try:
        return None if data is None else Manifest.model_validate_json(data)
    except ValidationError:
        return None


def _delivered(run: str, source: Folder, output: str) -> Manifest:
    manifest = whole_at(run, output)
    if manifest is None:
        raise LedgerError(f"{source.address('')}: there is no finished film to deliver")
    return manifest
