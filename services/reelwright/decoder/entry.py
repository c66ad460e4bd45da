"""The decoder as a process of its own."""

from __future__ import annotations

from collections.abc import Callable

from reelwright.bus.protocol import Bus
from reelwright.decoder.loop import Decoder
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.store import RunLedger
from reelwright.store.claims import Claims


def create(bus: Bus, ledger: Callable[[str], RunLedger], claims: Claims) -> Decoder:
    """A decoder with the settings of the environment."""
    return Decoder(bus, ledger, claims, DecoderSettings())
