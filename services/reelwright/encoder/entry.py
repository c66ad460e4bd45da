"""The encoder as a process of its own."""

from __future__ import annotations

from collections.abc import Callable

from reelwright.bus.protocol import Bus
from reelwright.encoder.loop import Encoder
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.store import RunLedger
from reelwright.store.claims import Claims


def create(bus: Bus, ledger: Callable[[str], RunLedger], claims: Claims) -> Encoder:
    """An encoder with the settings of the environment."""
    return Encoder(bus, ledger, claims, EncoderSettings())
