"""Submission: deadlines, outputs, settings of the environment, and dead letters."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from reelwright.bus.local.bus import LocalBus
from reelwright.bus.protocol import Record
from reelwright.bus.topics import FRAMES, TITLES, segment_key
from reelwright.client import connection as cluster
from reelwright.client.cancellation import cancel
from reelwright.client.dead_letters import read_dead_letter
from reelwright.client.request import parse_deadline
from reelwright.client.status import outcomes, read_status
from reelwright.client.submission import next_attempt, submit
from reelwright.decoder.settings import DecoderSettings
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import RunLedger
from reelwright.process.roles import create
from reelwright.settings import ServeSettings, naming_variables, read_settings
from reelwright.store.retry import RetryPolicy
from reelwright.store.settings import StoreSettings
from reelwright.titles.errors import OutputError, UnavailableError, UserError
from tests.support.dispatch_harness import batch
from tests.support.ledgers import probe_of, request_of

NOW = 1_700_000_000.0
RUN = "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2h", 7200), ("1d12h", 129_600), ("1.5h", 5400), ("1h30m", 5400)]
)
def test_a_duration_counts_from_now(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days add up."""
    assert parse_deadline(text, NOW) == NOW + seconds


def test_a_moment_is_taken_in_its_zone() -> None:
    """A moment with a zone means that zone, one without means this machine's."""
    wanted = datetime(2030, 5, 1, 18, tzinfo=UTC)
    assert parse_deadline("2030-05-01T20:00+02:00", NOW) == wanted.timestamp()
    assert parse_deadline(wanted.astimezone().replace(tzinfo=None).isoformat(), NOW) == wanted.timestamp()


@pytest.mark.parametrize("text", ["", "soon", "2 hours", "2h later", "-2h", "12", "2030-13-01", "2001-01-01"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    """Anything else, and the past, is one line that names the option."""
    with pytest.raises(UserError, match="--deadline"):
        parse_deadline(text, NOW)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("REELWRIGHT_DECODER_TITLES", "0", DecoderSettings),
        ("REELWRIGHT_DECODER_LIMITS__MAX_WIDTH", "wide", DecoderSettings),
        ("REELWRIGHT_GRACE_SECONDS", "soon", ServeSettings),
        ("REELWRIGHT_STORE_LEDGER", "", StoreSettings),
    ],
)
def test_a_wrong_setting_is_named_as_it_is_written(
    name: str, value: str, kind: type[DecoderSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the variable of the environment, not the field of a class."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^{name}: "):
        read_settings(kind)


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that has no default and is not there is said to be missing."""
    monkeypatch.delenv("REELWRIGHT_STORE_LEDGER", raising=False)
    with pytest.raises(UserError, match="REELWRIGHT_STORE_LEDGER: is not set"):
        read_settings(StoreSettings)


def test_other_errors_pass() -> None:
    """What is no setting is left as it is."""
    with pytest.raises(ZeroDivisionError), naming_variables("REELWRIGHT_"):
        _ = 1 // 0


def test_a_dead_letter_tells_what_it_holds() -> None:
    """A batch that can be read names its segment and frames, anything else its topic and reason alone."""
    topic = FRAMES["bulk"]
    headers = {"topic": topic, "reason": "it failed"}
    value = batch(RUN, 3, 1).SerializeToString()
    letter = read_dead_letter(
        NOW,
        Record(topic="dead", partition=0, offset=0, key=segment_key(RUN, 3), value=value, headers=headers),
        "failed",
    )
    assert (letter.run, letter.state, letter.topic, letter.reason) == (RUN, "failed", topic, "it failed")
    assert (letter.segment, letter.frames) == (3, (302, 303))
    assert letter.time == "2023-11-14T22:13:20+00:00"
    for content, sent in ((b"\xff", headers), (b"", {}), (value, {**headers, "format": "99"})):
        letter = read_dead_letter(
            NOW,
            Record(topic="dead", partition=0, offset=0, key=segment_key(RUN, 3), value=content, headers=sent),
            "unknown",
        )
        assert (letter.run, letter.segment, letter.frames) == (RUN, None, None)


def test_a_broker_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    """A submission ends with a line when the broker takes nothing for long, and the ledger keeps what was asked."""
    bus, ledger = LocalBus(max_bytes=1), RunLedger(str(tmp_path / "ledger"), RUN)
    bus.publish(TITLES, b"k", b"what fills it")
    request = request_of(source="in.mp4", output=str(tmp_path / "out.mp4"))
    with pytest.raises(UnavailableError, match="takes no messages"):
        submit(request, ledger, bus, publish_seconds=0.2)
    known = ledger.request()
    assert known is not None
    assert known.output == request.output


@pytest.mark.parametrize("name", ["out.mp4", "out.mp4.manifest.json", "out.mp4.report.html"])
def test_a_submission_replaces_a_foreign_file_only_when_told(name: str, tmp_path: Path) -> None:
    """An output that holds a file of other origin is refused before anything is written, unless told."""
    bus, ledger = LocalBus(), RunLedger(str(tmp_path / "ledger"), RUN)
    request = request_of(output=str(tmp_path / "out.mp4"))
    (tmp_path / name).write_bytes(b"somebody's")
    with pytest.raises(OutputError, match="--overwrite"):
        submit(request, ledger, bus)
    assert ledger.request() is None
    assert submit(request.model_copy(update={"overwrite": True}), ledger, bus)
    assert (tmp_path / name).read_bytes() == b"somebody's"


def test_a_run_under_way_may_be_submitted_again(tmp_path: Path) -> None:
    """A film that the run itself is delivering at this moment is no foreign file."""
    bus, ledger = LocalBus(), RunLedger(str(tmp_path / "ledger"), RUN)
    request = request_of(output=str(tmp_path / "out.mp4"))
    assert submit(request, ledger, bus)
    (tmp_path / "out.mp4").write_bytes(b"delivered, without its manifest yet")
    assert submit(request, ledger, bus)


def test_a_submission_keeps_what_it_found_in_the_source(tmp_path: Path) -> None:
    """The probe of a submission is in the folder of its attempt, and a submission without one leaves it there."""
    bus, ledger = LocalBus(), RunLedger(str(tmp_path / "ledger"), RUN)
    request = request_of(output=str(tmp_path / "out.mp4"))
    assert submit(request, ledger, bus, probe_of())
    assert submit(request, ledger, bus)
    assert ledger.probe() == probe_of()
    ledger.put_outcome(Outcome(state="failed", exit_code=1))
    assert submit(request, ledger, bus)
    assert ledger.at(2).probe() is None


def test_an_attempt_whose_request_cannot_be_used_fails_with_its_own_exit_code(tmp_path: Path) -> None:
    """A recipe of a later version ends its attempt as a fault of the request, and the next attempt begins."""
    bus, ledger = LocalBus(), RunLedger(str(tmp_path / "ledger"), RUN)
    request = request_of(output=str(tmp_path / "out.mp4"))
    assert submit(request, ledger, bus)
    stored = tmp_path / "ledger" / RUN / "request.json"
    stored.write_text(stored.read_text().replace("scale", "skale"))
    assert submit(request, ledger, bus)
    outcome = ledger.outcome()
    assert outcome is not None
    assert (outcome.state, outcome.exit_code, outcome.error) == ("failed", 2, "RecipeError")
    assert ledger.latest().attempt == 2


def test_a_run_whose_outcome_cannot_be_read_is_submitted_again(tmp_path: Path) -> None:
    """After an attempt with an empty outcome a submission begins the next attempt."""
    bus, ledger = LocalBus(), RunLedger(str(tmp_path / "ledger"), RUN)
    request = request_of(output=str(tmp_path / "out.mp4"))
    assert submit(request, ledger, bus)
    (tmp_path / "ledger" / RUN / "outcome.json").touch()
    assert next_attempt(request, ledger) == 2
    assert submit(request, ledger, bus)
    assert (ledger.latest().attempt, ledger.latest().outcome()) == (2, None)


def test_a_run_whose_request_cannot_be_read_is_cancelled(tmp_path: Path) -> None:
    """A run with an empty request ends when it is cancelled."""
    bus, open_ledger = LocalBus(), partial(RunLedger, str(tmp_path / "ledger"))
    submit(request_of(output=str(tmp_path / "out.mp4")), open_ledger(RUN), bus)
    (tmp_path / "ledger" / RUN / "request.json").write_bytes(b"")
    assert cancel(RUN, open_ledger, bus)[1]
    assert [outcome.state for _, outcome in outcomes([RUN], open_ledger)] == ["cancelled"]


def test_a_run_whose_outcome_cannot_be_read_is_cancelled(tmp_path: Path) -> None:
    """A run with an empty outcome is shown as failed until it is cancelled."""
    bus, open_ledger = LocalBus(), partial(RunLedger, str(tmp_path / "ledger"))
    submit(request_of(output=str(tmp_path / "out.mp4")), open_ledger(RUN), bus)
    (tmp_path / "ledger" / RUN / "outcome.json").touch()
    assert read_status(RUN, open_ledger).state == "failed"
    assert cancel(RUN, open_ledger, bus)[1]
    assert read_status(RUN, open_ledger).state == "cancelled"


@pytest.mark.parametrize("role", ["decoder", "inference", "encoder"])
def test_a_role_waits_for_the_store(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every role that fetches payloads uses the retry policy of its process, which ends when it stops."""
    given: list[RetryPolicy | None] = []

    def opened(retry: RetryPolicy | None = None) -> None:
        given.append(retry)
        raise UserError("seen", "", "")

    monkeypatch.setattr(cluster, "open_ledger", lambda _: None)
    monkeypatch.setattr(cluster, "open_claims", opened)
    retry = RetryPolicy()
    with pytest.raises(UserError, match="seen"):
        create(role, LocalBus(), retry)
    assert given == [retry]
