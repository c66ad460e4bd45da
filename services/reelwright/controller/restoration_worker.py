"""Works on a Restoration: looks at what is there, decides, does one step, looks again; at last writes the status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from reelwright.controller.api import Document
from reelwright.controller.progress import SpeedMeter
from reelwright.controller.reconcile import needs_title, reconcile
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import FINALIZER, Restoration, RestorationStatus
from reelwright.controller.restoration_facts import (
    AddFinalizer,
    CancelTitle,
    ChangeTitle,
    Next,
    RemoveFinalizer,
    Resolve,
    RestorationFacts,
    RunFacts,
    Step,
    SubmitTitle,
    WriteStatus,
)
from reelwright.controller.run_client import RunClient, trouble_of
from reelwright.controller.status_writer import StatusWriter
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import ReelwrightError

log = get_logger(__name__)

# Finalizer, resolution, record, submission, and once more after a change of the source: more is a mistake of ours.
_MOST_STEPS = 8
_GOOD_REASONS = frozenset({"Submitting", "Queued", "Running", "Finished", "Suspended"})


class RestorationWorker:
    """Works on one Restoration at a time on each thread that calls `work`.

    Args:
        cache: the Restorations as they were seen last.
        writer: writes to them.
        runs: the cluster that restores.
        may_act: raises an error unless this process leads; asked before each step.
    """

    def __init__(
        self, cache: ResourceCache, writer: StatusWriter, runs: RunClient, may_act: Callable[[], None]
    ) -> None:
        self._cache, self._writer, self._runs, self._may_act = cache, writer, runs, may_act
        self._speeds = SpeedMeter()

    def work(self, name: str) -> Next:
        """Does what is to be done for a Restoration now; when to work on it again.

        Raises:
            ResourceConflict: it has changed meanwhile.
            ResourceNotFound: it is gone.
            UnavailableError: the Kubernetes API does not answer.
        """
        document = self._cache.get(name)
        if document is None:
            return "change"
        facts = self._looked_at(
            RestorationFacts(restoration=Restoration.model_validate(document), now=datetime.now(UTC))
        )
        for _ in range(_MOST_STEPS):
            decision = reconcile(facts)
            self._may_act()
            heartbeat()
            if decision.step is None:
                if not facts.restoration.deleting or decision.following == "retry":
                    self._write(document, decision.status)
                return decision.following
            document, facts = self._do(decision.step, document, facts)
            if isinstance(decision.step, RemoveFinalizer) and facts.restoration.deleting:
                return "change"
        return "retry"

    def _do(self, step: Step, document: Document, facts: RestorationFacts) -> tuple[Document, RestorationFacts]:
        if isinstance(step, AddFinalizer | RemoveFinalizer | WriteStatus):
            document = self._write_step(step, document)
            return document, self._looked_at(replace(facts, restoration=Restoration.model_validate(document)))
        try:
            facts = self._ask_cluster(step, facts)
        except ReelwrightError as error:
            return document, replace(facts, trouble=trouble_of(error))
        return document, facts if isinstance(step, Resolve) else self._looked_at(facts)

    def _write_step(self, step: AddFinalizer | RemoveFinalizer | WriteStatus, document: Document) -> Document:
        if isinstance(step, WriteStatus):
            return self._write(document, step.status)
        others = [each for each in document["metadata"].get("finalizers", []) if each != FINALIZER]
        added = [FINALIZER] if isinstance(step, AddFinalizer) else []
        return self._writer.write_finalizers(document, others + added)

    def _ask_cluster(
        self, step: Resolve | SubmitTitle | ChangeTitle | CancelTitle, facts: RestorationFacts
    ) -> RestorationFacts:
        if isinstance(step, Resolve):
            return replace(facts, resolution=self._runs.resolve(facts.restoration.spec))
        if isinstance(step, SubmitTitle):
            self._runs.submit(step.request, step.probe)
        elif isinstance(step, ChangeTitle):
            self._runs.change(step.run, step.priority_class, step.deadline)
        else:
            self._runs.cancel(step.run, step.reason)
        name = facts.restoration.metadata.name
        log.info("step done", step=type(step).__name__, restoration=name, run=facts.restoration.status.run)
        return replace(facts, submitted=facts.submitted or not isinstance(step, CancelTitle))

    def _looked_at(self, facts: RestorationFacts) -> RestorationFacts:
        """The facts with what the ledger says now."""
        restoration = facts.restoration
        if not needs_title(restoration):
            return facts
        try:
            title = self._title(restoration.status.run or "")
        except ReelwrightError as error:
            return replace(facts, trouble=trouble_of(error))
        ending = restoration.deleting or restoration.spec.suspend
        return replace(facts, title=title, shared=ending and self._is_shared(restoration))

    def _title(self, run: str) -> RunFacts | None:
        status = self._runs.status(run)
        if status is None:
            return None
        if status.state in {"queued", "running"}:
            speed, eta = self._speeds.measure(run, status.frames_committed, status.frames)
            return RunFacts(
                run=status, frames_per_second=speed, eta=eta, forecast=self._runs.forecast(run, status.attempt)
            )
        self._speeds.forget(run)
        digest = self._runs.manifest_digest(status.output) if status.state == "finished" else ""
        return RunFacts(run=status, manifest_digest=digest)

    def _is_shared(self, restoration: Restoration) -> bool:
        """Whether another Restoration wants the same run to go on."""
        for other in self._cache.all():
            metadata, status = other["metadata"], other.get("status", {})
            if metadata["name"] == restoration.metadata.name or status.get("run") != restoration.status.run:
                continue
            if "deletionTimestamp" not in metadata and not other["spec"].get("suspend"):
                return True
        return False

    def _write(self, document: Document, status: RestorationStatus) -> Document:
        before = document.get("status", {})
        written = self._writer.write_status(document, status)
        if status.reason and (status.phase, status.reason) != (before.get("phase"), before.get("reason")):
            note = status.message or status.reason
            self._writer.emit(written, status.reason, note, warning=status.reason not in _GOOD_REASONS)
        return written
