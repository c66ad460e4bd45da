"""What the decoder does with requests that it cannot read, and with titles that the ledger does not know."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import request_to_wire
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import DECODER_GROUP, TITLES, run_key
from reelwright.decoder.loop import DecoderService
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import UnavailableError
from tests.support.dispatch_harness import until
from tests.support.ledgers import RUN, request_of

UNREADABLE = b"\xff\xff\xff"


class UnavailableStore:
    """Opens ledgers below `root`; fails like a store that does not answer while `available` is not set."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.available = threading.Event()
        self.refused = threading.Event()

    def open(self, run: str, attempt: int = 1) -> RunLedger:
        if not self.available.is_set():
            self.refused.set()
            raise UnavailableError("does not answer", "the store", "try again")
        return RunLedger(self.root, run, attempt)


def outcome_of(ledger: RunLedger) -> Outcome:
    until(lambda: ledger.outcome() is not None, "an outcome")
    outcome = ledger.outcome()
    assert outcome is not None
    return outcome


def test_a_request_is_not_lost_while_the_store_does_not_answer(tmp_path: Path) -> None:
    """An unreadable request stays unacknowledged until the ledger answers whether it knows the title."""
    store, bus, stop = UnavailableStore(tmp_path), LocalBus(), threading.Event()
    ledger = RunLedger(str(tmp_path), RUN)
    ledger.put_request(request_of(source=str(tmp_path / "missing.mp4")))
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    try:
        bus.publish(TITLES, run_key(RUN), UNREADABLE)
        assert store.refused.wait(30)
        store.available.set()
        assert "missing.mp4" in outcome_of(ledger).reason
    finally:
        stop.set()
        thread.join()
        bus.close()


def test_an_unread_request_goes_to_the_next_decoder(tmp_path: Path) -> None:
    """A decoder that stops while the store does not answer leaves the request unacknowledged."""
    store, bus, stop = UnavailableStore(tmp_path), LocalBus(), threading.Event()
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    bus.publish(TITLES, run_key(RUN), UNREADABLE)
    assert store.refused.wait(30)
    stop.set()
    thread.join()
    following = bus.consumer([TITLES], DECODER_GROUP)
    assert [record.value for record in following.poll(30)] == [UNREADABLE]
    bus.close()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda recipe: recipe.replace('"scale"', '"skale"'), "unknown key 'skale'; upgrade"),
        (lambda _: "[" * 100_000, "nested too deeply"),
    ],
    ids=["of a later version", "nested"],
)
def test_a_request_with_a_recipe_that_cannot_be_used_fails_its_title(
    tmp_path: Path, written: Callable[[str], str], said: str
) -> None:
    """A recipe that cannot be used, on the bus and in the ledger, ends in an outcome that says why."""
    store, bus, stop = UnavailableStore(tmp_path), LocalBus(), threading.Event()
    store.available.set()
    ledger = RunLedger(str(tmp_path), RUN)
    request = request_of()
    ledger.put_request(request)
    stored = tmp_path / RUN / "request.json"
    recipe = written(request.recipe.canonical())
    document = json.loads(stored.read_text())
    stored.write_text(json.dumps({**document, "recipe": recipe}))
    message = request_to_wire(request)
    message.recipe = recipe
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    try:
        publish_message(bus, TITLES, run_key(RUN), message)
        outcome = outcome_of(ledger)
        assert (outcome.state, outcome.exit_code, outcome.error) == ("failed", 2, "RecipeError")
        assert said in outcome.reason
    finally:
        stop.set()
        thread.join()
        bus.close()


def test_a_run_that_cannot_be_read_keeps_no_other_title_waiting(tmp_path: Path) -> None:
    """A request below a file that has the name of the run's folder is tried again, and the title after it is served."""
    store, bus, stop = UnavailableStore(tmp_path), LocalBus(), threading.Event()
    store.available.set()
    (tmp_path / RUN).write_bytes(b"not a folder")
    ledger = RunLedger(str(tmp_path), RUN[::-1])
    ledger.put_request(request_of(run=ledger.run, source=str(tmp_path / "missing.mp4")))
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    try:
        publish_message(bus, TITLES, run_key(RUN), request_to_wire(request_of()))
        publish_message(bus, TITLES, run_key(ledger.run), request_to_wire(request_of(run=ledger.run)))
        assert "missing.mp4" in outcome_of(ledger).reason
    finally:
        stop.set()
        thread.join()
    following = bus.consumer([TITLES], DECODER_GROUP)
    assert [record.key for record in following.poll(30)] == [run_key(RUN)]
    bus.close()


def test_a_title_without_a_request_in_the_ledger_is_not_restored(tmp_path: Path) -> None:
    """A title that only the bus asks for is acknowledged and counted, and its run's folder is never made."""
    store, bus, stop = UnavailableStore(tmp_path / "ledger"), LocalBus(), threading.Event()
    store.available.set()
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    strays = REGISTRY.get_sample_value("reelwright_stray_titles_total") or 0.0
    try:
        stray = request_of(source=str(tmp_path / "missing.mp4"), output=str(tmp_path / "film.mp4"))
        publish_message(bus, TITLES, run_key(RUN), request_to_wire(stray))
        until(lambda: REGISTRY.get_sample_value("reelwright_stray_titles_total") == strays + 1, "the stray title")
    finally:
        stop.set()
        thread.join()
    assert bus.consumer([TITLES], DECODER_GROUP).poll(0.1) == []
    assert not (tmp_path / "ledger").exists()
    bus.close()


def test_the_ledgers_request_counts(tmp_path: Path) -> None:
    """When the message and the ledger's request differ, the ledger's is followed."""
    store, bus, stop = UnavailableStore(tmp_path / "ledger"), LocalBus(), threading.Event()
    store.available.set()
    ledger = store.open(RUN)
    ledger.put_request(request_of(source=str(tmp_path / "submitted.mp4")))
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    try:
        forged = request_of(source=str(tmp_path / "forged.mp4"))
        publish_message(bus, TITLES, run_key(RUN), request_to_wire(forged))
        assert "submitted.mp4" in outcome_of(ledger).reason
    finally:
        stop.set()
        thread.join()
        bus.close()


@pytest.mark.parametrize("output", ["source.mp4", "source.mp4/", "./source.mp4", "hard.mp4", "soft.mp4", "film.py"])
def test_a_request_whose_output_is_its_source_fails_its_title(tmp_path: Path, output: str) -> None:
    """A request that no client would write fails its title in one line, and the source stays as it was."""
    source = tmp_path / "source.mp4"
    source.write_bytes(b"precious")
    (tmp_path / "hard.mp4").hardlink_to(source)
    (tmp_path / "soft.mp4").symlink_to(source)
    store, bus, stop = UnavailableStore(tmp_path / "ledger"), LocalBus(), threading.Event()
    store.available.set()
    request = request_of(source=str(source), output=f"{tmp_path}/{output}")
    ledger = store.open(RUN)
    ledger.put_request(request)
    decoder = DecoderService(bus, store.open, ClaimCheck(str(tmp_path), 1), DecoderSettings())
    thread = threading.Thread(target=decoder.run, args=(stop,))
    thread.start()
    try:
        publish_message(bus, TITLES, run_key(RUN), request_to_wire(request))
        outcome = outcome_of(ledger)
    finally:
        stop.set()
        thread.join()
        bus.close()
    assert (outcome.state, outcome.exit_code, outcome.error) == ("failed", 2, "OutputError")
    assert "\n" not in outcome.reason
    assert source.read_bytes() == b"precious"
