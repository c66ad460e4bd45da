"""Messages as protobuf on the bus, marked with the version of their format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from reelwright.bus.protocol import Bus, Record
from reelwright.titles.errors import UnusableMessage

Kind = TypeVar("Kind", bound=Message)

FORMAT = 1
"""Raised when a reader of the former format would misread a message; new fields alone do not raise it."""

_HEADER = "format"


def publish_message(
    bus: Bus,
    topic: str,
    key: bytes,
    message: Message,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> None:
    """Publishes a message; see `Bus.publish`.

    Raises:
        BusFull: there was no room within `timeout` seconds.
        BusClosed: the bus was closed before it had the message.
    """
    bus.publish(topic, key, message.SerializeToString(), {**(headers or {}), _HEADER: str(FORMAT)}, timeout)


def read_message(record: Record, kind: type[Kind]) -> Kind:
    """The message in a record.

    Raises:
        UnusableMessage: not a whole message of this kind, or of a format that only a later version reads.
    """
    version = record.headers.get(_HEADER, str(FORMAT))
    if version != str(FORMAT):
        raise UnusableMessage(f"format {version} of {kind.__name__}; this version reads {FORMAT}: upgrade it")
    try:
        return kind.FromString(record.value)
    except DecodeError as error:
        raise UnusableMessage(f"not a {kind.__name__}: {error}") from None
