"""Restorations for tests, made without a cluster: documents, facts, and an API of one kind in memory."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from reelwright.client.forecast import FinishForecast
from reelwright.client.status import RunStatus
from reelwright.controller.api import EVENTS, ApiRefusal, Document, ResourceConflict, ResourceKind, ResourceNotFound
from reelwright.controller.resources import FINALIZER, Restoration, RestorationSpec
from reelwright.controller.restoration_facts import Resolution, RestorationFacts, RunFacts
from reelwright.controller.run_client import RunClient
from reelwright.ledger.records import SourceProbe
from reelwright.titles.errors import ReelwrightError
from reelwright.titles.request import PriorityClass, RunRequest
from tests.support.ledgers import RUN, probe_of, request_of

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
SOURCE, OUTPUT = "/films/a.mov", "/films/a.mp4"


def document_of(
    name: str = "film",
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    *,
    finalizer: bool = True,
    deleting: bool = False,
    generation: int = 1,
) -> Document:
    """A Restoration as the API server gives it."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "films",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "generation": generation,
        "creationTimestamp": (NOW - timedelta(hours=1)).isoformat(),
        "finalizers": [FINALIZER] if finalizer else [],
    }
    if deleting:
        metadata["deletionTimestamp"] = NOW.isoformat()
    return {
        "metadata": metadata,
        "spec": {"source": SOURCE, "output": OUTPUT, **(spec or {})},
        "status": {"observedGeneration": 1, **status} if status else {},
    }


def facts_of(document: Document, **more: Any) -> RestorationFacts:
    """Facts about a Restoration; `more` sets the other fields."""
    return RestorationFacts(restoration=Restoration.model_validate(document), now=NOW, **more)


def title_of(state: str, attempt: int = 1, frames: tuple[int, int] = (0, 0), **more: Any) -> RunFacts:
    """What the ledger says of the run `RUN`."""
    fields: dict[str, Any] = {"run": RUN, "attempt": attempt, "state": state, "output": OUTPUT}
    fields |= {"frames_committed": frames[0], "frames": frames[1]}
    known = {key: more.pop(key) for key in ("frames_per_second", "eta", "manifest_digest", "forecast") if key in more}
    return RunFacts(run=RunStatus.model_validate(fields | more), **known)


def resolution_of(attempt: int = 1, run: str = RUN) -> Resolution:
    """A resolution to a run."""
    return Resolution(request_of(run=run, source=SOURCE, output=OUTPUT), attempt, probe_of())


class MemoryApi:
    """An API server's store of documents: versions, conflicts, status apart from the rest, deletion by finalizers.

    Attributes:
        documents: by name.
        events: reasons of the Events created.
        refused: sources of the Restorations that are not valid.
    """

    def __init__(self, *documents: Document) -> None:
        self.documents = {document["metadata"]["name"]: document for document in documents}
        self.events: list[str] = []
        self.refused: set[str] = set()

    def create(self, kind: ResourceKind, document: Document) -> Document:
        """Takes an Event, or a Restoration, which it may refuse."""
        if kind == EVENTS:
            self.events.append(document["reason"])
            return document
        name = document["metadata"]["name"]
        if name in self.documents:
            raise ResourceConflict(name)
        if document["spec"]["source"] in self.refused:
            raise ApiRefusal("source is not valid", "the Kubernetes API")
        versions = {"resourceVersion": "1", "generation": 1, "uid": f"uid-{name}", "finalizers": []}
        made = {**copy.deepcopy(document), "metadata": {**document["metadata"], **versions}, "status": {}}
        self.documents[name] = made
        return copy.deepcopy(made)

    def get(self, _kind: ResourceKind, name: str) -> Document:
        """A document."""
        if name not in self.documents:
            raise ResourceNotFound(name)
        return copy.deepcopy(self.documents[name])

    def patch(self, _kind: ResourceKind, name: str, changes: Document, *, status: bool = False) -> Document:
        """Merges changes; see KubernetesApi."""
        held = self.documents.get(name)
        if held is None:
            raise ResourceNotFound(name)
        if changes["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise ResourceConflict(name)
        made = copy.deepcopy(held)
        if status:
            _merge(made["status"], changes["status"])
        else:
            _merge(made["metadata"], changes["metadata"])
        made["metadata"]["resourceVersion"] = str(int(held["metadata"]["resourceVersion"]) + 1)
        self.documents[name] = made
        if "deletionTimestamp" in made["metadata"] and not made["metadata"]["finalizers"]:
            del self.documents[name]
        return copy.deepcopy(made)


class StubRuns(RunClient):
    """A cluster that only counts what it is asked; each run is under way until `end`.

    Attributes:
        submissions: requests that were submitted, in order.
        cancelled: runs that were cancelled.
        fails: raised by every call, when set.
    """

    def __init__(self) -> None:
        self.submissions: list[RunRequest] = []
        self.cancelled: list[str] = []
        self.fails: ReelwrightError | None = None
        self._runs: dict[str, RunStatus] = {}

    def resolve(self, spec: RestorationSpec) -> Resolution:
        """A run named after the output."""
        self._check()
        run = f"{abs(hash(spec.output)):020x}"[:20]
        known = self._runs.get(run)
        attempt = 1 if known is None else known.attempt + (known.state not in {"queued", "running"})
        return Resolution(request_of(run=run, source=spec.source, output=spec.output), attempt, probe_of())

    def submit(self, request: RunRequest, probe: SourceProbe | None = None) -> None:
        """Begins an attempt; needs the probe of `resolve`."""
        self._check()
        assert probe == probe_of()
        self.submissions.append(request)
        known = self._runs.get(request.run)
        attempt = 1 if known is None else known.attempt + 1
        self._runs[request.run] = RunStatus(run=request.run, attempt=attempt, state="queued", output=request.output)

    def change(self, run: str, priority_class: PriorityClass, deadline: float) -> None:
        """Changes class and deadline."""
        self._check()
        changes = {"priority_class": priority_class, "deadline": deadline}
        self._runs[run] = self._runs[run].model_copy(update=changes)

    def cancel(self, run: str, reason: str) -> None:
        """Ends an attempt."""
        self._check()
        self.cancelled.append(run)
        self._runs[run] = self._runs[run].model_copy(update={"state": "cancelled", "reason": reason})

    def status(self, run: str) -> RunStatus | None:
        """The state of a run."""
        self._check()
        return self._runs.get(run)

    def forecast(self, run: str, attempt: int) -> FinishForecast | None:
        """No dispatcher answers."""

    def manifest_digest(self, output: str) -> str:
        """A digest."""
        return f"sha256:{len(output):064x}"

    def close(self) -> None:
        """Nothing is open."""

    def end(self, run: str, **outcome: Any) -> None:
        """Ends a run, or sets other fields of its state."""
        self._runs[run] = self._runs[run].model_copy(update=outcome)

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails


def _merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
