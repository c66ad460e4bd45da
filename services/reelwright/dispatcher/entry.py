"""The dispatcher as a process of its own."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from reelwright.bus.protocol import Bus
from reelwright.dispatcher.loop import Dispatcher
from reelwright.dispatcher.settings import DispatcherSettings
from reelwright.telemetry.server import TelemetryServer


def serve(bus: Bus, stop: threading.Event, settings: DispatcherSettings | None = None) -> None:
    """Runs a dispatcher until `stop` is set, then drains; settings come from the environment unless given.

    Raises:
        UnavailableError: an address or port of the settings cannot be listened on.
    """
    settings = settings or DispatcherSettings()
    dispatcher = Dispatcher(bus, settings)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            # Reachable from other machines: it is there to be scraped and probed.
            stack.enter_context(TelemetryServer(settings.metrics_port, lambda: dispatcher.serving, host=""))
        dispatcher.run(stop)
