"""A controller process for tests: the real loop, ledger and Kubernetes API; no source is opened, no broker is there.

`python -m tests.support.controller_process LEDGER [CALL]` serves until SIGTERM; with CALL it ends at that call of the
Kubernetes API or the cluster as by SIGKILL, after the call was done. Its metrics are on REELWRIGHT_METRICS_PORT.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from reelwright.bus.local.bus import LocalBus
from reelwright.client.forecast import Forecasts, ForecastSettings
from reelwright.client.submission import next_attempt
from reelwright.controller.api import LEASES, KubernetesApi
from reelwright.controller.loop import ControllerService
from reelwright.controller.resources import RestorationSpec
from reelwright.controller.restoration_facts import Resolution
from reelwright.controller.run_client import ClusterRunClient
from reelwright.controller.settings import ControllerSettings
from reelwright.ledger.run_ledger import RunLedger
from reelwright.telemetry.logs import log_as_service
from reelwright.telemetry.server import TelemetryServer
from tests.support.ledgers import probe_of, request_of
from tests.support.role_processes import Process

Start = Callable[..., Process]
"""Starts a controller process with these arguments; its metrics are at `Process.metric`."""


class LedgerRuns(ClusterRunClient):
    """A cluster whose sources need not exist; everything else is as in an installation.

    Args:
        root: of the ledger.
    """

    def __init__(self, root: str) -> None:
        self._open = partial(RunLedger, root)
        super().__init__(LocalBus, self._open, Forecasts(ForecastSettings()))

    def resolve(self, spec: RestorationSpec) -> Resolution:
        """A run that is named after source and output."""
        run = run_of(spec.source, spec.output)
        request = request_of(run=run, source=spec.source, output=spec.output, priority_class=spec.priority_class)
        request = request.model_copy(update={"deadline": spec.deadline.timestamp() if spec.deadline else 0.0})
        return Resolution(request, next_attempt(request, self._open(run)), probe_of())


def film(folder: Path, name: str = "film") -> dict[str, str]:
    """The spec of a Restoration; its run is `run_of(**film(...))`."""
    return {"source": f"{folder}/{name}.mov", "output": f"{folder}/{name}.mp4"}


def run_of(source: str, output: str) -> str:
    """The run of a Restoration here."""
    return hashlib.sha256(f"{source}\n{output}".encode()).hexdigest()[:20]


def _dying(call: Callable[..., Any], numbers: itertools.count[int], last: int) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        # The Lease is renewed at any time, and would make the number mean another call each time.
        if LEASES not in arguments and next(numbers) == last:
            os._exit(9)
        return result

    return counted


def main(root: str, last: int | None) -> None:
    """Serves until SIGTERM, or ends at a call."""
    log_as_service()
    settings, stop = ControllerSettings(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    api, runs = KubernetesApi(settings.namespace), LedgerRuns(root)
    if last is not None:
        numbers = itertools.count()
        for target, names in ((api, ("create", "patch")), (runs, ("resolve", "submit", "cancel"))):
            for name in names:
                setattr(target, name, _dying(getattr(target, name), numbers, last))
    with TelemetryServer(int(os.environ["REELWRIGHT_METRICS_PORT"])):
        ControllerService(api, runs, settings).run(stop)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
