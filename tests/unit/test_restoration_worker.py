"""The work on a Restoration, killed at any instruction: on an API in memory and a stubbed or a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, cast

import pytest

from reelwright.controller.api import RESTORATIONS, KubernetesApi
from reelwright.controller.resource_cache import ResourceCache
from reelwright.controller.resources import FINALIZER
from reelwright.controller.restoration_worker import RestorationWorker
from reelwright.controller.status_writer import StatusWriter
from reelwright.titles.errors import InputError, InternalError, UnavailableError
from tests.support.restorations import MemoryApi, StubRuns, document_of


class _Killed(BaseException):
    """The process ends here."""


def worker_on(api: MemoryApi, runs: Any) -> RestorationWorker:
    """A new process: its cache is what the API holds."""
    cache = ResourceCache()
    cache.replace_all(api.documents.values())
    writer = StatusWriter(
        cast("KubernetesApi", api), RESTORATIONS, kind_name="Restoration", cache=cache, identity="test"
    )
    return RestorationWorker(cache, writer, runs, lambda: None)


class _Dying:
    """Passes calls on to `target`; the call with the given number is the last one, done or not done."""

    def __init__(self, target: Any, calls: Iterator[int], last: int, *, done: bool) -> None:
        self._target, self._calls, self._last, self._done = target, calls, last, done

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            if next(self._calls) != self._last:
                return found(*arguments, **named)
            if self._done:
                found(*arguments, **named)
            raise _Killed

        return call


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("last", range(10))
def test_a_title_is_submitted_once_wherever_the_controller_is_killed(last: int, done: bool) -> None:
    """Killed before or after any call, the next process goes on: one submission, and the same status."""
    api, runs, calls = MemoryApi(document_of(finalizer=False)), StubRuns(), count()
    dying = [_Dying(target, calls, last, done=done) for target in (api, runs)]
    try:
        worker_on(cast("MemoryApi", dying[0]), dying[1]).work("film")
    except _Killed:
        worker_on(api, runs).work("film")
    (request,) = runs.submissions
    document = api.documents["film"]
    assert document["metadata"]["finalizers"] == [FINALIZER]
    assert document["status"]["run"] == request.run
    assert (document["status"]["phase"], document["status"]["attempt"]) == ("Pending", 1)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("last", range(5))
def test_a_deletion_ends_the_work_wherever_the_controller_is_killed(last: int, done: bool) -> None:
    """Killed before or after any call, the work is cancelled before the resource goes, and never again."""
    api, runs, calls = MemoryApi(document_of()), StubRuns(), count()
    worker_on(api, runs).work("film")
    api.documents["film"]["metadata"]["deletionTimestamp"] = "2030-05-01T12:00:00Z"
    dying = [_Dying(target, calls, last, done=done) for target in (api, runs)]
    try:
        worker_on(cast("MemoryApi", dying[0]), dying[1]).work("film")
    except _Killed:
        worker_on(api, runs).work("film")
    assert api.documents == {}
    assert runs.cancelled == [runs.submissions[0].run]


def test_a_suspended_title_goes_on_as_the_next_attempt() -> None:
    """Suspending cancels the attempt; resuming begins the next one, which adopts what is finished."""
    api, runs = MemoryApi(document_of()), StubRuns()
    worker = worker_on(api, runs)
    worker.work("film")
    for suspend, phase in ((True, "Suspended"), (False, "Pending")):
        api.documents["film"]["spec"]["suspend"] = suspend
        worker_on(api, runs).work("film")
        assert api.documents["film"]["status"]["phase"] == phase
    assert len(runs.submissions) == 2
    assert api.documents["film"]["status"]["attempt"] == 2
    assert len(runs.cancelled) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("no such file", "/films/a.mov", "check the path"), "SourceMissing"),
        (UnavailableError("the store does not answer", "s3://films"), "StoreUnreachable"),
        (InternalError("a contradiction"), "InternalError"),
    ],
)
def test_trouble_is_told_and_heals(error: Any, reason: str) -> None:
    """A title that cannot begin says why, once; it begins by itself when the cause is gone."""
    api, runs = MemoryApi(document_of()), StubRuns()
    runs.fails = error
    worker = worker_on(api, runs)
    assert [worker.work("film"), worker.work("film")] == ["retry", "retry"]
    assert api.documents["film"]["status"]["reason"] == reason
    assert api.events == [reason]
    runs.fails = None
    assert worker.work("film") == "look"
    assert api.documents["film"]["status"]["reason"] == "Queued"
    assert api.events == [reason, "Submitting", "Queued"]


def test_each_turn_is_one_event_and_one_write() -> None:
    """A reconciliation without a change writes nothing, and each change has one Event."""
    api, runs = MemoryApi(document_of()), StubRuns()
    worker = worker_on(api, runs)
    worker.work("film")
    run = runs.submissions[0].run
    for changes in ({}, {"state": "running"}, {}, {"state": "finished", "frames": 9}, {}):
        if changes:
            runs.end(run, **changes)
        worker.work("film")
        worker.work("film")
    assert api.events == ["Submitting", "Queued", "Running", "Finished"]
    # Record, Queued, Running, Finished, and the finalizer's removal, from version 1 on.
    assert api.documents["film"]["metadata"]["resourceVersion"] == "6"
    assert api.documents["film"]["metadata"]["finalizers"] == []
    assert api.documents["film"]["status"]["manifestDigest"].startswith("sha256:")


def test_a_run_that_another_restoration_wants_goes_on() -> None:
    """Deleting one of two Restorations with the same run lets the other one's work go on."""
    api, runs = MemoryApi(document_of("one"), document_of("two")), StubRuns()
    worker = worker_on(api, runs)
    worker.work("one")
    worker.work("two")
    assert len(runs.submissions) == 1
    api.documents["one"]["metadata"]["deletionTimestamp"] = "2030-05-01T12:00:00Z"
    worker_on(api, runs).work("one")
    assert (list(api.documents), runs.cancelled) == (["two"], [])
    api.documents["two"]["metadata"]["deletionTimestamp"] = "2030-05-01T12:00:00Z"
    worker_on(api, runs).work("two")
    assert (list(api.documents), len(runs.cancelled)) == ([], 1)
