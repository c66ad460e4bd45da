"""Dead letters: messages that no service could process, with what can be read of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel

from reelwright.bus.dead_letters import run_of_key
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Record
from reelwright.bus.settings import BusSettings
from reelwright.bus.topics import DEAD_LETTER, FRAMES, RESTORED
from reelwright.client.status import read_status
from reelwright.ledger.run_ledger import OpenLedger
from reelwright.settings import read_settings
from reelwright.titles.errors import UnusableMessage, UserError
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch

_BATCHES: dict[str, type[FrameBatch] | type[RestoredBatch]] = {
    **dict.fromkeys(FRAMES.values(), FrameBatch),
    RESTORED: RestoredBatch,
}
_UNKNOWN = "unknown"


class DeadLetter(BaseModel):
    """A dead letter.

    Attributes:
        time: when it was published, RFC 3339.
        run: the run it belongs to.
        state: the present state of that run; unknown where the ledger has no such run.
        topic: the topic that the message came from.
        segment: segment of the batch in it; None where there is no readable batch.
        frames: first and last frame of the batch; None likewise.
        reason: why no service could process it.
    """

    time: str
    run: str
    state: str
    topic: str
    segment: int | None
    frames: tuple[int, int] | None
    reason: str


def list_dead_letters(ledger: OpenLedger) -> list[DeadLetter]:
    """The dead letters of the broker of the environment, oldest first.

    Args:
        ledger: opens the ledger of an attempt.

    Raises:
        UserError: a setting or login that must be corrected.
        UnavailableError: the broker or the store does not answer.
    """
    # Loaded here: Kafka's client takes a second.
    from reelwright.bus.kafka.reader import read_topic

    return read_dead_letters(read_topic(read_settings(BusSettings), DEAD_LETTER), ledger)


def read_dead_letter(published: float, record: Record, state: str) -> DeadLetter:
    """Reads a record of the dead-letter topic, as far as it can be read.

    Args:
        published: Unix seconds.
        record: the record.
        state: of its run.
    """
    topic = record.headers.get("topic", _UNKNOWN)
    letter = DeadLetter(
        time=datetime.fromtimestamp(published, UTC).isoformat(timespec="seconds"),
        run=run_of_key(record),
        state=state,
        topic=topic,
        segment=None,
        frames=None,
        reason=record.headers.get("reason", _UNKNOWN),
    )
    kind = _BATCHES.get(topic)
    if kind is None:
        return letter
    try:
        batch = read_message(record, kind)
    except UnusableMessage:
        return letter
    letter.segment = batch.segment
    letter.frames = (batch.first_frame, batch.first_frame + len(batch.frames) - 1)
    return letter


def read_dead_letters(records: Iterable[tuple[float, Record]], ledger: OpenLedger) -> list[DeadLetter]:
    """Dead letters, oldest first, with the present state of each one's run.

    Args:
        records: of the dead-letter topic, with the Unix seconds of their publication.
        ledger: opens the ledger of an attempt.

    Raises:
        UnavailableError: the store does not answer.
    """
    states: dict[str, str] = {}
    letters = []
    for published, record in sorted(records, key=lambda found: found[0]):
        run = run_of_key(record)
        if run not in states:
            states[run] = _state(run, ledger)
        letters.append(read_dead_letter(published, record, states[run]))
    return letters


def _state(run: str, ledger: OpenLedger) -> str:
    try:
        return read_status(run, ledger).state
    except UserError:
        return _UNKNOWN
