"""The committed segments of one attempt: encoded files, and the records that commit them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from reelwright.ledger.documents import DocumentFolder, differing_keys
from reelwright.ledger.records import SegmentRecord
from reelwright.store.folder import Folder
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import LedgerError
from reelwright.titles.identity import SegmentNumber

log = get_logger(__name__)

RECORD_NAME = re.compile(r"([0-9]{6,})\.json")
FILE_NAME = re.compile(r"([0-9]{6,})-([0-9a-f]{12})\.mkv")
_READ_BYTES = 1 << 20
# What may differ between two encodings of the same restored frames. `frame_digests` may not.
_MAY_DIFFER = {"file_sha256", "file_bytes", "seconds", "cost", "toolchain", "damage", "fidelity"}


class SegmentFolder:
    """Reads and writes the sub-folder `segments` of an attempt; any number of threads and processes may do so at once.

    A record counts while its file is there and has the record's size. A record that does not count is replaced by the
    next commit of its segment, so nobody has to remove it.

    Args:
        folder: the attempt's folder.

    Every method raises UnavailableError when the store does not answer or is full, and OutputError when it refuses to
    be read or written.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder, self._documents = folder, DocumentFolder(folder)

    def put_file(self, segment: int, local: Path) -> None:
        """Copies an encoded segment here, named by its content; `commit` says which content counts."""
        self._folder.upload(_file_name(segment, file_sha256(local)), local)

    def commit(self, record: SegmentRecord) -> SegmentRecord:
        """Writes a segment's record, unless one that counts is there.

        Returns:
            The record that counts: this one, or that of an earlier commit.

        Raises:
            LedgerError: the segment's file is not here.
        """
        name = record_name(record.segment)
        if not self._folder.exists(_file_name(record.segment, record.file_sha256)):
            raise LedgerError(f"{self._folder.address(name)}: committed before its file was put")
        if self._documents.create(name, record):
            return record
        known = self.read_record(record.segment)
        if known is None or not self._has_file(known):
            log.warning("record replaced, its file was missing or incomplete", record=self._folder.address(name))
            self._documents.replace(name, record)
            return record
        ours, theirs = (each.model_dump(exclude=_MAY_DIFFER) for each in (record, known))
        if keys := ", ".join(differing_keys(ours, theirs)):
            log.warning("committed before with other content", record=self._folder.address(name), keys=keys)
        return known

    def read_record(self, segment: int) -> SegmentRecord | None:
        """The record of a segment; None when there is none, or it cannot be read."""
        try:
            return self._documents.read(record_name(segment), SegmentRecord)
        except LedgerError as error:
            log.warning("record unusable", reason=str(error))
            return None

    def is_committed(self, segment: int) -> bool:
        """Whether a segment has a record whose file is there and has the record's size."""
        record = self.read_record(segment)
        return record is not None and self._has_file(record)

    def committed_segments(self) -> set[int]:
        """The segments with a record and a file, by one listing; sizes are not compared."""
        names = self._folder.list_names("segments")
        records, files = (filter(None, map(pattern.fullmatch, names)) for pattern in (RECORD_NAME, FILE_NAME))
        return {int(match[1]) for match in records} & {int(match[1]) for match in files}

    def file(self, record: SegmentRecord, scratch: Path) -> Path | None:
        """A local path that holds a segment's encoded file.

        Args:
            record: the segment's record.
            scratch: where a copy goes when the ledger is remote; nothing is copied when it is local.

        Returns:
            The path; None when the file is missing or is not the one of the record.
        """
        name = _file_name(record.segment, record.file_sha256)
        if not self._has_file(record):
            return None
        path = self._folder.download(name, scratch)
        return path if file_sha256(path) == record.file_sha256 else None

    def discard(self, segment: int) -> None:
        """Removes the record of a segment, which must be made again."""
        self._folder.remove(record_name(segment))

    def remove_unrecorded(self) -> None:
        """Removes encoded segments that no record names. No process may be encoding."""
        for name in self._folder.list_names("segments"):
            match = FILE_NAME.fullmatch(name)
            if match is None:
                continue
            record = self.read_record(int(match[1]))
            if record is None or not record.file_sha256.startswith(match[2]):
                self._folder.remove(f"segments/{name}")

    def _has_file(self, record: SegmentRecord) -> bool:
        return self._folder.size(_file_name(record.segment, record.file_sha256)) == record.file_bytes


def file_sha256(path: Path) -> str:
    """SHA-256 of a local file's bytes, as 64 hex digits."""
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            sha.update(chunk)
            # A long film takes minutes.
            heartbeat()
    return sha.hexdigest()


def record_name(segment: int) -> str:
    """The name of a segment's record in the attempt's folder."""
    return f"segments/{SegmentNumber(segment):06d}.json"


def _file_name(segment: int, sha256: str) -> str:
    return f"segments/{SegmentNumber(segment):06d}-{sha256[:12]}.mkv"
