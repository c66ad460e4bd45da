"""Claim checks: a payload too large for a message is kept in the store, and the message carries its name."""

from __future__ import annotations

import re

from reelwright.bus.batch_limits import max_coded_bytes
from reelwright.store.folder import Folder
from reelwright.store.local import TEMPORARY_NAME
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.errors import CorruptPayload, InputError
from reelwright.titles.identity import FIRST_ATTEMPT, SegmentNumber, attempt_folder
from reelwright.wire.frames_pb2 import Payload

_PAYLOADS = "payloads"
_SEGMENT_NAME = re.compile(r"[0-9]{6,}")
_PAYLOAD_NAMES = (re.compile(r"[0-9a-f]{64}"), TEMPORARY_NAME)
_DIGEST_BYTES = 32


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

    def store_if_large(
        self, payload: Payload, run: str, segment: int, attempt: int = FIRST_ATTEMPT, *, beside: int = 0
    ) -> Payload:
        """Returns the payload unchanged, or, when it is large, stores its bytes and returns it with a reference.

        Args:
            payload: with its bytes.
            run: name of its run.
            segment: number of its segment.
            attempt: number of the run's attempt.
            beside: bytes of other payloads in the same message.

        Raises:
            UnavailableError: the store does not answer or is full.
            OutputError: the store cannot be written.
        """
        # Without a store it stays in any case, and to look at its bytes is to copy them.
        if self._folder is None or beside + len(payload.inline) <= self._inline_bytes:
            return payload
        return self.store(payload, run, segment, attempt)

    def store(self, payload: Payload, run: str, segment: int, attempt: int = FIRST_ATTEMPT) -> Payload:
        """As `store_if_large`, for a payload of any size; without a store it is returned unchanged."""
        if self._folder is None:
            return payload
        reference = _name(payload, run, segment, attempt)
        # Replaces a stored payload of the same digest, which may be damaged. Not durable: it can be computed again.
        self._folder.replace(reference, payload.inline, durable=False)
        stored = Payload()
        stored.CopyFrom(payload)
        stored.reference = reference
        return stored

    def load(self, payload: Payload, run: str, segment: int, attempt: int = FIRST_ATTEMPT) -> bytes:
        """The coded bytes of a payload, from its message or the store. They are not checked against the digest.

        Args:
            payload: of a batch of this segment.
            run: of the batch.
            segment: of the batch.
            attempt: of the batch.

        Raises:
            CorruptPayload: the reference is not that of this payload, or the store has no such payload, or a larger one
                than its pictures can be.
            UnavailableError: the store does not answer.
            InputError: the payload is in a store and this process has none.
        """
        if not payload.HasField("reference"):
            return payload.inline
        # The name is made here, of a run, a number and a digest. The text in the message is compared and never used.
        name = _name(payload, run, segment, attempt)
        if payload.reference != name:
            raise CorruptPayload(f"{payload.reference!r} is not the reference of this payload")
        if self._folder is None:
            raise InputError("the payload is in a store", name, "set REELWRIGHT_STORE_LEDGER")
        largest = max_coded_bytes(payload)
        # One byte more than the limit shows that the file is larger.
        data = self._folder.read(name, largest + 1)
        if data is None:
            raise CorruptPayload(f"{self._folder.address(name)}: the payload is missing")
        if len(data) > largest:
            raise CorruptPayload(f"{self._folder.address(name)}: more than the {largest} bytes its pictures can take")
        return data

    def delete_payloads(self, run: str, segment: int | None = None, attempt: int = FIRST_ATTEMPT) -> None:
        """Deletes the stored payloads of a segment, or of the whole attempt; does nothing when there are none."""
        if self._folder is not None:
            remove_payloads(self._folder.subfolder(attempt_folder(run, attempt)), segment)


def remove_payloads(attempt: Folder, segment: int | None = None) -> None:
    """Removes the payloads of a segment, or all of them, from an attempt's folder; files with other names stay."""
    if segment is not None:
        attempt.remove_matching(f"{_PAYLOADS}/{SegmentNumber(segment):06d}", _PAYLOAD_NAMES)
        return
    for name in attempt.list_names(_PAYLOADS):
        if _SEGMENT_NAME.fullmatch(name):
            attempt.remove_matching(f"{_PAYLOADS}/{name}", _PAYLOAD_NAMES)
    attempt.remove_matching(_PAYLOADS, ())


def _name(payload: Payload, run: str, segment: int, attempt: int) -> str:
    if len(payload.digest) != _DIGEST_BYTES:
        raise CorruptPayload(f"a digest of {len(payload.digest)} bytes is no SHA-256")
    return f"{attempt_folder(run, attempt)}/{_PAYLOADS}/{SegmentNumber(segment):06d}/{payload.digest.hex()}"
