"""A run's ledger on any fsspec file system: its documents, encoded segments and previews."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.main import IncEx

from reelwright.ledger import delivery
from reelwright.ledger.records import Manifest, Outcome, PlanEnd, SegmentPlan, SegmentRecord, TitleRecord
from reelwright.store.folder import Folder
from reelwright.store.local import TEMPORARY
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.errors import LedgerError
from reelwright.titles.request import RunRequest

Document = TypeVar("Document", bound=BaseModel)

# What may differ between two requests for the same run.
_TITLE_MAY_DIFFER: dict[str, bool | set[str]] = {
    "source": True,
    "version": True,
    "request": {"source", "output", "priority_class", "deadline", "submitted"},
}
# What may differ between two encodings of the same restored frames; `frame_digests` hold what may not.
_RECORD_MAY_DIFFER = {"file_sha256", "file_bytes", "seconds"}
_RECORD_NAME = re.compile(r"(\d{6,})\.json")
_RUN_NAME = re.compile(r"[0-9a-f]{20}")
# What stays of a run that ended.
_KEPT = ("title.json", "request.json", "outcome.json")
_FILE_NAME = re.compile(r"(\d{6,})-([0-9a-f]{12})\.mkv")


class RunLedger:
    """Reads and writes one run's documents; any number of threads and processes may do so at once.

    Opening one asks nothing of the store.

    A write is whole or not at all. The first writer wins; the same content again changes nothing.

    Args:
        root: fsspec location that holds the run folders, e.g. a local path or `s3://bucket/ledger`.
        run: the run's name.
        retry: how long to retry while the store is unavailable.

    Every method raises UnavailableError when the store does not answer or is full, OutputError when it refuses to be
    read or written, and LedgerError when a document there is not whole or contradicts the one being written.
    """

    def __init__(self, root: str, run: str, retry: RetryPolicy = NO_RETRY) -> None:
        self.run = run
        self._folder = Folder(f"{root.rstrip('/')}/{run}", retry)

    def put_request(self, request: RunRequest) -> None:
        """Writes the run as it is submitted now; what was submitted before is replaced."""
        self._folder.replace("request.json", _bytes(request))

    def request(self) -> RunRequest | None:
        """The run as it was submitted last; None when it never was."""
        return self._read("request.json", RunRequest)

    def put_outcome(self, outcome: Outcome) -> bool:
        """Writes how the run ended, unless that is written already; whether what stands now is this outcome."""
        return self._folder.create("outcome.json", _bytes(outcome)) or self.outcome() == outcome

    def outcome(self) -> Outcome | None:
        """How the run ended; None while it has not."""
        return self._read("outcome.json", Outcome)

    def clear_outcome(self) -> None:
        """Lets a run that has ended begin again; its finished segments stay."""
        self._folder.remove("outcome.json")

    def put_title(self, record: TitleRecord) -> None:
        """Writes what the run is; a later request for the same run may move its source or output."""
        known = self.title()
        if known == record:
            return
        if known is not None:
            self._agree("title.json", known, record, _TITLE_MAY_DIFFER)
        self._folder.replace("title.json", _bytes(record))

    def title(self) -> TitleRecord | None:
        """What the run is; None before the decoder has opened its source."""
        return self._read("title.json", TitleRecord)

    def put_plan(self, plan: SegmentPlan) -> None:
        """Writes a segment's plan."""
        self._put(_plan(plan.segment), plan, set())

    def plan(self, segment: int) -> SegmentPlan | None:
        """A segment's plan; None before it is decoded."""
        return self._read(_plan(segment), SegmentPlan)

    def planned(self) -> int:
        """How many segments are planned so far, by one listing."""
        return sum(_RECORD_NAME.fullmatch(name) is not None for name in self._folder.list_names("plan"))

    def put_plan_end(self, end: PlanEnd) -> None:
        """Writes that the plan is complete."""
        self._put("plan/end.json", end, {"seconds"})

    def plan_end(self) -> PlanEnd | None:
        """The plan's totals; None before the source is read to its end."""
        return self._read("plan/end.json", PlanEnd)

    def put_source_preview(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the source frame at `offset` in a segment, for the report."""
        self._folder.create(f"plan/{segment:06d}-{offset}.jpg", jpeg)

    def put_restored_preview(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the same frame restored."""
        self._folder.create(f"segments/{segment:06d}-{offset}.jpg", jpeg)

    def source_preview(self, segment: int, offset: int) -> bytes | None:
        """A source preview as JPEG; None when there is none."""
        return self._folder.read(f"plan/{segment:06d}-{offset}.jpg")

    def restored_preview(self, segment: int, offset: int) -> bytes | None:
        """A restored preview as JPEG; None when there is none."""
        return self._folder.read(f"segments/{segment:06d}-{offset}.jpg")

    def put_segment_file(self, segment: int, local: Path) -> None:
        """Copies an encoded segment here, named by its content; `commit` says which content counts."""
        self._folder.upload(_file(segment, file_sha256(local)), local)

    def commit(self, record: SegmentRecord) -> None:
        """Writes a segment's record: from now on the segment is done.

        Raises:
            LedgerError: its file is not here, or it was committed with other frames.
        """
        if not self._folder.exists(_file(record.segment, record.file_sha256)):
            raise LedgerError(f"{self._folder.address(_record(record.segment))}: committed before its file was put")
        self._put(_record(record.segment), record, _RECORD_MAY_DIFFER)

    def segment(self, segment: int) -> SegmentRecord | None:
        """A committed segment's record; None before its commit."""
        return self._read(_record(segment), SegmentRecord)

    def segment_file(self, record: SegmentRecord, scratch: Path) -> Path:
        """A local path that holds a committed segment's encoded file, checked against its record.

        Args:
            record: the segment's.
            scratch: where a copy goes when the ledger is remote; unused, and nothing is copied, when it is local.

        Raises:
            LedgerError: the file is not the one that was committed.
        """
        name = _file(record.segment, record.file_sha256)
        if self._folder.exists(name):
            path = self._folder.download(name, scratch)
            if file_sha256(path) == record.file_sha256:
                return path
        where = self._folder.address(name)
        raise LedgerError(f"{where}: not the file that was committed; remove {_record(record.segment)} and run again")

    @contextmanager
    def film_draft(self, name: str, scratch: Path) -> Iterator[Path]:
        """A local path to write the film to, in the run's folder when that is local, so that it need not be copied.

        What was not put by the end is removed: a film that is tried again must not fill the disk.
        """
        draft = self._folder.draft_path(name) or scratch / name
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def put_film(self, draft: Path, name: str) -> str:
        """Gives the finished film its name in the run's folder; its fsspec location."""
        if self._folder.is_local:
            self._folder.publish_draft(name, draft)
        else:
            self._folder.upload(name, draft)
        return self._folder.address(name)

    def deliver(self, output: str) -> Manifest:
        """Moves or copies film, report and manifest to a location on any store; see `delivery.deliver`."""
        return delivery.deliver(self.run, self._folder, output)

    def check_replaceable(self, output: str, fingerprint: str) -> None:
        """Refuses to replace a file at the output that was not made from the source with this fingerprint.

        Raises:
            OutputError: see `delivery.check_replaceable`.
        """
        delivery.check_replaceable(self._folder, output, fingerprint)

    def whole_at(self, output: str) -> Manifest | None:
        """The manifest when this run's whole film, its report and its manifest are at the output; else None."""
        return delivery.whole_at(self.run, output)

    def prune(self) -> None:
        """Removes everything but what was asked for, what the run is and how it ended."""
        self._folder.remove_all("", _KEPT)

    def is_committed(self, segment: int) -> bool:
        """Whether a segment is done."""
        return self._folder.exists(_record(segment))

    def committed(self) -> set[int]:
        """The segments that are done, by one listing."""
        matches = map(_RECORD_NAME.fullmatch, self._folder.list_names("segments"))
        return {int(match[1]) for match in matches if match}

    def sweep(self) -> None:
        """Removes what killed writers left: part-written files and encoded segments that no record names.

        Call it with the run's lock held, or once the run is finished: it cannot tell a killed writer from a slow one.
        """
        for folder in ("", "plan", "segments"):
            for name in self._folder.list_names(folder):
                if name.startswith(TEMPORARY):
                    self._folder.remove(f"{folder}/{name}".lstrip("/"))
        for name in self._folder.list_names("segments"):
            match = _FILE_NAME.fullmatch(name)
            if match and not self._named(int(match[1]), match[2]):
                self._folder.remove(f"segments/{name}")

    def _named(self, segment: int, content: str) -> bool:
        record = self.segment(segment)
        return record is not None and record.file_sha256.startswith(content)

    def _put(self, name: str, document: BaseModel, may_differ: set[str]) -> None:
        if self._folder.create(name, _bytes(document)):
            return
        known = self._read(name, type(document))
        if known is not None:
            self._agree(name, known, document, may_differ)

    def _agree(self, name: str, known: BaseModel, document: BaseModel, may_differ: IncEx) -> None:
        ours, theirs = document.model_dump(exclude=may_differ), known.model_dump(exclude=may_differ)
        if ours != theirs:
            keys = ", ".join(_differing_keys(ours, theirs))
            what = f"{self._folder.address(name)}: written before with other content ({keys})"
            raise LedgerError(f"{what}; remove the run's folder and try again")

    def _read(self, name: str, kind: type[Document]) -> Document | None:
        data = self._folder.read(name)
        if data is None:
            return None
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            where = self._folder.address(name)
            raise LedgerError(f"{where}: not a whole {kind.__name__} ({reason}); remove it and run again") from None


def _differing_keys(ours: dict[str, Any], theirs: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in ours.items():
        if isinstance(value, dict) and isinstance(theirs[key], dict):
            yield from _differing_keys(value, theirs[key], f"{prefix}{key}.")
        elif theirs[key] != value:
            yield prefix + key


def is_run(name: str) -> bool:
    """Whether a text may be the name of a run."""
    return _RUN_NAME.fullmatch(name) is not None


def list_runs(root: str) -> list[str]:
    """The runs that a ledger's root knows, by one listing; none where there is no such place yet.

    Raises:
        OutputError: it cannot be read.
        UnavailableError: the store does not answer.
    """
    return [name for name in Folder(root).list_names("") if is_run(name)]


def file_sha256(path: Path) -> str:
    """SHA-256 of a local file's bytes, as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bytes(document: BaseModel) -> bytes:
    return document.model_dump_json().encode()


def _plan(segment: int) -> str:
    return f"plan/{segment:06d}.json"


def _record(segment: int) -> str:
    return f"segments/{segment:06d}.json"


def _file(segment: int, sha256: str) -> str:
    return f"segments/{segment:06d}-{sha256[:12]}.mkv"
