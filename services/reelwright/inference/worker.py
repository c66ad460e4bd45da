"""The inference loop: lease in, restored batch to the bus, receipt out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from reelwright import __version__
from reelwright.bus.protocol import Bus, BusFull
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.inference.jobs import Job, Jobs
from reelwright.inference.link import Link
from reelwright.inference.settings import InferenceSettings
from reelwright.media.picture import Picture
from reelwright.media.transport import choose_codec, decode_payload, encode_payload
from reelwright.telemetry import metrics
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch, Work

log = logging.getLogger(__name__)

# How soon a publisher that waits for room notices that its batch is wanted no more.
_PUBLISH_SECONDS = 0.2
_RUNS_REMEMBERED = 16


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


class _GivenUp(Exception):
    """The batch under way is dropped or handed back."""


class Worker:
    """A worker on threads of its own, from `start` to `close`.

    Restoring threads only restore: coding for transport and waiting for the bus happen on others, and the next
    batches are there already, so a core is idle only when there is no work.

    Args:
        bus: where restored batches go.
        restorer: does the work.
        settings: the worker's.
    """

    def __init__(self, bus: Bus, restorer: PictureRestorer, settings: InferenceSettings) -> None:
        self._bus, self._restorer, self._settings = bus, restorer, settings
        hello = Hello(worker=settings.name, version=__version__, models=restorer.models)
        self._jobs = Jobs(hello, settings.parallel + settings.prefetch)
        self._codecs: dict[str, str] = {}
        self._abandon = threading.Event()
        self._restoring = ThreadPoolExecutor(settings.parallel, thread_name_prefix="restore")
        self._publishing = ThreadPoolExecutor(settings.parallel, thread_name_prefix="publish")
        self._link = Link(settings, self._jobs.opened, self._act, self._jobs.lost)

    @property
    def connected(self) -> bool:
        """Whether a stream to the dispatcher is open or being opened."""
        return self._jobs.connected

    def start(self) -> None:
        """Begins to ask for work."""
        self._link.start()

    def close(self, drain_seconds: float | None = None) -> None:
        """Stops: hands back what is untouched and finishes what is under way.

        Args:
            drain_seconds: how long that may take; after it, what is under way is handed back at its next frame.
                The settings' if None.
        """
        self._jobs.drain(self._settings.drain_seconds if drain_seconds is None else drain_seconds)
        self._abandon.set()
        self._restoring.shutdown()
        self._publishing.shutdown()
        self._link.close()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, then drains."""
        self.start()
        stop.wait()
        self.close()

    def _act(self, message: DispatcherMessage) -> None:
        if message.HasField("lease"):
            job = self._jobs.take(message.lease)
            if job is not None:
                self._restoring.submit(self._restore, job)
        elif message.HasField("revoke"):
            self._jobs.revoke(message.revoke.run)

    def _restore(self, job: Job) -> None:
        if not self._jobs.begin(job):
            return
        started = time.perf_counter()
        try:
            restored = self._restored(job)
            self._publishing.submit(self._publish, job, restored, time.perf_counter() - started)
        except _GivenUp:
            self._jobs.give_up(job)
        except Exception as error:
            log.exception("batch failed", extra={"run": job.batch.run, "segment": job.batch.segment})
            self._jobs.failure(job, error)
        finally:
            metrics.WORKER_BUSY_SECONDS.inc(time.perf_counter() - started)

    def _restored(self, job: Job) -> list[Picture]:
        batch = job.batch
        with metrics.timed("transport"):
            pictures = decode_payload(batch.payload)
        if len(pictures) != len(batch.frames):
            raise CorruptPayload(f"{len(pictures)} pictures for {len(batch.frames)} frames")
        restored = []
        with metrics.timed("restoration"):
            for picture in pictures:
                if job.dropped or self._abandon.is_set():
                    raise _GivenUp
                restored.append(self._restorer.restore(picture, batch.work))
        return restored

    def _publish(self, job: Job, restored: list[Picture], seconds: float) -> None:
        try:
            with metrics.timed("transport"):
                value = self._message(job.batch, restored, seconds).SerializeToString()
            with metrics.timed("publish"):
                self._put(job, value)
            metrics.FRAMES_RESTORED.inc(len(restored))
            self._jobs.receipt(job)
        except _GivenUp:
            self._jobs.give_up(job)
        except Exception as error:
            log.exception("batch not published", extra={"run": job.batch.run, "segment": job.batch.segment})
            self._jobs.failure(job, error)

    def _message(self, batch: FrameBatch, restored: list[Picture], seconds: float) -> RestoredBatch:
        return RestoredBatch(
            run=batch.run,
            segment=batch.segment,
            batch=batch.batch,
            first_frame=batch.first_frame,
            frames=batch.frames,
            last=batch.last,
            payload=encode_payload(restored, self._codec(batch.run, restored[0])),
            engine=self._restorer.engine,
            worker=self._settings.name,
            seconds=seconds,
        )

    def _codec(self, run: str, picture: Picture) -> str:
        if self._settings.codec != "auto":
            return self._settings.codec
        codec = self._codecs.get(run) or choose_codec(picture)
        if len(self._codecs) >= _RUNS_REMEMBERED:
            self._codecs.clear()
        self._codecs[run] = codec
        return codec

    def _put(self, job: Job, value: bytes) -> None:
        key = segment_key(job.batch.run, job.batch.segment)
        while not job.dropped:
            try:
                self._bus.publish(RESTORED, key, value, timeout=_PUBLISH_SECONDS)
            except BusFull:
                # A closed bus refuses at once, so the pause is ours to keep.
                if self._abandon.wait(_PUBLISH_SECONDS / 4):
                    break
            else:
                return
        raise _GivenUp
