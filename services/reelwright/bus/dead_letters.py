"""Dead letters: records that no service can use, kept for whoever looks into them."""

from __future__ import annotations

from reelwright.bus.events import publish_event
from reelwright.bus.protocol import Bus, BusClosed, BusFull, Record
from reelwright.bus.topics import DEAD_LETTER
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import BrokerError
from reelwright.wire.titles_pb2 import Event, SegmentWanted

log = get_logger(__name__)

_SECONDS = 5.0
# Segments are numbered in 32 bits.
_MOST_DIGITS = 9


def dead_letter(bus: Bus, record: Record, reason: str) -> None:
    """Publishes a record to the dead-letter topic with its reason and the topic it came from; never raises.

    A dead letter only helps to find out why, so one that finds no room is logged and given up.
    """
    reason = " ".join(reason.split())
    where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.error("dead letter", **where, reason=reason)
    metrics.DEAD_LETTERS.inc()
    headers = {**record.headers, "reason": reason, "topic": record.topic}
    # One that is too large to be kept whole is kept without its value, for its reason.
    for value in (record.value, b""):
        try:
            bus.publish(DEAD_LETTER, record.key, value, headers, timeout=_SECONDS)
        except BrokerError as error:
            log.error("dead letter refused", **where, bytes=len(value), reason=str(error))
        except (BusFull, BusClosed) as error:
            log.error("dead letter lost", **where, reason=str(error))
            return
        else:
            return


def dead_letter_batch(bus: Bus, record: Record, reason: str) -> None:
    """Buries a record of frames, and asks for the segment that its key names: what it held may be missing now.

    A stray message costs one more pass over the title; one that comes back every time fails it in the end.
    """
    dead_letter(bus, record, reason)
    run, _, segment = record.key.decode(errors="replace").partition("/")
    if run and segment.isdecimal() and len(segment) <= _MOST_DIGITS:
        wanted = SegmentWanted(segment=int(segment), reason=" ".join(reason.split()))
        publish_event(bus, Event(run=run, segment_wanted=wanted))


def run_of(record: Record) -> str:
    """The run that a record's key names, whatever its value is."""
    return record.key.decode(errors="replace").partition("/")[0]
