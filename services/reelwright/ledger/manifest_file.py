"""Writes and reads the manifest beside a film."""

from __future__ import annotations

from pydantic import ValidationError

from reelwright.ledger.delivery import manifest_location
from reelwright.ledger.manifest import Manifest
from reelwright.store.folder import parent_folder
from reelwright.titles.errors import InputError


def write_manifest(manifest: Manifest, film: str) -> None:
    """Writes the manifest beside the film at an fsspec location, completely or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    folder, name = parent_folder(manifest_location(film))
    folder.replace(name, manifest.model_dump_json().encode())


def read_manifest(film: str) -> Manifest:
    """Reads the manifest beside the film at an fsspec location.

    Raises:
        InputError: there is none, or it is incomplete.
        OutputError: its folder cannot be read.
    """
    location = manifest_location(film)
    folder, name = parent_folder(location)
    data = folder.read(name)
    if data is None:
        raise InputError("no such manifest", location, "keep the manifest beside its film, under the same name")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        reason = ": ".join([*map(str, first["loc"]), first["msg"].removeprefix("Value error, ")])
        raise InputError(f"not a whole manifest: {reason}", location, "restore the film again") from None
