"""A worker with an open stream, as the scheduler sees it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHello:
    """What a worker says of itself when it opens a stream.

    Attributes:
        name: its name, unique among workers.
        session: known to the worker and its dispatchers alone; the same on all of its streams.
        models: SHA-256 of the models it serves, as hex.
        engine: its engine's identity; empty if its version does not name engines.
    """

    name: str
    session: str
    models: frozenset[str]
    engine: str


@dataclass(slots=True, eq=False)
class ConnectedWorker:
    """A worker with an open stream.

    Attributes:
        stream: number of its stream.
        hello: what it says of itself.
        credits: batches that it has asked for and not received.
        draining: it takes no more batches and will disconnect.
        proven: it has restored a batch on this stream.
    """

    stream: int
    hello: WorkerHello
    credits: int = 0
    draining: bool = False
    proven: bool = False

    @property
    def name(self) -> str:
        """Its name, unique among workers."""
        return self.hello.name


def rank_worker(worker: ConnectedWorker, returned_by: Collection[str]) -> int:
    """How well a worker suits a batch that others have failed or lost; the higher, the better.

    A worker that has restored nothing yet may be the broken one that was replaced and has a new name.
    """
    return 0 if worker.name in returned_by else 1 + worker.proven
