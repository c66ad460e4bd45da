"""The inference loop: lease in, restored batch to the bus, receipt out."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from reelwright import __version__
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus
from reelwright.inference.dispatcher_client import DispatcherClient
from reelwright.inference.lease_pool import DispatcherSession, HeldLease, LeasePool
from reelwright.inference.restored_publisher import BatchAbandoned, RestoredPublisher
from reelwright.inference.settings import InferenceSettings
from reelwright.media.picture import Picture
from reelwright.media.transport import decode_payload
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import CorruptPayload, UnavailableError
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello
from reelwright.wire.frames_pb2 import Work

log = get_logger(__name__)


class PictureRestorer(Protocol):
    """What restores a picture. Thread-safe; releases the GIL where it computes."""

    @property
    def models(self) -> Sequence[str]:
        """SHA-256 of the model files it serves, as hex."""

    @property
    def engine(self) -> str:
        """Its identity, as written into segment records."""

    def restore(self, picture: Picture, work: Work) -> Picture:
        """The picture as `work` wants it: enlarged by `scale`, in `pix_fmt`."""


class InferenceWorker:
    """A worker on threads of its own, from `start` to `close`.

    Restoring threads only restore: fetching from the store, coding for transport and waiting for the bus happen on
    others, and the next batches are there already, so a core is idle only when there is no work.

    Args:
        bus: where restored batches go.
        claims: where payloads are that are too large for a message; waits for the store itself.
        restorer: does the work.
        settings: the worker's.
    """

    def __init__(self, bus: Bus, claims: ClaimCheck, restorer: PictureRestorer, settings: InferenceSettings) -> None:
        self._bus, self._claims, self._restorer, self._settings = bus, claims, restorer, settings
        self._outlet = RestoredPublisher(bus, claims, settings.codec, settings.name, restorer.engine)
        room = settings.parallel + settings.prefetch
        self._jobs = LeasePool(room, len(settings.dispatchers))
        self._abandon = threading.Event()
        self._restoring = [threading.Thread(target=self._work, name="restore") for _ in range(settings.parallel)]
        self._fetching = ThreadPoolExecutor(room, thread_name_prefix="fetch")
        self._publishing = ThreadPoolExecutor(settings.parallel, thread_name_prefix="publish")
        hello = Hello(worker=settings.name, version=__version__, models=restorer.models, protocol=PROTOCOL)
        self._links = [
            DispatcherClient(
                address,
                settings,
                hello,
                partial(self._jobs.opened, talk),
                partial(self._act, talk),
                partial(self._jobs.lost, talk),
            )
            for address, talk in zip(settings.dispatchers, self._jobs.conversations, strict=True)
        ]

    @property
    def connected(self) -> bool:
        """Whether a stream to at least one dispatcher is open."""
        return self._jobs.connected

    @property
    def ready(self) -> bool:
        """Whether it takes work: a dispatcher has taken its stream, and the bus answers."""
        return self._jobs.connected and self._bus.connected

    def start(self) -> None:
        """Begins to ask for work."""
        for thread in self._restoring:
            thread.start()
        for link in self._links:
            link.start()

    def close(self, drain_seconds: float | None = None) -> None:
        """Stops: hands back what is untouched and finishes what is under way.

        What waits for the bus to have it waits until the bus is closed, if need be.

        Args:
            drain_seconds: how long that may take; after it, what is under way is handed back at its next frame.
                The settings' if None.
        """
        self._jobs.drain(self._settings.drain_seconds if drain_seconds is None else drain_seconds)
        self._abandon.set()
        self._outlet.close()
        self._jobs.close()
        for thread in self._restoring:
            thread.join()
        self._fetching.shutdown()
        self._publishing.shutdown()
        for link in self._links:
            link.close()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, then drains."""
        self.start()
        stop.wait()
        self.close()

    def _act(self, talk: DispatcherSession, message: DispatcherMessage) -> None:
        match message.WhichOneof("message"):
            case "lease":
                job = self._jobs.take(talk, message.lease)
                if job is not None:
                    self._fetch_for(job)
            case "revoke":
                self._jobs.revoke(message.revoke.run)
            case "start":
                self._jobs.allow(message.start.lease)

    def _fetch_for(self, job: HeldLease) -> None:
        if job.batch.payload.HasField("reference"):
            self._jobs.waits(job)
            self._fetching.submit(self._fetch, job)
        else:
            self._jobs.supply(job)

    def _fetch(self, job: HeldLease) -> None:
        try:
            content = self._claims.content(job.batch.payload)
        except UnavailableError:
            # Claims wait for the store: only a process that stops hears of it.
            self._jobs.give_up(job)
        except Exception as error:  # noqa: BLE001 - told to the dispatcher, whatever it is
            log.warning("payload not fetched", **_place(job), reason=str(error))
            self._jobs.failure(job, error, payload_unusable=isinstance(error, CorruptPayload))
        else:
            self._jobs.supply(job, content)

    def _work(self) -> None:
        while (job := self._jobs.next()) is not None:
            self._restore(job)

    def _restore(self, job: HeldLease) -> None:
        started = time.perf_counter()
        try:
            restored = self._restored(job)
            self._publishing.submit(self._publish, job, restored, time.perf_counter() - started)
        except BatchAbandoned:
            self._jobs.give_up(job)
        except CorruptPayload as error:
            log.warning("payload unusable", **_place(job), reason=str(error))
            self._jobs.failure(job, error, payload_unusable=not _as_sent(job))
        except Exception as error:
            log.exception("batch failed", **_place(job))
            self._jobs.failure(job, error)
        finally:
            metrics.WORKER_BUSY_SECONDS.inc(time.perf_counter() - started)

    def _restored(self, job: HeldLease) -> list[Picture]:
        batch = job.batch
        with metrics.timed("transport"):
            pictures = decode_payload(batch.payload, job.content)
        if len(pictures) != len(batch.frames):
            raise CorruptPayload(f"{len(pictures)} pictures for {len(batch.frames)} frames")
        restored = []
        with metrics.timed("restoration"):
            for picture in pictures:
                if job.dropped or self._abandon.is_set():
                    raise BatchAbandoned
                restored.append(self._restorer.restore(picture, batch.work))
        return restored

    def _publish(self, job: HeldLease, restored: list[Picture], seconds: float) -> None:
        self._jobs.waits(job)
        try:
            self._outlet.publish(job.batch, restored, seconds, lambda: not job.dropped)
            metrics.FRAMES_RESTORED.inc(len(restored))
            self._jobs.receipt(job)
        except BatchAbandoned:
            self._jobs.give_up(job)
        except Exception as error:
            log.exception("batch not published", **_place(job))
            self._jobs.failure(job, error)


def _as_sent(job: HeldLease) -> bool:
    """Whether the coded bytes are those that were sent: then sending them again is no help."""
    payload = job.batch.payload
    coded = payload.inline if job.content is None else job.content
    return hashlib.sha256(coded).digest() == payload.digest


def _place(job: HeldLease) -> dict[str, object]:
    return {"run": job.batch.run, "segment": job.batch.segment, "batch": job.batch.batch}
