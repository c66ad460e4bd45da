"""Dead letters: records that no service can process, published to a topic of their own with the reason."""

from __future__ import annotations

from contextlib import suppress

from reelwright.bus.events import publish_event
from reelwright.bus.messages import ATTEMPT_HEADER, header_number
from reelwright.bus.protocol import Bus, BusClosed, BusFull, Record
from reelwright.bus.topics import DEAD_LETTER
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import BrokerError, one_line
from reelwright.titles.identity import FIRST_ATTEMPT, RunId, SegmentNumber
from reelwright.wire.titles_pb2 import Event, SegmentWanted

log = get_logger(__name__)

_PUBLISH_SECONDS = 5.0


def dead_letter(bus: Bus, record: Record, reason: str) -> None:
    """Publishes a record to the dead-letter topic; never raises.

    A dead letter is only a help for diagnosis, so one that the bus has no room for within 5 seconds is logged and
    dropped. A record that is too large for the topic is published without its value.

    Args:
        bus: the bus.
        record: the record; its headers are kept, and its topic and the reason are added as headers.
        reason: why no service can process it; line breaks become spaces.
    """
    reason = one_line(reason)
    source = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.error("dead letter", **source, reason=reason)
    metrics.DEAD_LETTERS.inc()
    headers = {**record.headers, "reason": reason, "topic": record.topic}
    for value in (record.value, b""):
        try:
            bus.publish(DEAD_LETTER, record.key, value, headers=headers, timeout=_PUBLISH_SECONDS)
        except BrokerError as error:
            log.error("dead letter rejected", **source, bytes=len(value), reason=str(error))
        except (BusFull, BusClosed) as error:
            log.error("dead letter dropped", **source, reason=str(error))
            return
        else:
            return


def dead_letter_batch(bus: Bus, record: Record, reason: str) -> None:
    """Publishes a record of frames as a dead letter, and requests the segment in its key again.

    The record may have held a batch that is missing now. A record that was never part of a title costs one more pass
    over that title. A segment whose batch is unusable every time fails the title in the end.
    """
    dead_letter(bus, record, reason)
    run, _, segment = record.key.decode(errors="replace").partition("/")
    attempt = header_number(record, ATTEMPT_HEADER, FIRST_ATTEMPT) or FIRST_ATTEMPT
    # A key is as little trusted as a message; one that names no segment belongs to no title.
    with suppress(ValueError):
        wanted = SegmentWanted(segment=SegmentNumber(int(segment)), reason=one_line(reason))
        publish_event(bus, Event(run=RunId(run), attempt=attempt, segment_wanted=wanted))


def run_of_key(record: Record) -> str:
    """The run in a record's key; also for a record whose value cannot be parsed."""
    return record.key.decode(errors="replace").partition("/")[0]
