"""The pictures of an attempt for the report: previews of the source and of the film, and the worst frames."""

from __future__ import annotations

import re
from collections.abc import Callable

from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.shown_frame import ShownFrame
from reelwright.store.folder import Folder
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError
from reelwright.titles.identity import SegmentNumber

log = get_logger(__name__)

PREVIEW_NAME = re.compile(r"[0-9]{6,}-[0-9]+\.jpg")
SHOWN_NAME = re.compile(r"[0-9]{6,}-[0-9]+\.worst")


class ReportPictures:
    """Reads and writes pictures in the sub-folders `plan` (the source's) and `segments`. What is there stays.

    Args:
        folder: the attempt's folder.
        holder: the pictures of the attempt that a segment was adopted from; None when it was not adopted.

    Every method raises UnavailableError when the store does not answer or is full, and OutputError when it refuses to
    be read or written.
    """

    def __init__(self, folder: Folder, holder: Callable[[int], ReportPictures | None]) -> None:
        self._folder, self._documents, self._holder = folder, DocumentFolder(folder), holder

    def put_source(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the preview of the source frame at `offset` in a segment."""
        self._folder.create(f"plan/{_name(segment, offset)}.jpg", jpeg)

    def source(self, segment: int, offset: int) -> bytes | None:
        """What `put_source` wrote; None when there is none."""
        return self._read(segment, f"plan/{_name(segment, offset)}.jpg")

    def put_restored(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the preview of the same frame restored."""
        self._folder.create(f"segments/{_name(segment, offset)}.jpg", jpeg)

    def restored(self, segment: int, offset: int) -> bytes | None:
        """What `put_restored` wrote; None when there is none."""
        return self._read(segment, f"segments/{_name(segment, offset)}.jpg")

    def put_shown(self, segment: int, offset: int, shown: ShownFrame) -> None:
        """Writes what the report may show of the frame at `offset` in a segment, the worst of its shot there."""
        self._documents.create(_shown_name(segment, offset), shown)

    def shown(self, segment: int, offset: int) -> ShownFrame | None:
        """What `put_shown` wrote; None when there is none, or it cannot be read."""
        try:
            found = self._documents.read(_shown_name(segment, offset), ShownFrame)
        except LedgerError as error:
            log.warning("picture unusable", reason=str(error))
            return None
        if found is None and (earlier := self._holder(segment)) is not None:
            return earlier.shown(segment, offset)
        return found

    def _read(self, segment: int, name: str) -> bytes | None:
        found = self._folder.read(name)
        if found is None and (earlier := self._holder(segment)) is not None:
            return earlier._folder.read(name)
        return found


def _name(segment: int, offset: int) -> str:
    return f"{SegmentNumber(segment):06d}-{offset}"


def _shown_name(segment: int, offset: int) -> str:
    return f"segments/{_name(segment, offset)}.worst"
