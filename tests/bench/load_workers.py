"""A process of simulated workers: `python -m tests.bench.load_workers LOAD`, with the dispatcher's address in LOAD.

It prints one line when all workers are connected. After a line of input the workers stop, and it prints their CPU
seconds.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time

import grpc.aio

from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello, Receipt, WorkerMessage
from tests.bench.load import CREDITS, MODEL, Load

_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    # One connection for each worker, as in the product.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.max_frame_size", 1 << 20),
]
_PATH = "/reelwright.v1.Dispatch/Work"


def _lease_of(message: bytes) -> str:
    """The lease's id. It is the first field of the first field, so the frames need not be parsed."""
    assert message[0] == DispatcherMessage.LEASE_FIELD_NUMBER << 3 | 2
    offset = 1
    while message[offset] & 0x80:
        offset += 1
    return message[offset + 3 : offset + 3 + message[offset + 2]].decode()


class _Worker:
    def __init__(self, address: str, name: str, seconds: float) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self._seconds = seconds
        self._hello = Hello(
            worker=name,
            version="bench",
            models=[MODEL],
            protocol=PROTOCOL,
            engine="bench-1.0",
            session=secrets.token_hex(16),
        )
        self._leases: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self) -> None:
        work = self._channel.stream_stream(_PATH, request_serializer=WorkerMessage.SerializeToString)
        self._call = work()
        await self._call.write(WorkerMessage(hello=self._hello))
        await self._call.initial_metadata()
        await self._call.write(WorkerMessage(credits=CREDITS))

    async def listen(self) -> None:
        async for message in self._call:
            self._leases.put_nowait(_lease_of(message))

    async def restore(self) -> None:
        # Sleep until a scheduled time, so that a late timer does not slow the worker.
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
