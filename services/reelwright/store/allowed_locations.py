"""Where sources may be read from and films may be written to."""

from __future__ import annotations

import os
from collections.abc import Sequence

from reelwright.store.location import Location, open_location
from reelwright.titles.errors import InputError, OutputError, UserError


class AllowedLocations:
    """The locations that requests may name. A request is not trusted: services act on it with their own permissions.

    Args:
        sources: locations of folders or buckets; None allows every location.
        outputs: the same, for films.
        ledger: location of the ledgers of all installations, where no film is written whatever `outputs` says; None
            where there is none.

    Raises:
        UserError: a location is not valid.
    """

    def __init__(self, sources: Sequence[str] | None, outputs: Sequence[str] | None, ledger: str | None = None) -> None:
        self._ledger = ledger
        self._sources = None if sources is None else tuple(map(open_location, sources))
        self._outputs = None if outputs is None else tuple(map(open_location, outputs))

    def check_source(self, location: str) -> None:
        """Refuses a source that is not below one of the locations, after links are followed.

        Raises:
            InputError: it is not.
        """
        _check(location, self._sources, kind=InputError, what="sources", variable="REELWRIGHT_STORE_SOURCES")

    def check_output(self, location: str) -> None:
        """Refuses an output that is not below one of the locations, after links are followed.

        Raises:
            OutputError: it is not.
        """
        _check(location, self._outputs, kind=OutputError, what="films", variable="REELWRIGHT_STORE_OUTPUTS")
        if self._ledger is not None:
            refuse_in_ledger(location, self._ledger)


UNRESTRICTED = AllowedLocations(None, None)
"""Every location: a person who restores a film on this machine reads and writes with the person's own permissions."""


def own_store(ledger: str) -> str:
    """The bucket that a ledger is in; the folder that a local ledger's folder is in.

    Raises:
        UserError: that folder is `/`, so that every file of this machine would be allowed; or the ledger is a whole
            bucket, so that no location in it is outside of the ledger.
    """
    opened = open_location(ledger, UserError)
    remedy = "give it a folder of its own, or set REELWRIGHT_STORE_SOURCES and REELWRIGHT_STORE_OUTPUTS"
    if opened.local:
        parent = opened.path.rpartition("/")[0]
        if os.path.realpath(parent or "/") == "/":
            raise UserError("the ledger lies directly below /, so sources and films could be anywhere", ledger, remedy)
        return parent
    bucket, _, name = opened.path.lstrip("/").partition("/")
    if not name:
        raise UserError("the ledger is a whole bucket, so there is no location for films beside it", ledger, remedy)
    return opened.address(bucket)


def refuse_in_ledger(output: str, ledger: str) -> None:
    """Refuses an output that is inside a ledger, under any name.

    Raises:
        OutputError: it is.
    """
    if open_location(output).is_inside(open_location(ledger)):
        raise OutputError("is inside the ledger", output, "give a location outside of it")


def _check(
    location: str, allowed: Sequence[Location] | None, *, kind: type[UserError], what: str, variable: str
) -> None:
    opened = open_location(location, kind)
    if allowed is None or any(opened.is_inside(folder) for folder in allowed):
        return
    shown = ", ".join(folder.address(folder.path) for folder in allowed)
    raise kind(
        f"not in an allowed location for {what} ({shown})", location, f"move it, or have it allowed by {variable}"
    )
