"""The watch of a kind of resources goes on, whatever the API server answers, and says what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from reelwright.controller.api import RESTORATIONS, Document, KubernetesApi, ResourceKind, ResourceNotFound
from reelwright.controller.loop import ControllerService
from reelwright.controller.resource_cache import ResourceCache, ResourceWatcher
from reelwright.controller.settings import ControllerSettings
from reelwright.titles.errors import ReelwrightError, UnavailableError
from tests.support.restorations import StubRuns, document_of


class _Stop(threading.Event):
    """Is set after a number of pauses, which it does not wait for."""

    def __init__(self, pauses: int) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._most = pauses

    def wait(self, timeout: float | None = None) -> bool:
        """Notes a pause."""
        self.pauses.append(timeout or 0.0)
        if len(self.pauses) == self._most:
            self.set()
        return self.is_set()


class _Api:
    """An API server that fails a number of times before each answer.

    Attributes:
        lists: how many lists were asked for.
    """

    def __init__(self, error: ReelwrightError, failures: int, stop: threading.Event | None = None) -> None:
        self._error, self._failures, self._stop = error, failures, stop
        self.lists = 0

    def list_all(self, _kind: ResourceKind) -> tuple[list[Document], str]:
        """One resource."""
        self.lists += 1
        if self.lists <= self._failures:
            raise self._error
        return [document_of("film")], "1"

    def watch(self, _kind: ResourceKind, _version: str, _seconds: int) -> Iterator[tuple[str, Document]]:
        """No change; after the second watch the process stops. The first one ends because its kind is gone."""
        if self.lists == self._failures + 1:
            raise self._error
        if self._stop is not None:
            self._stop.set()
        yield from ()


def watcher_of(api: _Api, cache: ResourceCache) -> ResourceWatcher:
    """The watcher of Restorations."""
    return ResourceWatcher(
        cast("KubernetesApi", api), RESTORATIONS, cache=cache, changed=lambda _name: None, relist_seconds=60
    )


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (ResourceNotFound("404 page not found"), "the custom resource definition restorations.reelwright.io is not"),
        (UnavailableError("does not answer", "the Kubernetes API"), "the Kubernetes API: does not answer"),
    ],
    ids=["no definitions", "no answer"],
)
def test_what_keeps_the_resources_from_being_seen_is_told(error: ReelwrightError, trouble: str) -> None:
    """A watcher that cannot list says why, and tries again after pauses that grow."""
    stop = _Stop(pauses=4)
    watcher = watcher_of(_Api(error, failures=9), ResourceCache())
    watcher.run(stop)
    assert watcher.trouble.startswith(trouble)
    assert stop.pauses == [0.5, 1.0, 2.0, 4.0]


def test_readiness_says_why_the_resources_are_not_seen() -> None:
    """The line of a controller that is not ready ends with what its watchers say."""
    service = ControllerService(cast("KubernetesApi", object()), StubRuns(), ControllerSettings())
    assert service.unready == "it does not see the resources of Kubernetes: the resources are not listed yet"


def test_definitions_that_come_back_are_listed_again() -> None:
    """A kind that is removed during a watch and installed again is listed again, and nothing is wrong any more."""
    stop, cache = _Stop(pauses=9), ResourceCache()
    api = _Api(ResourceNotFound("404 page not found"), failures=1, stop=stop)
    watcher = watcher_of(api, cache)
    watcher.run(stop)
    assert (api.lists, watcher.trouble) == (3, "")
    assert cache.get("film") is not None
