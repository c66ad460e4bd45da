"""The five roles. Each loads only what it needs: a dispatcher no FFmpeg, a decoder no network runtime."""

from __future__ import annotations

import threading
from typing import Protocol

from reelwright.bus.protocol import Bus
from reelwright.store.retry import RetryPolicy

WITHOUT_BUS = frozenset({"controller"})
"""Roles that start without a broker, and connect to it when they need it."""


class Role(Protocol):
    """What a role's `create` returns."""

    @property
    def unready(self) -> str:
        """Why it takes no work although its bus answers, in one line; empty when it takes work."""

    def run(self, stop: threading.Event) -> None:
        """Serves until `stop` is set, then drains."""


def create(role: str, bus: Bus | None, retry: RetryPolicy) -> Role:
    """Creates a role with the settings of the environment.

    Args:
        role: decoder, dispatcher, inference, encoder or controller.
        bus: connected to the broker; None for a role of WITHOUT_BUS.
        retry: retries while the store is unavailable, until the process must stop.

    Raises:
        UserError: a setting, a model or the ledger's location must be corrected.
        UnavailableError: the process must stop while it waits for the store.
    """
    if bus is None:
        from reelwright.controller.entry import create as create_controller

        return create_controller()
    if role == "dispatcher":
        from reelwright.dispatcher.entry import create as create_dispatcher

        return create_dispatcher(bus)
    from reelwright.client.connection import open_claims, open_ledger, open_models

    if role == "inference":
        from reelwright.inference.entry import create as create_inference

        return create_inference(bus, open_claims(retry), open_models(retry))
    if role == "decoder":
        from reelwright.decoder.entry import create as create_decoder

        return create_decoder(bus, open_ledger(retry), open_claims(retry))
    from reelwright.encoder.entry import create as create_encoder

    return create_encoder(bus, open_ledger(retry), open_claims(retry))
