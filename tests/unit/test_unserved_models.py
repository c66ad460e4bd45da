"""What the dispatcher logs about models that no worker serves."""

from __future__ import annotations

import pytest

from reelwright.dispatcher.ready_queue import UnservedModel
from reelwright.dispatcher.unserved_models import UnservedModels
from tests.support.lease_tables import ManualClock


def test_a_model_is_logged_after_it_was_unserved_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """A model is logged once when it was unserved for long enough, and again only after a worker served it."""
    clock = ManualClock()
    unserved = UnservedModels(10, clock)
    logged = []
    for now, waiting in ((0, 1), (9, 2), (10, 3), (30, 4), (31, 0), (32, 5), (41, 5), (42, 6)):
        clock.now = now
        unserved.report([UnservedModel("reel-s", "ab", "torch", waiting)] if waiting else [], workers=2)
        logged.append([vars(record)["batches"] for record in caplog.records])
    assert logged == [[], [], [3], [3], [3], [3], [3], [3, 6]]
