"""Where sources may be read from and films may be written to."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.store.location import Location, open_location
from reelwright.titles.errors import InputError, OutputError, UserError


class AllowedPlaces:
    """The places that requests may name. A request is not trusted: with it, services read and write for somebody else.

    Args:
        sources: locations of folders or buckets; None allows every place.
        outputs: the same, for films.
        ledger: location of the ledgers of all installations, where no film is written whatever `outputs` says; None
            where there is none.

    Raises:
        UserError: a location is not valid.
    """

    def __init__(self, sources: Sequence[str] | None, outputs: Sequence[str] | None, ledger: str | None = None) -> None:
        self._ledger = None if ledger is None else open_location(ledger)
        self._sources = None if sources is None else tuple(map(open_location, sources))
        self._outputs = None if outputs is None else tuple(map(open_location, outputs))

    def check_source(self, location: str) -> None:
        """Refuses a source that is not below one of the places, after links are followed.

        Raises:
            InputError: it is not.
        """
        _check(location, self._sources, InputError, "sources", "REELWRIGHT_STORE_SOURCES")

    def check_output(self, location: str) -> None:
        """Refuses an output that is not below one of the places, after links are followed.

        Raises:
            OutputError: it is not.
        """
        _check(location, self._outputs, OutputError, "films", "REELWRIGHT_STORE_OUTPUTS")
        if self._ledger is not None and open_location(location).is_inside(self._ledger):
            raise OutputError("is inside the ledger", location, "give a place outside of it")


UNRESTRICTED = AllowedPlaces(None, None)
"""Every place: a person who restores a film on this machine reads and writes with the person's own permissions."""


def own_store(ledger: str) -> str:
    """The bucket that a ledger is in; the folder that a local ledger's folder is in."""
    place = open_location(ledger)
    if place.local:
        return place.path.rpartition("/")[0] or "/"
    return place.address(place.path.lstrip("/").partition("/")[0])


def _check(location: str, allowed: Sequence[Location] | None, kind: type[UserError], what: str, variable: str) -> None:
    place = open_location(location, kind)
    if allowed is None or any(place.is_inside(folder) for folder in allowed):
        return
    places = ", ".join(folder.address(folder.path) for folder in allowed)
    raise kind(f"not in a place for {what} ({places})", location, f"move it, or have it allowed by {variable}")
