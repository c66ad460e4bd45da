"""Dead letters as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import typer
from pydantic import BaseModel

from reelwright.bus.dead_letters import run_of
from reelwright.bus.messages import read_message
from reelwright.bus.protocol import Record
from reelwright.bus.topics import FRAMES, RESTORED
from reelwright.client.status import read_status
from reelwright.ledger.run_ledger import RunLedger
from reelwright.titles.errors import UnusableMessage, UserError
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch

_BATCHES: dict[str, type[FrameBatch] | type[RestoredBatch]] = {
    **dict.fromkeys(FRAMES.values(), FrameBatch),
    RESTORED: RestoredBatch,
}
UNKNOWN = "unknown"


class DeadLetter(BaseModel):
    """A dead letter.

    Attributes:
        time: when it was buried, RFC 3339.
        run: the run it belonged to.
        state: how that run stands now; unknown where the ledger has no such run.
        topic: where the message came from.
        segment: of the batch in it; None where it holds none that can be read.
        frames: first and last frame of the batch; None likewise.
        reason: why nobody could use it.
    """

    time: str
    run: str
    state: str
    topic: str
    segment: int | None
    frames: tuple[int, int] | None
    reason: str


def read_dead_letter(buried: float, record: Record, state: str) -> DeadLetter:
    """What a record of the dead-letter topic, published at `buried` (Unix seconds), tells; however little it is."""
    topic = record.headers.get("topic", UNKNOWN)
    letter = DeadLetter(
        time=datetime.fromtimestamp(buried, UTC).isoformat(timespec="seconds"),
        run=run_of(record),
        state=state,
        topic=topic,
        segment=None,
        frames=None,
        reason=record.headers.get("reason", UNKNOWN),
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


def read_dead_letters(records: Iterable[tuple[float, Record]], ledger: Callable[[str], RunLedger]) -> list[DeadLetter]:
    """Dead letters, oldest first, with the state that each one's run has now.

    Args:
        records: of the dead-letter topic, with the Unix seconds of their publication.
        ledger: opens a run's ledger by its name.

    Raises:
        UnavailableError: the store does not answer.
    """
    states: dict[str, str] = {}
    letters = []
    for buried, record in sorted(records, key=lambda found: found[0]):
        run = run_of(record)
        if run not in states:
            states[run] = _state(run, ledger)
        letters.append(read_dead_letter(buried, record, states[run]))
    return letters


def print_dead_letters(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    """Prints a line per letter, or a JSON list."""
    if as_json:
        typer.echo(json.dumps([letter.model_dump() for letter in letters], indent=2))
        return
    for letter in letters:
        frames = f"frames {letter.frames[0]}-{letter.frames[1]}" if letter.frames else ""
        segment = f"segment {letter.segment}" if letter.segment is not None else ""
        parts = (letter.time, letter.run, letter.state, letter.topic, segment, frames, letter.reason)
        typer.echo("  ".join(part for part in parts if part))


def _state(run: str, ledger: Callable[[str], RunLedger]) -> str:
    try:
        return read_status(run, ledger).state
    except UserError:
        return UNKNOWN
