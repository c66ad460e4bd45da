"""Leader election by a Lease: of several replicas one works.

The kubernetes client has a leader election too, but no way to stop it, and it does not notice a clock that jumps.
As in client-go, no clock of another machine is compared: a Lease has expired when it has not changed for its duration,
as this process has seen it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from reelwright.controller.api import LEASES, Document, KubernetesApi, ResourceConflict, ResourceNotFound
from reelwright.controller.resources import format_microtime
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import OneLineError

log = get_logger(__name__)

# As client-go: a leader that could not renew for two thirds of the duration stops; it tries every sixth of it.
_STOP_SHARE = 2 / 3
_TRY_SHARE = 1 / 6


class LeaderElection:
    """One candidate. `run` renews or waits; `leading` may be asked from any thread.

    Args:
        api: the Kubernetes API.
        name: of the Lease.
        holder: name of this candidate, which no other process has.
        seconds: time without a renewal after which another candidate takes over.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        api: KubernetesApi,
        *,
        name: str,
        holder: str,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._name, self._holder, self._seconds, self._clock = api, name, holder, seconds, clock
        self._renewed_at: float | None = None
        self._seen: tuple[str, float] | None = None

    @property
    def leading(self) -> bool:
        """Whether this process may act: it holds the Lease, and has renewed it recently enough."""
        renewed_at = self._renewed_at
        return renewed_at is not None and self._clock() - renewed_at < self._seconds * _STOP_SHARE

    def run(self, stop: threading.Event) -> None:
        """Renews or waits for the Lease until `stop` is set, then releases it, so that another takes over at once."""
        while not stop.is_set():
            self.step()
            stop.wait(self._seconds * _TRY_SHARE)
        self._release()

    def step(self) -> None:
        """Tries once to take or renew the Lease."""
        began, was_leading = self._clock(), self.leading
        try:
            held = self._try()
        except (ResourceConflict, ResourceNotFound):
            # Another candidate was faster, or somebody has deleted the Lease.
            held = False
        except OneLineError as error:
            # Whether the request had an effect is not known; the Lease stays ours until its time is over.
            log.warning("lease not renewed", reason=str(error))
            held = None
        if held is not None:
            self._renewed_at = began if held else None
        if self.leading != was_leading:
            log.info(
                "leadership acquired" if self.leading else "leadership lost", lease=self._name, holder=self._holder
            )
        metrics.CONTROLLER_LEADING.set(float(self.leading))

    def _try(self) -> bool:
        try:
            lease = self._api.get(LEASES, self._name)
        except ResourceNotFound:
            self._api.create(LEASES, self._document({"name": self._name}, {}, transitions=0))
            return True
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity") or ""
        if holder not in {"", self._holder} and not self._has_expired(lease):
            return False
        transitions = int(spec.get("leaseTransitions") or 0) + (holder != self._holder)
        same = spec if holder == self._holder else {}
        # The version makes this a conflict when another candidate was faster.
        metadata = {"name": self._name, "resourceVersion": lease["metadata"]["resourceVersion"]}
        self._api.replace(LEASES, self._name, self._document(metadata, same, transitions))
        return True

    def _has_expired(self, lease: Document) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
        duration = float(lease.get("spec", {}).get("leaseDurationSeconds") or self._seconds)
        return self._clock() - self._seen[1] > duration

    def _document(self, metadata: Document, before: Document, transitions: int) -> Document:
        now = format_microtime(datetime.now(UTC))
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": before.get("acquireTime") or now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _release(self) -> None:
        if not self.leading:
            return
        self._renewed_at = None
        metrics.CONTROLLER_LEADING.set(0.0)
        try:
            lease = self._api.get(LEASES, self._name)
            if lease["spec"].get("holderIdentity") == self._holder:
                lease["spec"]["holderIdentity"] = ""
                self._api.replace(LEASES, self._name, lease)
        except (OneLineError, ResourceConflict, ResourceNotFound) as error:
            log.warning("lease not released", reason=str(error))
