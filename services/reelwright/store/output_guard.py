"""Checks an output location before any work: it must not be the source, and files must be possible there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from reelwright.store.failures import output_error
from reelwright.store.location import open_location, same_object
from reelwright.titles.errors import InputError, OutputError

# The limit of most file systems, for one that does not answer.
_NAME_MAX = 255


def guard_output(source: str, output: str, companions: Sequence[str] = ()) -> None:
    """Refuses an output that would replace the source, or where no file can be written. Writes nothing.

    Args:
        source: location of the source.
        output: location of the file to be written.
        companions: suffixes of the files that are written beside it, such as `.manifest.json`.

    Raises:
        OutputError: the output, or a file beside it, is the source under any name (hard link, symbolic link, mount);
            it is a folder; its folder is missing or not writable; its name is too long.
    """
    refuse_source(source, output, companions)
    location = open_location(output)
    if not location.local:
        return
    path = Path(location.path)
    try:
        _check_folder(path.parent)
        _check_name(path, output, companions)
        for suffix in ("", *companions):
            _check_file(Path(location.path + suffix), output + suffix)
    except OSError as error:
        raise output_error(error, output) from None


def refuse_source(source: str, output: str, companions: Sequence[str] = ()) -> None:
    """Refuses an output that is the source, under any name. Writes nothing.

    Args:
        source: location of the source.
        output: location of the file to be written.
        companions: suffixes of the files that are written beside it.

    Raises:
        OutputError: the output, or a file beside it, is the source (`store.location.same_object`).
        UnavailableError: the store does not answer.
    """
    open_location(source, InputError)
    location = open_location(output)
    # The canonical address: a slash at the end of `output` would come between it and a suffix.
    for suffix in ("", *companions):
        if same_object(source, location.address(location.path) + suffix):
            raise OutputError(
                "is the source itself", output + suffix, "the original is never changed: give another name"
            )


def refuse_existing(output: Path) -> None:
    """Refuses an output that exists.

    Raises:
        OutputError: there is a file of that name.
    """
    if output.exists():
        raise OutputError("exists already", str(output), "give another name, or --overwrite to replace it")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError("no such folder", str(folder), "create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError("not writable", str(folder), "choose another folder or change its permissions")


def _check_name(path: Path, output: str, companions: Sequence[str]) -> None:
    try:
        limit = os.pathconf(path.parent, "PC_NAME_MAX")
    except OSError:
        limit = _NAME_MAX
    longest = max((len(os.fsencode(suffix)) for suffix in companions), default=0)
    if len(os.fsencode(path.name)) + longest > limit:
        what = f"the name is too long: at most {limit - longest} bytes"
        raise OutputError(f"{what}, with {longest} more for the files beside it" if longest else what, output)


def _check_file(path: Path, output: str) -> None:
    if path.is_dir():
        raise OutputError("is a directory", output, "give a file name")
    if not path.exists():
        return
    if not os.access(path, os.W_OK):
        raise OutputError("not writable", output, "choose another name or change its permissions")
