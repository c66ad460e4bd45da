"""Claim checks: payloads too large for a message lie in the store, and the message carries their name."""

from __future__ import annotations

import re

from reelwright.store.folder import Folder
from reelwright.store.retry import NO_RETRY, RetryPolicy
from reelwright.titles.errors import CorruptPayload, InputError
from reelwright.wire.frames_pb2 import Payload

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/payloads/[0-9]{6,}/[0-9a-f]{64}")


class ClaimCheck:
    """Checks payloads in and out. Thread-safe.

    Args:
        root: the ledger's root, an fsspec location; None where there is no store, as in one process: everything
            stays inline then.
        inline_bytes: largest coded payload that stays in its message.
        retry: how long to retry while the store is unavailable.
    """

    def __init__(self, root: str | None, inline_bytes: int, retry: RetryPolicy = NO_RETRY) -> None:
        self._folder = None if root is None else Folder(root, retry)
        self._inline_bytes = inline_bytes

    def check_in(self, payload: Payload, run: str, segment: int) -> Payload:
        """The payload as it may travel: as it is, or with its bytes put into the store and a reference instead.

        Raises:
            UnavailableError: the store does not answer or has no room.
            OutputError: the store cannot be written.
        """
        if self._folder is None or len(payload.inline) <= self._inline_bytes:
            return payload
        reference = f"{_payloads(run, segment)}/{payload.digest.hex()}"
        # Over what may be there already, since that may be damaged. It can be made again, so no disk is waited for.
        self._folder.replace(reference, payload.inline, durable=False)
        checked = Payload()
        checked.CopyFrom(payload)
        checked.reference = reference
        return checked

    def content(self, payload: Payload) -> bytes:
        """The coded bytes of a payload, wherever they are; not checked against its digest.

        Raises:
            CorruptPayload: they are gone from the store.
            UnavailableError: the store does not answer.
            InputError: there is no store here to look in.
        """
        if not payload.HasField("reference"):
            return payload.inline
        name = payload.reference
        # What came in a message must not name a file elsewhere.
        if not _REFERENCE.fullmatch(name):
            raise CorruptPayload(f"{name!r} is not the name of a payload")
        if self._folder is None:
            raise InputError("the payload lies in a store", name, "set REELWRIGHT_STORE_LEDGER")
        data = self._folder.read(name)
        if data is None:
            raise CorruptPayload(f"{self._folder.where(name)}: the payload is gone")
        return data

    def release(self, run: str, segment: int | None = None) -> None:
        """Removes the stored payloads of a segment, or of the whole run; nothing happens where there are none."""
        if self._folder is not None:
            self._folder.remove_all(_payloads(run, segment))


def _payloads(run: str, segment: int | None) -> str:
    return f"{run}/payloads" if segment is None else f"{run}/payloads/{segment:06d}"
