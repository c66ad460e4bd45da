"""What an encoder counts when it has delivered a film."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from reelwright.bus.local.bus import LocalBus
from reelwright.encoder import film_assembler
from reelwright.encoder.film_assembler import FilmAssembler
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.film_folder import FilmFolder
from reelwright.ledger.run_ledger import RunLedger
from tests.support.dispatch_harness import until
from tests.support.ledgers import RUN, planned, put_run, request_of, title_of


@pytest.mark.parametrize(("seconds", "late"), [(-60.0, 1), (3600.0, 0), (None, 0)])
def test_films_after_their_deadline_are_counted(
    seconds: float | None, late: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film counts as late by the deadline of the last submission; one without a deadline is never late."""
    ledger = RunLedger(str(tmp_path / "ledger"), RUN)
    # The deadline in the title's record is long over.
    put_run(ledger, tmp_path, title_of(str(tmp_path / "a.mp4")), planned([4]))
    ledger.put_request(request_of(deadline=0.0 if seconds is None else time.time() + seconds))
    made = SimpleNamespace(frames_out=4, cost=0.0, pts=(), concealed=(), truncated_at=None)
    monkeypatch.setattr(film_assembler, "assemble_title", lambda *_, **__: made)
    monkeypatch.setattr(film_assembler, "check_claim", lambda *_: None)
    monkeypatch.setattr(FilmFolder, "deliver", lambda *_: None)
    before = {name: REGISTRY.get_sample_value(f"reelwright_titles_{name}_total") or 0 for name in ("finished", "late")}
    bus = LocalBus()
    assembler = FilmAssembler(bus, partial(RunLedger, ledger.root), EncoderSettings(), CrashGuard(3))
    assembler.assemble_when_complete(RUN, 1)
    until(lambda: ledger.outcome() is not None, "the film is delivered")
    assembler.close()
    bus.close()
    assert REGISTRY.get_sample_value("reelwright_titles_finished_total") == before["finished"] + 1
    assert REGISTRY.get_sample_value("reelwright_titles_late_total") == before["late"] + late
