"""Connects commands and roles to the broker and the store that the environment names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.bus.settings import BusSettings
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.restoration.stored_models import described_model, fetched_model, is_stored
from reelwright.settings import read_settings
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.store.settings import StoreSettings


def connect() -> Bus:
    """Connects to the broker of the environment, and checks that it has the topics.

    Raises:
        UnavailableError: no broker answers, or topics are missing.
        UserError: settings, login or topics must be corrected.
    """
    # Imported here: `status` needs the ledger alone, and importing Kafka's client takes a second.
    from reelwright.bus.kafka.bus import KafkaBus

    return KafkaBus.connect(read_settings(BusSettings))


@contextmanager
def connected() -> Iterator[Bus]:
    """Connects as `connect`, and closes the bus at the end of the `with` block."""
    bus = connect()
    try:
        yield bus
    finally:
        bus.close()


def ledger_root() -> str:
    """The location of the cluster's ledger.

    Raises:
        UserError: REELWRIGHT_STORE_LEDGER is not set, or is no location.
    """
    return read_settings(StoreSettings).root


def open_ledger(retry: RetryPolicy = NO_RETRY) -> OpenLedger:
    """Returns a function that opens the ledger of an attempt.

    Args:
        retry: how long to retry while the store is unavailable.

    Raises:
        UserError: as `ledger_root`, and when no places for sources and films follow from the settings.
    """
    settings = read_settings(StoreSettings)
    return partial(RunLedger, settings.root, retry=retry, allowed=settings.allowed_locations)


def open_models(retry: RetryPolicy = NO_RETRY) -> Callable[[str], AbstractContextManager[ModelFile]]:
    """Returns a function that gets a network by its name; see `restoration.stored_models.fetched_model`.

    Args:
        retry: how long to retry while the store is unavailable.

    Raises:
        UserError: as `ledger_root`.
    """
    return partial(fetched_model, root=ledger_root(), retry=retry)


def find_model(name: str) -> ModelFile:
    """What is known of a network; no store is needed for one that is not in it.

    Raises:
        ModelError: there is no such network, or it cannot be used.
        UnavailableError: the store does not answer.
        UserError: as `ledger_root`.
    """
    return described_model(name, ledger_root()) if is_stored(name) else resolve_model(name)


def open_claims(retry: RetryPolicy = NO_RETRY) -> ClaimCheck:
    """Opens the claim check: the store of payloads that are too large for a message.

    Args:
        retry: how long to retry while the store is unavailable.

    Raises:
        UserError: as `ledger_root`, and for sizes that are not valid.
    """
    return ClaimCheck(ledger_root(), read_settings(BusSettings).inline_bytes, retry)
