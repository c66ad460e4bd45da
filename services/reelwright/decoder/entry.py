"""Creates the decoder of a role process."""

from __future__ import annotations

from collections.abc import Callable

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.decoder.loop import DecoderService
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.run_ledger import RunLedger


def create(bus: Bus, ledger: Callable[[str], RunLedger], claims: ClaimCheck) -> DecoderService:
    """A decoder with the settings of the environment."""
    return DecoderService(bus, ledger, claims, DecoderSettings())
