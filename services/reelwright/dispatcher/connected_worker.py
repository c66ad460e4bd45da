"""A worker with an open stream, as the scheduler sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reelwright.titles.identity import DEFAULT_POOL, POOL_NAME
from reelwright.wire.dispatch_pb2 import Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHello:
    """What a worker says of itself when it opens a stream.

    Attributes:
        name: its name, unique among workers.
        session: known to the worker and its dispatchers alone; the same on all of its streams.
        models: SHA-256 of the models it serves, as hex.
        engine: its engine's identity; empty if its version does not name engines.
        pool: the pool that it belongs to.
        parallel: batches that it restores at the same time.
        price_per_hour: what an hour of its pod costs, in the operator's currency.
        max_message_bytes: largest message that it accepts; 0 if its version does not tell.
    """

    name: str
    session: str
    models: frozenset[str]
    engine: str
    pool: str = DEFAULT_POOL
    parallel: int = 1
    price_per_hour: float = 0.0
    max_message_bytes: int = 0


def read_hello(hello: Hello) -> WorkerHello:
    """The first message of a stream as the dispatcher handles it; earlier versions send less of it.

    Raises:
        ValueError: a field has no value that a worker sends.
    """
    # The name is a label of metrics, and a price is summed up in one.
    if hello.pool and POOL_NAME.fullmatch(hello.pool) is None:
        raise ValueError("the name of a pool has 1 to 63 lower-case letters, digits and hyphens")
    if not (math.isfinite(hello.price_per_hour) and hello.price_per_hour >= 0):
        raise ValueError("the price of an hour is a number from 0")
    return WorkerHello(
        name=hello.worker,
        # Workers of versions that name no session are distinguished by their names only.
        session=hello.session or f"worker {hello.worker}",
        models=frozenset(hello.models),
        engine=hello.engine,
        pool=hello.pool or DEFAULT_POOL,
        parallel=max(1, hello.parallel),
        price_per_hour=hello.price_per_hour,
        max_message_bytes=hello.max_message_bytes,
    )


@dataclass(slots=True, eq=False, kw_only=True)
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

    def accepts(self, message_bytes: int) -> bool:
        """Whether it accepts a message of so many bytes."""
        return not self.hello.max_message_bytes or message_bytes <= self.hello.max_message_bytes

    @property
    def name(self) -> str:
        """Its name, unique among workers."""
        return self.hello.name
