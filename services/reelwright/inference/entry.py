"""The inference worker as a process of its own."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

from reelwright.bus.protocol import Bus
from reelwright.inference.restorer import EngineRestorer
from reelwright.inference.settings import InferenceSettings
from reelwright.inference.worker import Worker
from reelwright.restoration.engine import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.telemetry.server import TelemetryServer


def serve(bus: Bus, stop: threading.Event, settings: InferenceSettings | None = None) -> None:
    """Runs a worker until `stop` is set, then drains; settings come from the environment unless given.

    Raises:
        ModelError: the model or the engine of the settings cannot be used.
        UnavailableError: the metrics port cannot be listened on.
    """
    settings = settings or InferenceSettings()
    model = resolve_model(settings.model)
    threads = settings.threads or os.cpu_count() or 1
    engine = create_engine(settings.engine, model, threads=threads, streams=settings.parallel)
    worker = Worker(bus, EngineRestorer(engine, model), settings)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            # Reachable from other machines: it is there to be scraped and probed.
            stack.enter_context(TelemetryServer(settings.metrics_port, lambda: worker.connected, host=""))
        worker.run(stop)
