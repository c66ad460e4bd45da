"""JSON documents in a run's folder: written whole or not at all, and never replaced by contradicting content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.main import IncEx

from reelwright.store.folder import Folder
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError

log = get_logger(__name__)

Document = TypeVar("Document", bound=BaseModel)


class DocumentFolder:
    """Reads and writes typed documents; any number of threads and processes may do so at once.

    Args:
        folder: where the documents are.

    Every method raises UnavailableError when the store does not answer or is full, OutputError when it refuses to be
    read or written, and LedgerError when a document there is incomplete or contradicts the one being written.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def read(self, name: str, kind: type[Document]) -> Document | None:
        """A document; None when there is none."""
        data = self._folder.read(name)
        if data is None:
            return None
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            where = self._folder.address(name)
            raise LedgerError(f"{where}: not a whole {kind.__name__} ({reason}); submit the title again") from None

    def create(self, name: str, document: BaseModel) -> bool:
        """Writes a document unless there is one already; whether it was written."""
        return self._folder.create(name, document.model_dump_json().encode())

    def create_once(self, name: str, document: BaseModel, may_differ: IncEx | None = None) -> None:
        """Writes a document; a document that is there already stays.

        Args:
            name: of the document in the folder.
            document: what to write.
            may_differ: fields in which the document that is there may differ, as pydantic's `exclude`.
        """
        if not self.create(name, document) and (known := self.read(name, type(document))) is not None:
            self._check_agreement(name, document, known, may_differ)

    def replace_agreeing(self, name: str, document: BaseModel, may_differ: IncEx) -> None:
        """Replaces a document by one that differs from it in the fields of `may_differ` at most.

        One that cannot be read is replaced as well.
        """
        try:
            known = self.read(name, type(document))
        except LedgerError as error:
            log.warning("document replaced, it was not whole", reason=str(error))
            known = None
        if known is not None:
            self._check_agreement(name, document, known, may_differ)
        if known != document:
            self.replace(name, document)

    def replace(self, name: str, document: BaseModel) -> None:
        """Writes a document; whatever was there is replaced."""
        self._folder.replace(name, document.model_dump_json().encode())

    def _check_agreement(self, name: str, document: Document, known: Document, may_differ: IncEx | None) -> None:
        ours, theirs = document.model_dump(exclude=may_differ), known.model_dump(exclude=may_differ)
        if keys := ", ".join(differing_keys(ours, theirs)):
            what = f"{self._folder.address(name)}: written before with other content ({keys})"
            raise LedgerError(f"{what}; submit the title again")


def differing_keys(ours: dict[str, Any], theirs: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys, in dotted form, whose values differ between two documents of one kind."""
    for key, value in ours.items():
        if key == "format":
            # Another version wrote the same content.
            continue
        if isinstance(value, dict) and isinstance(theirs[key], dict):
            yield from differing_keys(value, theirs[key], f"{prefix}{key}.")
        elif theirs[key] != value:
            yield prefix + key
