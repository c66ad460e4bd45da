"""The film of one attempt: in the attempt's folder until it is delivered, then at its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.ledger import delivery
from reelwright.ledger.manifest import Manifest
from reelwright.store.folder import Folder


class FilmFolder:
    """Reads and writes the film, its credentials and manifest; any number of threads and processes may do so at once.

    Args:
        run: the run.
        folder: the attempt's folder.
        has_ended: whether the attempt has an outcome.

    Every method raises UnavailableError when the store does not answer or is full, and OutputError when it refuses to
    be read or written.
    """

    def __init__(self, run: str, folder: Folder, has_ended: Callable[[], bool]) -> None:
        self._run, self._folder, self._has_ended = run, folder, has_ended

    @contextmanager
    def draft(self, name: str, scratch: Path) -> Iterator[Path]:
        """A local path to write the film to; in the run's folder when that is local, so that nothing is copied.

        A draft that was not put by the end is removed, because repeated tries must not fill the disk.
        """
        draft = self._folder.draft_path(name) or scratch / name
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def put(self, draft: Path, name: str) -> str:
        """Puts the finished film into the run's folder under its name; its fsspec location."""
        (self._folder.publish_draft if self._folder.is_local else self._folder.upload)(name, draft)
        return self._folder.address(name)

    def file(self, name: str, scratch: Path) -> Path:
        """A local path of a film in the run's folder: the film itself, or a copy in `scratch` of a remote one.

        Raises:
            OutputError: there is no such film in a remote ledger.
        """
        return self._folder.download(name, scratch)

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of a film in the run's folder; None when film, report or manifest are missing or incomplete."""
        return delivery.complete_manifest(self._run, self._folder, name)

    def put_credentials(self, credentials: bytes, name: str) -> None:
        """Puts the credentials of the film of this name beside it; earlier ones are replaced."""
        self._folder.replace(delivery.credentials_location(name), credentials)

    def deliver(self, output: str) -> Manifest:
        """Moves or copies the film and the files beside it to a location on any store; see `delivery.deliver_film`."""
        return delivery.deliver_film(self._run, self._folder, output, self._has_ended)

    def check_replaceable(self, output: str, fingerprint: str) -> None:
        """Refuses to replace a file at the output that was not made from the source with this fingerprint.

        Raises:
            OutputError: see `delivery.check_replaceable`.
        """
        delivery.check_replaceable(self._folder, output, fingerprint)

    def delivered_manifest(self, output: str) -> Manifest | None:
        """The manifest at an output, if this run's film is complete there; see `delivery.delivered_manifest`."""
        return delivery.delivered_manifest(self._run, output)
