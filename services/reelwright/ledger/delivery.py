"""Delivery of a finished film: where film, report and manifest lie, and how they get there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePosixPath

from pydantic import ValidationError

from reelwright.ledger.manifest import Manifest
from reelwright.media.profiles import profile_spec
from reelwright.store.allowed_locations import AllowedLocations, refuse_in_ledger
from reelwright.store.folder import Folder, parent_folder
from reelwright.store.output_guard import refuse_source
from reelwright.titles.errors import LedgerError, OutputError
from reelwright.titles.request import RunRequest

MANIFEST_SUFFIX = ".manifest.json"
REPORT_SUFFIX = ".report.html"
_CREDENTIALS_SUFFIX = ".c2pa"
_OUTPUT_SECONDS = 60.0


def manifest_location(film: str) -> str:
    """The location of a film's manifest: beside the film, under the film's full name."""
    return film + MANIFEST_SUFFIX


def report_location(film: str) -> str:
    """The location of a film's report: beside the film, under the film's full name."""
    return film + REPORT_SUFFIX


def credentials_location(film: str) -> str:
    """The location where C2PA's tools look for a film's credentials: beside it, with `.c2pa` in its suffix's place."""
    return film.removesuffix(PurePosixPath(film).suffix) + _CREDENTIALS_SUFFIX


def check_destination(request: RunRequest, ledger_root: str) -> None:
    """Refuses a request whose film must not be written to its output. Writes nothing.

    The service that delivers calls this too, because it cannot know what was checked at submission.

    Args:
        request: of the run.
        ledger_root: location of the ledger.

    Raises:
        OutputError: the output has another suffix than the profile's files, is the source, or is inside the ledger.
        InputError: the source's location is not valid.
        UnavailableError: a store does not answer.
    """
    check_suffix(request.output, request.recipe.profile)
    refuse_source(request.source, request.output, (MANIFEST_SUFFIX, REPORT_SUFFIX))
    refuse_source(request.source, credentials_location(request.output))
    refuse_in_ledger(request.output, ledger_root)


def check_suffix(output: str, profile: str) -> None:
    """Refuses an output that is not named like the profile's files.

    Raises:
        OutputError: it has another suffix.
    """
    suffix, name = profile_spec(profile).suffix, PurePosixPath(output)
    if output.endswith("/") or name.suffix.lower() != suffix:
        raise OutputError(f"profile {profile} writes {suffix} files", output, f"name it {name.stem}{suffix}")


def deliver_film(run: str, source: Folder, output: str, has_ended: Callable[[], bool]) -> Manifest:
    """Moves or copies a finished film to its output: film, credentials if it is signed, report, and the manifest last.

    The manifest makes the film count.

    After an interruption another call completes the delivery. After a complete delivery a call has no effect.

    Args:
        run: the run.
        source: the run's folder.
        output: location of the film, on any store.
        has_ended: whether the attempt has an outcome; asked before each file, because a process may be frozen for long.

    Returns:
        The film's manifest.

    Raises:
        OutputError: the output cannot be written.
        UnavailableError: a store does not answer or is full.
        LedgerError: there is no finished film in the folder, nor at the output; or the attempt has ended.
    """
    found = [name for name in source.list_names("") if name.endswith(MANIFEST_SUFFIX)]
    manifest = _read_manifest(source, found[0]) if found else None
    if manifest is None:
        manifest = delivered_manifest(run, output)
        if manifest is None:
            raise LedgerError(f"{source.address('')}: there is no finished film to deliver")
        return manifest
    film = found[0].removesuffix(MANIFEST_SUFFIX)
    # An unavailable output must not delay the other titles for longer. The decoder announces this title again.
    retry = source.retry.with_limit(_OUTPUT_SECONDS)
    target, name = parent_folder(output, retry)
    source = source.with_retry(retry)
    _check_under_way(source, has_ended)
    source.transfer(film, target, name)
    if target.size(name) != manifest.film_bytes:
        raise LedgerError(f"{target.address(name)}: not the film that was assembled in {source.address(film)}")
    _check_under_way(source, has_ended)
    source.transfer(credentials_location(film), target, credentials_location(name))
    for locate in (report_location, manifest_location):
        _check_under_way(source, has_ended)
        if not source.transfer(locate(film), target, locate(name)) and not target.exists(locate(name)):
            raise LedgerError(f"{source.address(locate(film))}: gone before it was delivered")
    return manifest


def _check_under_way(source: Folder, has_ended: Callable[[], bool]) -> None:
    """Ends the delivery of an attempt that has ended: another attempt or run may have the output by now."""
    if has_ended():
        raise LedgerError(f"{source.address('')}: the attempt has ended, so its film is not delivered")


def delivered_manifest(run: str, output: str) -> Manifest | None:
    """The manifest at an output, see `complete_manifest`.

    Raises:
        OutputError: the output cannot be read.
        UnavailableError: its store does not answer.
    """
    return complete_manifest(run, *parent_folder(output))


def complete_manifest(run: str, folder: Folder, film: str) -> Manifest | None:
    """The manifest of a film in a folder.

    Returns:
        None when another run's film or an incomplete one is there, or when report or manifest are missing. A film
        is complete when its size is the manifest's.
    """
    manifest = _read_manifest(folder, manifest_location(film))
    if manifest is None or manifest.run != run:
        return None
    complete = folder.size(film) == manifest.film_bytes and folder.exists(report_location(film))
    return manifest if complete else None


def adoptable_film(run: str, output: str, allowed: AllowedLocations) -> str:
    """The output of a finished attempt whose film another attempt can copy; empty if it is gone or must not be read.

    Raises:
        UnavailableError: its store does not answer.
    """
    with suppress(OutputError):
        allowed.check_output(output)
        return output if output and delivered_manifest(run, output) is not None else ""
    return ""


def check_replaceable(source: Folder, output: str, fingerprint: str) -> None:
    """Refuses to replace a file at the output that was not made from the same source.

    Args:
        source: the run's folder; its manifest shows whether an interrupted delivery of this run wrote the file.
        output: location of the film, on any store.
        fingerprint: `titles.identity.content_fingerprint` of the source.

    Raises:
        OutputError: film, report or manifest exist there, and no manifest says that they come from this source.
        UnavailableError: a store does not answer.
    """
    target, name = parent_folder(output)
    if not any(target.exists(each) for each in (name, report_location(name), manifest_location(name))):
        return
    size, known = target.size(name), _read_manifest(target, manifest_location(name))
    if known is not None and known.source_fingerprint == fingerprint and size in {None, known.film_bytes}:
        return
    begun = (_read_manifest(source, found) for found in source.list_names("") if found.endswith(MANIFEST_SUFFIX))
    if size is not None and size in {manifest.film_bytes for manifest in begun if manifest is not None}:
        return
    what = "exists and was not made from this source"
    if known is not None and known.source_fingerprint != fingerprint:
        what = f"exists and was made from {known.source.location}"
    raise OutputError(what, output, "give another name, or --overwrite to replace it")


def _read_manifest(folder: Folder, name: str) -> Manifest | None:
    """A manifest; None when there is none or an incomplete one, because this very restoration replaces it."""
    data = folder.read(name)
    try:
        return None if data is None else Manifest.model_validate_json(data)
    except ValidationError:
        return None
