"""Claim checks: a payload too large for a message is kept in the store, and the message carries its name."""

from __future__ import annotations

import re

from reelwright.store.folder import Folder
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.errors import CorruptPayload, InputError
from reelwright.titles.identity import FIRST_ATTEMPT, attempt_folder
from reelwright.wire.frames_pb2 import Payload

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/attempts/[0-9]{6,})?/payloads/[0-9]{6,}/[0-9a-f]{64}")


class ClaimCheck:
    """Stores and loads payloads. Thread-safe.

    Args:
        root: the ledger's root, an fsspec location; None where there is no store, as in one process, so that every
            payload stays in its message.
        inline_bytes: largest coded payload that stays in its message.
        retry: how long to retry while the store is unavailable.
    """

    def __init__(self, root: str | None, inline_bytes: int, retry: RetryPolicy = NO_RETRY) -> None:
        self._folder = None if root is None else Folder(root, retry)
        self._inline_bytes = inline_bytes

    def store_if_large(self, payload: Payload, run: str, segment: int, attempt: int = FIRST_ATTEMPT) -> Payload:
        """Returns the payload unchanged, or, when it is large, stores its bytes and returns it with a reference.

        Raises:
            UnavailableError: the store does not answer or is full.
            OutputError: the store cannot be written.
        """
        if len(payload.inline) <= self._inline_bytes:
            return payload
        return self.store(payload, run, segment, attempt)

    def store(self, payload: Payload, run: str, segment: int, attempt: int = FIRST_ATTEMPT) -> Payload:
        """As `store_if_large`, for a payload of any size; without a store it is returned unchanged."""
        if self._folder is None:
            return payload
        reference = f"{_payload_folder(run, attempt, segment)}/{payload.digest.hex()}"
        # Replaces a stored payload of the same digest, which may be damaged. Not durable: it can be computed again.
        self._folder.replace(reference, payload.inline, durable=False)
        stored = Payload()
        stored.CopyFrom(payload)
        stored.reference = reference
        return stored

    def load(self, payload: Payload) -> bytes:
        """The coded bytes of a payload, from its message or the store. They are not checked against the digest.

        Raises:
            CorruptPayload: the reference is not valid, or the store has no such payload.
            UnavailableError: the store does not answer.
            InputError: the payload is in a store and this process has none.
        """
        if not payload.HasField("reference"):
            return payload.inline
        name = payload.reference
        # A message is not trusted: its reference must not lead to another file.
        if not _REFERENCE.fullmatch(name):
            raise CorruptPayload(f"{name!r} is not the name of a payload")
        if self._folder is None:
            raise InputError("the payload is in a store", name, "set REELWRIGHT_STORE_LEDGER")
        data = self._folder.read(name)
        if data is None:
            raise CorruptPayload(f"{self._folder.address(name)}: the payload is missing")
        return data

    def delete_payloads(self, run: str, segment: int | None = None, attempt: int = FIRST_ATTEMPT) -> None:
        """Deletes the stored payloads of a segment, or of the whole attempt; does nothing when there are none."""
        if self._folder is not None:
            self._folder.remove_all(_payload_folder(run, attempt, segment))


def _payload_folder(run: str, attempt: int, segment: int | None) -> str:
    folder = f"{attempt_folder(run, attempt)}/payloads"
    return folder if segment is None else f"{folder}/{segment:06d}"
