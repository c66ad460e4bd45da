"""Creates the decoder of a role process."""

from __future__ import annotations

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.decoder.loop import DecoderService
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.run_ledger import OpenLedger


def create(bus: Bus, ledger: OpenLedger, claims: ClaimCheck) -> DecoderService:
    """A decoder with the settings of the environment."""
    return DecoderService(bus, ledger, claims, DecoderSettings())
