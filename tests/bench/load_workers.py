"""Simulated workers in one process: `python -m tests.bench.load_workers LOAD`, with the dispatcher's address in LOAD.

A line when all of them are connected; on a line of input they stop and say how much CPU they took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import grpc.aio

from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, Receipt, WorkerMessage
from tests.bench.load import MODEL, ROOM, Load

_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    # As each worker of the product has a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.max_frame_size", 1 << 20),
]
_PATH = "/reelwright.v1.Dispatch/Work"


def _lease_of(message: bytes) -> str:
    """The lease's id, found without copying the frames around it: it is the first field of the first."""
    assert message[0] == DispatcherMessage.LEASE_FIELD_NUMBER << 3 | 2
    at = 1
    while message[at] & 0x80:
        at += 1
    return message[at + 3 : at + 3 + message[at + 2]].decode()


class _Worker:
    def __init__(self, address: str, name: str, seconds: float) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._name, self._seconds = name, seconds
        self._leases: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self) -> None:
        work = self._channel.stream_stream(_PATH, request_serializer=WorkerMessage.SerializeToString)
        self._call = work()
        await self._call.write(
            WorkerMessage(hello=Hello(worker=self._name, version="bench", models=[MODEL], protocol=PROTOCOL))
        )
        await self._call.initial_metadata()
        await self._call.write(WorkerMessage(credits=ROOM))

    async def listen(self) -> None:
        async for message in self._call:
            self._leases.put_nowait(_lease_of(message))

    async def restore(self) -> None:
        # On a schedule, since what a real worker computes is not made longer by a timer that comes late.
        free = 0.0
        while True:
            lease = await self._leases.get()
            free = max(free, time.monotonic()) + self._seconds
            await asyncio.sleep(max(0.0, free - time.monotonic()))
            await self._call.write(WorkerMessage(receipt=Receipt(lease=lease), credits=1))

    async def close(self) -> None:
        await self._channel.close()


async def _main(address: str, load: Load) -> None:
    seconds = load.frames / load.fps
    name = f"{time.monotonic_ns()}"
    workers = [_Worker(address, f"{name}-{n}", seconds) for n in range(load.workers)]
    await asyncio.gather(*[worker.connect() for worker in workers])
    print(json.dumps({"connected": load.workers}), flush=True)
    tasks = [asyncio.create_task(task) for worker in workers for task in (worker.listen(), worker.restore())]
    await asyncio.to_thread(sys.stdin.readline)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*[worker.close() for worker in workers])
    print(json.dumps({"cpu": time.process_time()}), flush=True)


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    asyncio.run(_main(settings.pop("address"), Load(**settings)))
