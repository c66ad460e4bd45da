"""The ledger of an attempt on any fsspec file system: its documents, encoded segments, previews and film.

The methods of RunLedger are in the order of an attempt's life: request, title, plan, segments, outcome, clean-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from reelwright.bus.claim_check import remove_payloads
from reelwright.ledger import delivery
from reelwright.ledger.documents import DocumentFolder, differing_keys
from reelwright.ledger.film_folder import FilmFolder
from reelwright.ledger.outcomes import read_outcome, write_outcome
from reelwright.ledger.pruning import remove_attempt, remove_temporary, remove_work
from reelwright.ledger.records import (
    Adoption,
    EngineBinding,
    Outcome,
    PlanEnd,
    SegmentPlan,
    SegmentRecord,
    SourceProbe,
    TitleRecord,
)
from reelwright.ledger.report_pictures import ReportPictures
from reelwright.ledger.run_index import RunIndex
from reelwright.ledger.segments import RECORD_NAME, SegmentFolder
from reelwright.ledger.work_marks import WorkMarks
from reelwright.store.allowed_locations import UNRESTRICTED, AllowedLocations
from reelwright.store.folder import Folder
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import LedgerError, LostSegment, RecipeError
from reelwright.titles.identity import FIRST_ATTEMPT, RunId, SegmentNumber, attempt_folder, engine_matches
from reelwright.titles.request import RunRequest

log = get_logger(__name__)

# What may differ between two requests for the same attempt.
_TITLE_MAY_DIFFER: dict[str, bool | set[str]] = {
    "source": True,
    "version": True,
    "toolchain": True,
    "request": {"source", "overwrite", "priority_class", "deadline", "submitted", "frames_estimate", "frame_pixels"},
}
_ADOPTION = "adopted.json"
_ENGINE = "engine.json"
_REQUEST = "request.json"
_ATTEMPT_NAME = re.compile(r"[0-9]{6,}")

Found = TypeVar("Found")


class RunLedger:
    """Reads and writes the ledger of one attempt; any number of threads and processes may do so at once.

    Opening a ledger does not access the store. A write is complete or has no effect. The first writer wins; writing
    the same content again has no effect. Every attempt has a folder of its own, so nothing that is written for one
    changes another.

    Args:
        root: fsspec location that holds the run folders, e.g. a local path or `s3://bucket/ledger`.
        run: the run's name; a RunId is made of it.
        attempt: number of the attempt, from 1.
        retry: how long to retry while the store is unavailable.
        allowed: where the run may read its source from and write its film to.

    Every method raises UnavailableError when the store does not answer or is full, OutputError when it refuses to be
    read or written, and LedgerError when a document there is incomplete or contradicts the one being written.

    Attributes:
        film: the attempt's film.
        work_marks: marks of work that may kill its process; see `crash_guard`.
        pictures: what the report shows.
    """

    def __init__(
        self,
        root: str,
        run: str,
        attempt: int = FIRST_ATTEMPT,
        *,
        retry: RetryPolicy = NO_RETRY,
        allowed: AllowedLocations = UNRESTRICTED,
    ) -> None:
        try:
            self.run, self.attempt = RunId(run), attempt
        except ValueError as error:
            raise LedgerError(str(error)) from None
        self.root, self.retry, self._allowed = root.rstrip("/"), retry, allowed
        self._folder = Folder(f"{self.root}/{attempt_folder(self.run, attempt)}", retry)
        self._documents = DocumentFolder(self._folder)
        self._segments = SegmentFolder(self._folder)
        self.film = FilmFolder(self.run, self._folder, lambda: self.outcome() is not None)
        self.work_marks = WorkMarks(self._folder)
        self.pictures = ReportPictures(
            self._folder, lambda segment: self._of_holder(segment, lambda earlier: earlier.pictures)
        )
        self._adopted: dict[int, int] | None = None

    def at(self, attempt: int) -> RunLedger:
        """The ledger of another attempt of the same run."""
        return RunLedger(self.root, self.run, attempt, retry=self.retry, allowed=self._allowed)

    def latest(self) -> RunLedger:
        """The ledger of the run's last attempt that has a request, of the first attempt if none has.

        By one listing, and a look for the request of each attempt from the last one on, usually of one.
        """
        for number in sorted(self._numbers(), reverse=True):
            # Killed just before it wrote the request, a submission leaves a folder without one.
            if self.at(number).is_submitted():
                return self.at(number)
        return self.at(FIRST_ATTEMPT)

    def is_submitted(self) -> bool:
        """Whether the attempt has a request, which need not be readable."""
        return self._folder.exists(_REQUEST)

    def create_request(self, request: RunRequest) -> bool:
        """Writes the request of an attempt that nobody has submitted yet; whether it was written."""
        return self._documents.create(_REQUEST, request)

    def put_request(self, request: RunRequest) -> None:
        """Writes the request as it is submitted now; an earlier request of this attempt is replaced."""
        self._documents.replace(_REQUEST, request)

    def request(self) -> RunRequest | None:
        """The request as it was submitted last; None when this attempt was never submitted."""
        return self._documents.read(_REQUEST, RunRequest)

    def put_probe(self, probe: SourceProbe) -> None:
        """Writes what a submission found in the source; an earlier probe is replaced."""
        self._documents.replace("probe.json", probe)

    def probe(self) -> SourceProbe | None:
        """What the last submission with a probe found in the source; None before one."""
        return self._documents.read("probe.json", SourceProbe)

    def adopt(self, earlier: RunLedger) -> None:
        """Adopts the committed segments of an earlier attempt that has ended, and what it had adopted.

        Of a finished attempt only the film is adopted, if it is whole at its output; nothing of one whose engine or own
        adoption cannot be read. The first adoption stands.
        """
        outcome, found, film, engine = earlier.outcome(), {}, "", ""
        if outcome is not None and outcome.state != "finished":
            try:
                found, film, engine = earlier._holders(), earlier.adopted_film(), earlier.engine()
            except LedgerError as error:
                log.warning("nothing adopted", reason=str(error))
        elif outcome is not None:
            film = delivery.adoptable_film(self.run, outcome.output, self._allowed)
        self._documents.create(_ADOPTION, Adoption.of(found, film))
        if found and engine:
            self._documents.create(_ENGINE, EngineBinding(engine=engine))

    def adopted(self) -> dict[int, int]:
        """The segments that this attempt adopted, each with the attempt that committed it."""
        # The first attempt has none to adopt from, and what another one has adopted never changes.
        if self._adopted is None and self.attempt != FIRST_ATTEMPT:
            known = self._documents.read(_ADOPTION, Adoption)
            self._adopted = known.holders() if known is not None else None
        return self._adopted or {}

    def adopted_film(self) -> str:
        """Location of the delivered film that is to be copied; empty if this attempt makes its film of segments."""
        known = None if self.attempt == FIRST_ATTEMPT else self._documents.read(_ADOPTION, Adoption)
        return known.film if known is not None else ""

    def discard_adopted_film(self) -> None:
        """Has this attempt make its film of segments: the adopted one cannot be used. It had adopted no segments."""
        self._folder.remove(_ADOPTION)

    def put_title(self, record: TitleRecord) -> None:
        """Writes what the run is; a later request for the same attempt may have another source location."""
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
        self._documents.create(_ENGINE, EngineBinding(engine=engine))
        return self.engine() or engine

    def engine(self) -> str:
        """Identity of the engine that the run is bound to; empty before its first restored frame."""
        binding = self._documents.read(_ENGINE, EngineBinding)
        return binding.engine if binding else ""

    def put_plan(self, plan: SegmentPlan) -> None:
        """Writes a segment's plan; LedgerError when another plan of the segment is there."""
        self._documents.create_once(_plan_name(plan.segment), plan, plan.MAY_DIFFER)

    def plan(self, segment: int) -> SegmentPlan | None:
        """A segment's plan; None before it is decoded."""
        return self._documents.read(_plan_name(segment), SegmentPlan)

    def count_planned(self) -> int:
        """How many segments are planned so far, by one listing."""
        return sum(RECORD_NAME.fullmatch(name) is not None for name in self._folder.list_names("plan"))

    def put_plan_end(self, end: PlanEnd) -> None:
        """Writes that the plan is complete."""
        self._documents.create_once("plan/end.json", end, {"seconds"})

    def plan_end(self) -> PlanEnd | None:
        """The plan's totals; None before the source is read to its end."""
        return self._documents.read("plan/end.json", PlanEnd)

    def put_segment_file(self, segment: int, local: Path) -> None:
        """Copies an encoded segment here, named by its content; `commit_segment` says which content counts."""
        self._segments.put_file(segment, local)

    def commit_segment(self, record: SegmentRecord) -> SegmentRecord:
        """Writes a segment's record: from now on the segment is committed. See `SegmentFolder.commit`.

        Returns:
            The record that counts: this one, or that of an earlier commit.

        Raises:
            LedgerError: its file is not here.
        """
        return self._segments.commit(record)

    def segment(self, segment: int) -> SegmentRecord | None:
        """A committed segment's record; None before its commit."""
        own = self._segments.read_record(segment)
        return own or self._of_holder(segment, lambda earlier: earlier._segments.read_record(segment))

    def segment_file(self, record: SegmentRecord, scratch: Path) -> Path:
        """A local path that holds a committed segment's encoded file, checked against its record.

        Args:
            record: the segment's record.
            scratch: where a copy goes when the ledger is remote; nothing is copied when it is local.

        Raises:
            LostSegment: the file is missing, or is not the one that was committed.
        """
        own = self._segments.file(record, scratch)
        path = own or self._of_holder(record.segment, lambda earlier: earlier._segments.file(record, scratch))
        if path is None:
            raise LostSegment(
                record.segment, f"run {self.run}: the file of segment {record.segment} is missing or damaged"
            )
        return path

    def is_committed(self, segment: int) -> bool:
        """Whether a segment has a record whose file is there and has the record's size."""
        own = self._segments.is_committed(segment)
        return own or bool(self._of_holder(segment, lambda earlier: earlier._segments.is_committed(segment)))

    def committed_segments(self) -> set[int]:
        """The committed segments, by one listing, and one for each attempt from which segments were adopted."""
        return set(self._holders())

    def discard_segment(self, segment: int) -> None:
        """Makes a segment count as not committed, because its file or its plan is not what it must be."""
        self._segments.discard(segment)
        self._of_holder(segment, lambda earlier: earlier._segments.discard(segment))

    def agrees_with_adopted(self, plan: SegmentPlan) -> bool:
        """Whether a segment is this attempt's own, or was planned as it is now by the attempt that committed it."""
        earlier = self._holder(plan.segment)
        if earlier is None or self._segments.read_record(plan.segment) is not None:
            return True
        try:
            known = earlier.plan(plan.segment)
        except LedgerError as error:
            log.warning("earlier plan unusable", reason=str(error))
            return False
        return known is not None and not any(differing_keys(plan.content(), known.content()))

    def check_locations(self, request: RunRequest) -> None:
        """Refuses a source or output outside of the allowed locations; also as `delivery.check_destination`."""
        self._allowed.check_source(request.source)
        self._allowed.check_output(request.output)
        delivery.check_destination(request, self.root)

    def put_outcome(self, outcome: Outcome) -> bool:
        """Writes how the attempt ended, unless an outcome is there; whether the ledger now holds this outcome.

        An outcome that cannot be read is replaced. An attempt that is in the index is entered there as ended.
        """
        if not write_outcome(self._documents, outcome):
            return False
        # An attempt without a usable request stays unfinished in the index.
        with suppress(LedgerError, RecipeError):
            if request := self.request():
                RunIndex(self.root, self.retry).mark_ended(request, outcome)
        return True

    def outcome(self) -> Outcome | None:
        """How the attempt ended; None while it has not. An outcome that cannot be read is a failure."""
        return read_outcome(self._documents)

    def prune(self) -> None:
        """Removes what this attempt and those before it worked with; requests, titles and outcomes stay."""
        for attempt in {FIRST_ATTEMPT, *(each for each in self._numbers() if each <= self.attempt), self.attempt}:
            remove_work(self.at(attempt)._folder)

    def remove_payloads(self) -> None:
        """Removes the payloads of this attempt and those before it that were too large for a message."""
        for attempt in range(FIRST_ATTEMPT, self.attempt + 1):
            remove_payloads(self.at(attempt)._folder)

    def remove(self) -> None:
        """Removes this attempt and those before it, the first last; one that is begun meanwhile stays."""
        for attempt in range(self.attempt, FIRST_ATTEMPT - 1, -1):
            remove_attempt(self.at(attempt)._folder)
            RunIndex(self.root, self.retry).forget(self.run, attempt)

    def remove_leftovers(self) -> None:
        """Removes what killed writers left: part-written files and encoded segments that no record names.

        The run's lock must be held, because this cannot tell a killed writer from a slow one.
        """
        remove_temporary(self._folder)
        self._segments.remove_unrecorded()

    def _numbers(self) -> list[int]:
        """Numbers of the run's attempts after the first, by one listing."""
        return list(map(int, filter(_ATTEMPT_NAME.fullmatch, self.at(FIRST_ATTEMPT)._folder.list_names("attempts"))))

    def _holders(self) -> dict[int, int]:
        """The committed segments, each with the attempt whose folder has it."""
        adopted = self.adopted()
        held = {attempt: self.at(attempt)._segments.committed_segments() for attempt in set(adopted.values())}
        found = {segment: attempt for segment, attempt in adopted.items() if segment in held[attempt]}
        return found | dict.fromkeys(self._segments.committed_segments(), self.attempt)

    def _holder(self, segment: int) -> RunLedger | None:
        """The ledger of the attempt that a segment was adopted from; None when it was not adopted."""
        attempt = self.adopted().get(segment)
        return None if attempt is None else self.at(attempt)

    def _of_holder(self, segment: int, find: Callable[[RunLedger], Found]) -> Found | None:
        return find(earlier) if (earlier := self._holder(segment)) is not None else None


class OpenLedger(Protocol):
    """Opens the ledger of an attempt."""

    def __call__(self, run: str, attempt: int = FIRST_ATTEMPT) -> RunLedger:
        """Opens the ledger without any access to the store; parameters as of RunLedger."""


def _plan_name(segment: int) -> str:
    return f"plan/{SegmentNumber(segment):06d}.json"
