"""Creates the dispatcher of a process."""

from __future__ import annotations

from reelwright.bus.protocol import Bus
from reelwright.dispatcher.loop import DispatcherService
from reelwright.dispatcher.settings import DispatcherSettings


def create(bus: Bus) -> DispatcherService:
    """Creates a dispatcher with the settings of the environment."""
    return DispatcherService(bus, DispatcherSettings())
