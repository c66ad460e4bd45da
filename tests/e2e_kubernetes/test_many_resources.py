"""The controller with very many resources, with a catalog, and with a watch that is too old, on a real API server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reelwright.controller.api import RESTORATIONS, Document, KubernetesApi, ResourceKind, WatchExpired
from reelwright.controller.resource_cache import ResourceCache, ResourceWatcher
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.threads import SupervisedThread
from tests.support.api_server import Namespace
from tests.support.controller_process import Start, film, run_of
from tests.support.role_processes import until

_MANY = 500
# Finalizer, submission, queued, finished, and the finalizer again: the writes of a title that ends between two looks.
_WRITES = 5
# Of the order of creation: four titles are worked on at a time, and one that is delayed is tried again a second later.
_MOST_OVERTAKEN = 60


def finish(ledger: str, spec: dict[str, str], output: str = "") -> None:
    """Has a title end with its film."""
    outcome = Outcome(state="finished", output=output or spec["output"], frames=24)
    RunLedger(ledger, run_of(**spec)).put_outcome(outcome)


def phases(namespace: Namespace) -> list[str]:
    """The phase of each Restoration."""
    return [str(each.get("status", {}).get("phase")) for each in namespace.find_all()]


def queued(namespace: Namespace) -> int:
    """How many Restorations are submitted, and wait for a worker."""
    return sum(each.get("status", {}).get("reason") == "Queued" for each in namespace.find_all())


@pytest.mark.timeout(900)
def test_five_hundred_restorations_settle(
    namespace: Namespace, start: Start, ledger: str, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """500 Restorations are submitted in their order and end; memory and calls of the Kubernetes API are bounded."""
    specs = {f"film-{number:03}": film(tmp_path, f"film-{number:03}") for number in range(_MANY)}
    for name, spec in specs.items():
        namespace.create("Restoration", name, spec)
    controller = start()
    until(lambda: queued(namespace) == _MANY, "all are submitted", 600, poll=2)
    ledgers = [RunLedger(ledger, run_of(**spec)) for spec in specs.values()]
    submitted = [request.submitted for request in (each.request() for each in ledgers) if request is not None]
    assert len(submitted) == _MANY
    positions = {
        number: position for position, number in enumerate(sorted(range(_MANY), key=lambda each: submitted[each]))
    }
    assert max(abs(position - number) for number, position in positions.items()) <= _MOST_OVERTAKEN
    for spec in specs.values():
        finish(ledger, spec)
    until(lambda: phases(namespace) == ["Finished"] * _MANY, "all have ended", 600, poll=2)
    calls = {
        verb: controller.metric("reelwright_kubernetes_requests_total", verb=verb, resource=resource)
        for verb, resource in (("patch", "restorations"), ("create", "events"), ("list", "restorations"))
    }
    memory = controller.memory_bytes() >> 20
    figure(f"{_MANY} Restorations: {calls}, {memory} MiB")
    assert calls["patch"] <= (_WRITES + 0.5) * _MANY
    assert calls["create"] <= (_WRITES + 0.5) * _MANY
    assert calls["list"] <= 3
    # What the chart requests for its pod.
    assert memory < 256


@pytest.mark.parametrize("name", ["news", f"{'newsreels-' * 5}1950s.{'newsreels-' * 5}1960s"], ids=["short", "long"])
def test_a_catalog_makes_restorations_of_its_titles(
    name: str, namespace: Namespace, start: Start, ledger: str, tmp_path: Path
) -> None:
    """Each file of a folder becomes a Restoration, at most two at a time; what ends makes room for the next."""
    start()
    feed, films = tmp_path / "feed", tmp_path / "films"
    films.mkdir()
    feed.mkdir()
    for number in range(3):
        (feed / f"{number}.mov").touch()
    spec: dict[str, Any] = {
        "feed": {"folder": {"location": str(feed), "pattern": "*.mov"}},
        "template": {"output": f"{films}/{{name}}.mp4", "class": "bulk"},
        "maxRunning": 2,
        "pollSeconds": 5,
    }
    namespace.create("Catalog", name, spec)
    until(lambda: queued(namespace) == 2, "two are submitted")
    for made in namespace.find_all():
        assert made["spec"]["class"] == "bulk"
        locations = {"source": made["spec"]["source"], "output": made["spec"]["output"]}
        Path(f"{locations['output']}.manifest.json").write_text("{}")
        finish(ledger, locations)
    until(lambda: sorted(phases(namespace)) == ["Finished", "Finished", "Pending"], "the third has room")
    (feed / "3.mov").touch()
    until(lambda: len(phases(namespace)) == 4, "a new title is found")
    condition = namespace.condition(name, "Ready", "catalogs")
    assert condition == ("True", "FeedRead")


class _OldList(KubernetesApi):
    """An API whose first list is as old as the cluster."""

    lists = 0

    def list_all(self, kind: ResourceKind) -> tuple[list[Document], str]:
        """A list; the version of the first one is no longer known to the server."""
        self.lists += 1
        found, version = super().list_all(kind)
        return found, "1" if self.lists == 1 else version


def test_a_watch_that_is_too_old_lists_again(
    namespace: Namespace, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch from a version that the server no longer has ends with 410 Gone; the resources are listed again."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with pytest.raises(WatchExpired):
        next(KubernetesApi(namespace.name).watch(RESTORATIONS, "1", 5))
    api, cache, stop = _OldList(namespace.name), ResourceCache(), threading.Event()
    watcher = ResourceWatcher(api, RESTORATIONS, cache=cache, changed=lambda _name: None, relist_seconds=5)
    thread = SupervisedThread("watch", lambda: watcher.run(stop))
    thread.start()
    try:
        until(lambda: api.lists == 2, "it lists again")
        namespace.create("Restoration", "film", film(Path("/films")))
        until(lambda: cache.get("film") is not None, "the watch goes on")
    finally:
        stop.set()
        thread.join()
