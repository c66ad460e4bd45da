"""What the dispatcher says of models that no worker serves."""

from __future__ import annotations

import pytest

from reelwright.dispatcher.unserved_models import UnservedModels
from tests.support.leasing import Clock


def test_a_model_is_named_once_it_went_unserved_for_long(caplog: pytest.LogCaptureFixture) -> None:
    """A model is named after it went unserved for a while, once, and again only after a worker served it."""
    clock = Clock()
    unserved = UnservedModels(10, clock)
    told = []
    for now, waiting in ((0, 1), (9, 2), (10, 3), (30, 4), (31, 0), (32, 5), (41, 5), (42, 6)):
        clock.now = now
        unserved.watch({"ab": ("reel-s", waiting)} if waiting else {}, workers=2)
        told.append([vars(record)["batches"] for record in caplog.records])
    assert told == [[], [], [3], [3], [3], [3], [3], [3, 6]]
