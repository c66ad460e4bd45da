"""Creates the encoder of a role process."""

from __future__ import annotations

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.encoder.loop import EncoderService
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.credentials import configured_signing
from reelwright.ledger.run_ledger import OpenLedger


def create(bus: Bus, ledger: OpenLedger, claims: ClaimCheck) -> EncoderService:
    """An encoder with the settings of the environment."""
    return EncoderService(bus, ledger, claims, EncoderSettings(), signing=configured_signing())
