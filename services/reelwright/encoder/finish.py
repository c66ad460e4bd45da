"""The end of a title: from committed segments to film, manifest and report."""

from __future__ import annotations

import logging
from pathlib import Path

from reelwright.ledger.records import SegmentRecord
from reelwright.ledger.store import RunLedger

log = logging.getLogger(__name__)


def ready(ledger: RunLedger) -> bool:
    """Whether the plan is whole and each of its segments committed."""
    end = ledger.plan_end()
    return end is not None and ledger.committed() >= set(range(end.segments))
