"""The loop of the controller: watches on threads, a work queue, workers, and the Lease that lets one replica act."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pydantic import ValidationError

from reelwright.controller.api import (
    CATALOGS,
    RESTORATIONS,
    KubernetesApi,
    ResourceConflict,
    ResourceKind,
    ResourceNotFound,
)
from reelwright.controller.catalog_ownership import catalog_of
from reelwright.controller.catalog_worker import CatalogWorker
from reelwright.controller.election import LeaderElection
from reelwright.controller.resource_cache import ResourceCache, ResourceWatcher
from reelwright.controller.restoration_facts import Next
from reelwright.controller.restoration_worker import RestorationWorker
from reelwright.controller.run_client import RunClient
from reelwright.controller.settings import ControllerSettings
from reelwright.controller.status_writer import StatusWriter
from reelwright.controller.work_queue import WorkQueue
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.watchdog import heartbeat, waiting
from reelwright.titles.errors import InternalError, OneLineError

log = get_logger(__name__)

_POLL_SECONDS = 0.5
# How soon a catalog sees a change of its titles; changes in between are seen together.
_CATALOG_SECONDS = 1.0
# Looks at titles under way, of all of them together.
_LOOKS_PER_SECOND = 20.0


class _Key(NamedTuple):
    """What is reconciled.

    Attributes:
        kind: Restoration or Catalog.
        name: of the resource.
    """

    kind: ResourceKind
    name: str


class _NotLeading(InternalError):
    """Another replica may act by now. Temporary: this one may lead again."""

    temporary = True


class ControllerService:
    """The controller of one namespace.

    Args:
        api: the Kubernetes API.
        runs: the cluster that restores.
        settings: of the controller.
    """

    def __init__(self, api: KubernetesApi, runs: RunClient, settings: ControllerSettings) -> None:
        self._settings, self._runs = settings, runs
        self._queue: WorkQueue[_Key] = WorkQueue(settings.retry_seconds)
        self._election = LeaderElection(
            api, name=settings.lease, holder=settings.holder(), seconds=settings.lease_seconds
        )
        self._restorations, self._catalogs = ResourceCache(), ResourceCache()
        self._watchers = [
            ResourceWatcher(
                api, kind, cache=cache, changed=partial(self._add_name, kind), relist_seconds=settings.relist_seconds
            )
            for kind, cache in ((RESTORATIONS, self._restorations), (CATALOGS, self._catalogs))
        ]
        writer = StatusWriter(
            api, RESTORATIONS, kind_name="Restoration", cache=self._restorations, identity=settings.identity
        )
        restorations = RestorationWorker(self._restorations, writer, runs, self._check_leading)
        catalog_writer = StatusWriter(
            api, CATALOGS, kind_name="Catalog", cache=self._catalogs, identity=settings.identity
        )
        catalogs = CatalogWorker(
            api,
            catalogs=self._catalogs,
            restorations=self._restorations,
            writer=catalog_writer,
            created=partial(self._add_name, RESTORATIONS),
            settle_seconds=settings.settle_seconds,
            may_act=self._check_leading,
        )
        self._work: dict[ResourceKind, Callable[[str], float | None]] = {
            RESTORATIONS: lambda name: self._after(name, restorations.work(name)),
            CATALOGS: catalogs.work,
        }

    @property
    def unready(self) -> str:
        """Why the resources are not listed and watched. A replica that does not lead is ready to take over."""
        trouble = next((watcher.trouble for watcher in self._watchers if watcher.trouble), "")
        return trouble and f"it does not see the resources of Kubernetes: {trouble}"

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set, then ends the present work and releases the Lease."""
        metrics.watch_controller(self._restorations.count, self._waiting_keys)
        released = threading.Event()
        election = SupervisedThread("election", lambda: self._election.run(released))
        for number, watcher in enumerate(self._watchers):
            # A watch waits for a change, which may never come, so the process does not wait for it.
            SupervisedThread(f"watch-{number}", partial(watcher.run, stop), restart_until=stop, daemon=True).start()
        election.start()
        workers = [
            SupervisedThread(f"worker-{number}", lambda: self._serve(stop), restart_until=stop)
            for number in range(self._settings.workers)
        ]
        for worker in workers:
            worker.start()
        stop.wait()
        self._queue.close()
        for worker in workers:
            worker.join()
        # After the last step of the workers, so that no two replicas act.
        released.set()
        election.join()
        self._runs.close()

    def _serve(self, stop: threading.Event) -> None:
        while not stop.is_set():
            heartbeat()
            if not self._election.leading:
                # A Lease may lapse and come back at any moment. What changes meanwhile waits in the queue.
                with waiting():
                    stop.wait(_POLL_SECONDS)
                continue
            with waiting():
                key = self._queue.take_key(_POLL_SECONDS)
            if key is not None:
                try:
                    self._work_on(key)
                finally:
                    self._queue.done(key)

    def _work_on(self, key: _Key) -> None:
        result = "settled"
        try:
            seconds = self._work[key.kind](key.name)
            if seconds is None:
                self._queue.forget_failures(key)
            elif seconds > 0:
                result = "waiting"
                self._queue.forget_failures(key)
                self._queue.add_after(key, seconds)
            else:
                result = "retry"
                self._queue.add_failed(key)
        except ResourceNotFound:
            self._queue.forget_failures(key)
        except _NotLeading:
            result = "retry"
            self._queue.return_key(key)
        except ResourceConflict:
            result = "conflict"
            self._queue.add_failed(key)
        except (OneLineError, ValidationError) as error:
            result = "error"
            pause = self._queue.add_failed(key)
            log.warning("reconcile failed", resource=key.name, reason=str(error), pause_seconds=pause)
        except Exception:
            result = "error"
            self._queue.add_failed(key)
            log.exception("reconcile failed", resource=key.name)
        metrics.RECONCILES.labels(resource=key.kind.plural, result=result).inc()

    def _after(self, name: str, following: Next) -> float | None:
        """Seconds until a Restoration is worked on again; None at its next change, 0 after a pause that grows."""
        if following == "look":
            under_way = self._restorations.count("Running") + self._restorations.count("Pending")
            return max(self._settings.progress_seconds, under_way / _LOOKS_PER_SECOND)
        self._wake_catalog(name)
        return 0.0 if following == "retry" else None

    def _add_name(self, kind: ResourceKind, name: str) -> None:
        self._queue.add_key(_Key(kind, name))

    def _wake_catalog(self, name: str) -> None:
        """Has the catalog of a Restoration look again: one that has ended makes room for the next."""
        document = self._restorations.get(name)
        if document is not None and (catalog := catalog_of(document)):
            self._queue.add_after(_Key(CATALOGS, catalog), _CATALOG_SECONDS)

    def _waiting_keys(self) -> int:
        """Keys that this process should be working on. Those of a replica that does not lead are another one's work."""
        return len(self._queue) if self._election.leading else 0

    def _check_leading(self) -> None:
        if not self._election.leading:
            raise _NotLeading("another replica leads")
