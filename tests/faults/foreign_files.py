"""Files of other owners beside the ledger's runs and the films: no process may touch them."""

from __future__ import annotations

import hashlib

from tests.faults.store_client import StoreClient, retry_until_store_answers

FOREIGN_RUN = "f0f0f0f0f0f0f0f0f0f0"
"""A folder whose name could be a run's, which was never submitted."""
FOREIGN_FILM = "films/precious.mp4"
FOREIGN_SOURCE = "sources/precious.mp4"


class ForeignFiles:
    """Puts the files on construction.

    Args:
        store: the store, reached without a proxy.
        ledger: the ledger's root in it.
    """

    def __init__(self, store: StoreClient, ledger: str) -> None:
        self._store = store
        names = [
            f"{ledger}notes.txt",
            f"{ledger}precious/photo.jpg",
            f"{ledger}{FOREIGN_RUN}/letter.txt",
            f"{ledger}{FOREIGN_RUN}/plan/000000.json",
            f"{ledger}{FOREIGN_RUN}/segments/000000-0123456789ab.mkv",
            f"{ledger}{FOREIGN_RUN}/payloads/000000/{'0' * 64}",
            "precious/film.mp4",
            FOREIGN_FILM,
            f"{FOREIGN_FILM}.manifest.json",
            FOREIGN_SOURCE,
        ]
        self._digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
        for name in names:
            store.put(name, name.encode())

    def touched(self) -> list[str]:
        """The files that are gone or have other content."""
        return [name for name, digest in self._digests.items() if self._digest(name) != digest]

    def _digest(self, name: str) -> str:
        content = retry_until_store_answers(lambda: self._store.get(name))
        return "" if content is None else hashlib.sha256(content).hexdigest()
