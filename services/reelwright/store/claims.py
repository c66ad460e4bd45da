"""Claim checks: payloads too large for a message lie in the store, and the message carries their name."""

from __future__ import annotations

from reelwright.wire.frames_pb2 import Payload


class Claims:
    """Checks payloads in and out. Thread-safe.

    Args:
        root: the ledger's root, an fsspec location; None where there is no store, as in one process: everything
            stays inline then.
        inline_bytes: largest coded payload that stays in its message.
    """

    def __init__(self, root: str | None, inline_bytes: int) -> None:
        raise NotImplementedError

    def check_in(self, payload: Payload, run: str, segment: int) -> Payload:
        """The payload as it may travel: as it is, or with its bytes put into the store and a reference instead.

        Raises:
            UnavailableError: the store does not answer or has no room.
            OutputError: the store cannot be written.
        """
        raise NotImplementedError

    def content(self, payload: Payload) -> bytes:
        """The coded bytes of a payload, wherever they are; not checked against its digest.

        Raises:
            CorruptPayload: they are gone from the store.
            UnavailableError: the store does not answer.
        """
        raise NotImplementedError

    def release(self, run: str, segment: int | None = None) -> None:
        """Removes the stored payloads of a segment, or of the whole run; nothing happens where there are none."""
        raise NotImplementedError
