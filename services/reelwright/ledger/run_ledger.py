"""A run's ledger on any fsspec file system: its documents, encoded segments, previews and film.

The methods of RunLedger are in the order of a run's life: request, title, plan, segments, film, outcome, clean-up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelwright.ledger import delivery
from reelwright.ledger.documents import DocumentFolder
from reelwright.ledger.records import EngineBinding, Manifest, Outcome, PlanEnd, SegmentPlan, SegmentRecord, TitleRecord
from reelwright.store.folder import Folder
from reelwright.store.local import TEMPORARY
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.errors import LedgerError
from reelwright.titles.identity import engine_matches, is_run_name
from reelwright.titles.request import RunRequest

# What may differ between two requests for the same run.
_TITLE_MAY_DIFFER: dict[str, bool | set[str]] = {
    "source": True,
    "version": True,
    "toolchain": True,
    "request": {"source", "output", "priority_class", "deadline", "submitted"},
}
# What may differ between two encodings of the same restored frames. `frame_digests` may not.
_RECORD_MAY_DIFFER = {"file_sha256", "file_bytes", "seconds", "toolchain"}
# What is kept of a run that ended.
_KEPT = ("title.json", "request.json", "outcome.json")
_RUN_NAME = re.compile(r"[0-9a-f]{20}")
_RECORD_NAME = re.compile(r"(\d{6,})\.json")
_FILE_NAME = re.compile(r"(\d{6,})-([0-9a-f]{12})\.mkv")


class RunLedger:
    """Reads and writes one run's ledger; any number of threads and processes may do so at once.

    Opening a ledger does not access the store. A write is complete or has no effect. The first writer wins; writing
    the same content again has no effect.

    Args:
        root: fsspec location that holds the run folders, e.g. a local path or `s3://bucket/ledger`.
        run: the run's name, as `titles.identity.is_run_name` accepts it.
        retry: how long to retry while the store is unavailable.

    Every method raises UnavailableError when the store does not answer or is full, OutputError when it refuses to be
    read or written, and LedgerError when a document there is incomplete or contradicts the one being written.
    """

    def __init__(self, root: str, run: str, retry: RetryPolicy = NO_RETRY) -> None:
        if not is_run_name(run):
            raise LedgerError(f"{run!r} is not the name of a run")
        self.run = run
        self._folder = Folder(f"{root.rstrip('/')}/{run}", retry)
        self._documents = DocumentFolder(self._folder)

    def put_request(self, request: RunRequest) -> None:
        """Writes the request as it is submitted now; an earlier request is replaced."""
        self._documents.replace("request.json", request)

    def request(self) -> RunRequest | None:
        """The request as it was submitted last; None when the run was never submitted."""
        return self._documents.read("request.json", RunRequest)

    def put_title(self, record: TitleRecord) -> None:
        """Writes what the run is; a later request for the same run may have another source location or output."""
        self._documents.replace_agreeing("title.json", record, _TITLE_MAY_DIFFER)

    def title(self) -> TitleRecord | None:
        """What the run is; None before its source was opened."""
        return self._documents.read("title.json", TitleRecord)

    def bind_engine(self, engine: str) -> str:
        """Binds the run to an engine, unless it is bound already; the first writer wins.

        A run whose first segments were committed by a version that did not bind runs is bound to their engine.

        Returns:
            Identity of the engine that the run is bound to.
        """
        if known := self.engine():
            return known
        first = self.segment(min(self.committed_segments(), default=0))
        if first is not None and not engine_matches(engine, first.engine):
            engine = first.engine
        self._documents.create("engine.json", EngineBinding(engine=engine))
        return self.engine() or engine

    def engine(self) -> str:
        """Identity of the engine that the run is bound to; empty before its first restored frame."""
        binding = self._documents.read("engine.json", EngineBinding)
        return binding.engine if binding else ""

    def put_plan(self, plan: SegmentPlan) -> None:
        """Writes a segment's plan."""
        self._documents.create_once(_plan_name(plan.segment), plan)

    def plan(self, segment: int) -> SegmentPlan | None:
        """A segment's plan; None before it is decoded."""
        return self._documents.read(_plan_name(segment), SegmentPlan)

    def count_planned(self) -> int:
        """How many segments are planned so far, by one listing."""
        return sum(_RECORD_NAME.fullmatch(name) is not None for name in self._folder.list_names("plan"))

    def put_plan_end(self, end: PlanEnd) -> None:
        """Writes that the plan is complete."""
        self._documents.create_once("plan/end.json", end, {"seconds"})

    def plan_end(self) -> PlanEnd | None:
        """The plan's totals; None before the source is read to its end."""
        return self._documents.read("plan/end.json", PlanEnd)

    def put_source_preview(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the source frame at `offset` in a segment, for the report."""
        self._folder.create(f"plan/{segment:06d}-{offset}.jpg", jpeg)

    def source_preview(self, segment: int, offset: int) -> bytes | None:
        """A source preview as JPEG; None when there is none."""
        return self._folder.read(f"plan/{segment:06d}-{offset}.jpg")

    def put_restored_preview(self, segment: int, offset: int, jpeg: bytes) -> None:
        """Writes the same frame restored."""
        self._folder.create(f"segments/{segment:06d}-{offset}.jpg", jpeg)

    def restored_preview(self, segment: int, offset: int) -> bytes | None:
        """A restored preview as JPEG; None when there is none."""
        return self._folder.read(f"segments/{segment:06d}-{offset}.jpg")

    def put_segment_file(self, segment: int, local: Path) -> None:
        """Copies an encoded segment here, named by its content; `commit_segment` says which content counts."""
        self._folder.upload(_file_name(segment, file_sha256(local)), local)

    def commit_segment(self, record: SegmentRecord) -> None:
        """Writes a segment's record: from now on the segment is committed.

        Raises:
            LedgerError: its file is not here, or it was committed with other frames.
        """
        name = _record_name(record.segment)
        if not self._folder.exists(_file_name(record.segment, record.file_sha256)):
            raise LedgerError(f"{self._folder.address(name)}: committed before its file was put")
        self._documents.create_once(name, record, _RECORD_MAY_DIFFER)

    def segment(self, segment: int) -> SegmentRecord | None:
        """A committed segment's record; None before its commit."""
        return self._documents.read(_record_name(segment), SegmentRecord)

    def segment_file(self, record: SegmentRecord, scratch: Path) -> Path:
        """A local path that holds a committed segment's encoded file, checked against its record.

        Args:
            record: the segment's record.
            scratch: where a copy goes when the ledger is remote; nothing is copied when it is local.

        Raises:
            LedgerError: the file is not the one that was committed.
        """
        name = _file_name(record.segment, record.file_sha256)
        if self._folder.exists(name):
            path = self._folder.download(name, scratch)
            if file_sha256(path) == record.file_sha256:
                return path
        remedy = f"remove {_record_name(record.segment)} and run again"
        raise LedgerError(f"{self._folder.address(name)}: not the file that was committed; {remedy}")

    def is_committed(self, segment: int) -> bool:
        """Whether a segment is committed."""
        return self._folder.exists(_record_name(segment))

    def committed_segments(self) -> set[int]:
        """The committed segments, by one listing."""
        matches = map(_RECORD_NAME.fullmatch, self._folder.list_names("segments"))
        return {int(match[1]) for match in matches if match}

    @contextmanager
    def film_draft(self, name: str, scratch: Path) -> Iterator[Path]:
        """A local path to write the film to; in the run's folder when that is local, so that nothing is copied.

        A draft that was not put by the end is removed, because repeated tries must not fill the disk.
        """
        draft = self._folder.draft_path(name) or scratch / name
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def put_film(self, draft: Path, name: str) -> str:
        """Puts the finished film into the run's folder under its name; its fsspec location."""
        if self._folder.is_local:
            self._folder.publish_draft(name, draft)
        else:
            self._folder.upload(name, draft)
        return self._folder.address(name)

    def deliver_film(self, output: str) -> Manifest:
        """Moves or copies film, report and manifest to a location on any store; see `delivery.deliver_film`."""
        return delivery.deliver_film(self.run, self._folder, output)

    def check_replaceable(self, output: str, fingerprint: str) -> None:
        """Refuses to replace a file at the output that was not made from the source with this fingerprint.

        Raises:
            OutputError: see `delivery.check_replaceable`.
        """
        delivery.check_replaceable(self._folder, output, fingerprint)

    def delivered_manifest(self, output: str) -> Manifest | None:
        """The manifest at an output, if this run's film is complete there; see `delivery.delivered_manifest`."""
        return delivery.delivered_manifest(self.run, output)

    def put_outcome(self, outcome: Outcome) -> bool:
        """Writes how the run ended, unless an outcome is there; whether the ledger now holds this outcome."""
        return self._documents.create("outcome.json", outcome) or self.outcome() == outcome

    def outcome(self) -> Outcome | None:
        """How the run ended; None while it has not."""
        return self._documents.read("outcome.json", Outcome)

    def clear_outcome(self) -> None:
        """Lets a run that has ended begin again; its committed segments stay."""
        self._folder.remove("outcome.json")

    def prune(self) -> None:
        """Removes everything but request, title and outcome."""
        self._folder.remove_all("", _KEPT)

    def remove_leftovers(self) -> None:
        """Removes what killed writers left: part-written files and encoded segments that no record names.

        The run's lock must be held, because this cannot tell a killed writer from a slow one.
        """
        for folder in ("", "plan", "segments"):
            for name in self._folder.list_names(folder):
                if name.startswith(TEMPORARY):
                    self._folder.remove(f"{folder}/{name}".lstrip("/"))
        for name in self._folder.list_names("segments"):
            match = _FILE_NAME.fullmatch(name)
            if match is None:
                continue
            record = self.segment(int(match[1]))
            if record is None or not record.file_sha256.startswith(match[2]):
                self._folder.remove(f"segments/{name}")


def is_run(name: str) -> bool:
    """Whether a text has the form of a run's name."""
    return _RUN_NAME.fullmatch(name) is not None


def list_runs(root: str) -> list[str]:
    """The runs below a ledger's root, by one listing; empty where there is no such place yet.

    Raises:
        OutputError: it cannot be read.
        UnavailableError: the store does not answer.
    """
    return [name for name in Folder(root).list_names("") if is_run(name)]


def file_sha256(path: Path) -> str:
    """SHA-256 of a local file's bytes, as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plan_name(segment: int) -> str:
    return f"plan/{segment:06d}.json"


def _record_name(segment: int) -> str:
    return f"segments/{segment:06d}.json"


def _file_name(segment: int, sha256: str) -> str:
    return f"segments/{segment:06d}-{sha256[:12]}.mkv"
