"""Protobuf messages on the bus, each with the version of its format in a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from reelwright.bus.protocol import Bus, Record
from reelwright.telemetry.tracing import TRACEPARENT, current_traceparent
from reelwright.titles.errors import UnusableMessage
from reelwright.titles.identity import FIRST_ATTEMPT, RunId, SegmentNumber
from reelwright.titles.versions import is_readable

Kind = TypeVar("Kind", bound=Message)

FORMAT = 1
"""Version of the format, which each message carries. `titles.versions` says what may change with it."""

_HEADER = "format"
ATTEMPT_HEADER = "attempt"
# Numbers are 32-bit integers in messages; nine digits always fit.
_MAX_DIGITS = 9


def publish_message(
    bus: Bus,
    topic: str,
    key: bytes,
    message: Message,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> None:
    """Publishes a message; see `Bus.publish`.

    Raises:
        BusFull: there was no room within `timeout` seconds.
        BusClosed: the bus was closed before it had the message.
    """
    headers = {**(headers or {}), _HEADER: str(FORMAT)}
    # Also as a header, for a message whose value arrives damaged.
    if (attempt := getattr(message, "attempt", FIRST_ATTEMPT)) > FIRST_ATTEMPT:
        headers[ATTEMPT_HEADER] = str(attempt)
    if traceparent := current_traceparent():
        headers[TRACEPARENT] = traceparent
    bus.publish(topic, key, message.SerializeToString(), headers=headers, timeout=timeout)


def read_message(record: Record, kind: type[Kind]) -> Kind:
    """Parses the message in a record.

    Args:
        record: the record.
        kind: the type of the message; it has the fields `run` and `attempt`.

    Returns:
        The message; one without an attempt is of the first.

    Raises:
        UnusableMessage: the value is not a message of this type, has the format of a later version, or its `run` is no
            RunId or a `segment` no SegmentNumber.
    """
    version = header_number(record, _HEADER, FORMAT)
    if version is None or not is_readable(version, FORMAT):
        named = record.headers[_HEADER][:_MAX_DIGITS]
        raise UnusableMessage(f"format {named} of {kind.__name__}; this version reads up to {FORMAT + 1}: upgrade it")
    return parse_message(record.value, kind)


def header_number(record: Record, name: str, default: int) -> int | None:
    """The number in a header; `default` without this header, None when it is not a number of up to nine digits."""
    text = record.headers.get(name, str(default))
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def parse_message(value: bytes, kind: type[Kind]) -> Kind:
    """Parses a message that did not come in a record, as `read_message` does.

    Raises:
        UnusableMessage: as `read_message`, except for the version.
    """
    try:
        message = kind.FromString(value)
    except DecodeError as error:
        raise UnusableMessage(f"not a {kind.__name__}: {error}") from None
    try:
        _check_names(message)
    except ValueError as error:
        raise UnusableMessage(str(error)) from None
    # Earlier versions know no attempts.
    message.attempt = message.attempt or FIRST_ATTEMPT  # type: ignore[attr-defined]
    return message


def _check_names(message: Message) -> None:
    """Refuses a run or a segment that could not be a folder's or a file's name; checked once, for all later code."""
    RunId(getattr(message, "run", ""))
    for part in (message, *(value for _, value in message.ListFields() if isinstance(value, Message))):
        if "segment" in part.DESCRIPTOR.fields_by_name:
            SegmentNumber(getattr(part, "segment"))  # noqa: B009 - the type of the message is not known here
