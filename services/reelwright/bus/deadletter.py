"""Dead letters: records that no service can use, kept for whoever looks into them."""

from __future__ import annotations

import logging

from reelwright.bus.protocol import Bus, BusFull, Record
from reelwright.bus.topics import DEAD_LETTER
from reelwright.telemetry import metrics

log = logging.getLogger(__name__)

_SECONDS = 5.0


def bury(bus: Bus, record: Record, reason: str) -> None:
    """Publishes a record to the dead-letter topic with its reason and the topic it came from; never raises.

    A dead letter only helps to find out why, so one that finds no room is logged and given up.
    """
    reason = " ".join(reason.split())
    where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.error("dead letter", extra={**where, "reason": reason})
    metrics.DEAD_LETTERS.inc()
    headers = {**record.headers, "reason": reason, "topic": record.topic}
    try:
        bus.publish(DEAD_LETTER, record.key, record.value, headers, timeout=_SECONDS)
    except BusFull as error:
        log.error("dead letter lost", extra={**where, "reason": str(error)})


def run_of(record: Record) -> str:
    """The run that a record's key names, whatever its value is."""
    return record.key.decode(errors="replace").partition("/")[0]
