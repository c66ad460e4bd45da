"""The inference worker: leases in, restored batches to the bus, receipts out."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from structlog.contextvars import bound_contextvars

from reelwright import __version__
from reelwright.bus.batch_limits import check_batch
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.protocol import Bus, MessageTooLarge
from reelwright.inference.batch_pictures import matches_digest, restore_batch
from reelwright.inference.dispatcher_client import DispatcherClient
from reelwright.inference.dispatcher_session import DispatcherSession
from reelwright.inference.held_lease import HeldLease
from reelwright.inference.lease_pool import LeasePool
from reelwright.inference.restored_publisher import BatchAbandoned, RestoredPublisher
from reelwright.inference.restorer import PictureRestorer
from reelwright.inference.settings import InferenceSettings
from reelwright.media.worst_frame import WorstFrame
from reelwright.restoration.restore import RestoredFrame
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.tracing import span
from reelwright.telemetry.watchdog import watched
from reelwright.titles.errors import CorruptPayload, DefectiveWorker, UnavailableError, UnusableMessage
from reelwright.titles.identity import FIRST_ATTEMPT
from reelwright.wire import PROTOCOL
from reelwright.wire.dispatch_pb2 import DispatcherMessage, Hello

log = get_logger(__name__)


class InferenceWorker:
    """A worker on its own threads, from `start` to `close`.

    Restoring threads only restore. Other threads fetch payloads, code for transport and wait for the bus. The next
    batches are in memory already, so a core idles only when there is no work.

    Args:
        bus: where restored batches are published.
        claims: holds payloads that are too large for a message; waits for the store itself.
        restorer: restores pictures.
        settings: the worker's settings.

    Attributes:
        defect: why the worker must be replaced; None while it is sound.
    """

    def __init__(self, bus: Bus, claims: ClaimCheck, restorer: PictureRestorer, settings: InferenceSettings) -> None:
        self._bus, self._claims, self._restorer, self._settings = bus, claims, restorer, settings
        self._publisher = RestoredPublisher(
            bus,
            claims,
            codec=settings.codec,
            worker=settings.name,
            engine=restorer.engine,
            price_per_second=settings.price_per_hour / 3600 / settings.parallel,
        )
        capacity = settings.parallel + settings.prefetch
        self._pool = LeasePool(capacity, len(settings.dispatchers))
        self._abandoning, self._closing = threading.Event(), threading.Event()
        self._restoring = [
            SupervisedThread("restore", self._restore_batches, restart_until=self._closing)
            for _ in range(settings.parallel)
        ]
        metrics.WORKER_THREADS.set(settings.parallel)
        self._fetching = ThreadPoolExecutor(capacity, thread_name_prefix="fetch")
        self._publishing = ThreadPoolExecutor(settings.parallel, thread_name_prefix="publish")
        self.defect: DefectiveWorker | None = None
        self._stop = threading.Event()
        hello = Hello(
            worker=settings.name,
            version=__version__,
            models=restorer.models,
            protocol=PROTOCOL,
            engine=restorer.engine,
            session=secrets.token_hex(16),
            pool=settings.pool,
            parallel=settings.parallel,
            price_per_hour=settings.price_per_hour,
            max_message_bytes=settings.max_message_bytes,
        )
        self._clients = [
            DispatcherClient(
                address,
                settings,
                hello=hello,
                on_connected=partial(self._pool.open_session, session),
                on_message=partial(self._handle_message, session),
                on_disconnected=partial(self._pool.close_session, session),
            )
            for address, session in zip(settings.dispatchers, self._pool.sessions, strict=True)
        ]

    @property
    def connected(self) -> bool:
        """Whether a stream to at least one dispatcher is open."""
        return self._pool.connected

    @property
    def unready(self) -> str:
        """Why it takes no work; empty when a dispatcher has accepted its stream, and the bus answers."""
        return "" if self._pool.connected and self._bus.connected else "it reaches no dispatcher"

    def held_leases(self) -> list[HeldLease]:
        """The leases it holds, in order of arrival."""
        return self._pool.held_leases()

    def start(self) -> None:
        """Starts to ask for batches."""
        for thread in self._restoring:
            thread.start()
        for client in self._clients:
            client.start()

    def close(self, drain_seconds: float | None = None) -> None:
        """Stops: releases batches that are not started and finishes those that are.

        A restored batch that the bus has begun to accept is waited for until the bus is closed.

        Args:
            drain_seconds: how long to wait for started batches at most; after it they are released at their next frame.
                By default as the settings say.
        """
        drain_seconds = self._settings.drain_seconds if drain_seconds is None else drain_seconds
        drained = self._pool.drain(drain_seconds)
        self._abandoning.set()
        # Without a drain time nothing was to be waited for, as when a person stops `restore`.
        if not drained and drain_seconds > 0:
            log.warning("drain time exceeded", leases=len(self._pool.held_leases()))
        self._publisher.close()
        self._closing.set()
        self._pool.close()
        for thread in self._restoring:
            thread.join()
        self._fetching.shutdown()
        self._publishing.shutdown()
        for client in self._clients:
            client.close()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, or until the worker is found to be broken, then drains.

        Raises:
            DefectiveWorker: its engine fails the self-test, or a dispatcher has put it in quarantine.
        """
        self._restorer.check_engine()
        self._stop = stop
        self.start()
        stop.wait()
        self.close()
        if self.defect:
            raise self.defect

    def _handle_message(self, session: DispatcherSession, message: DispatcherMessage) -> None:
        match message.WhichOneof("message"):
            case "lease":
                lease = self._pool.add_lease(session, message.lease)
                if lease is None or not self._fits(lease):
                    return
                if lease.batch.payload.HasField("reference"):
                    self._pool.mark_waiting(lease)
                    self._fetching.submit(self._fetch_payload, lease)
                else:
                    self._pool.mark_fetched(lease)
            case "revoke":
                self._pool.revoke_run(message.revoke.run, message.revoke.attempt or FIRST_ATTEMPT)
            case "start":
                self._pool.allow_start(message.start.lease)
            case "quarantine":
                remedy = "check the device; the log has the failures"
                self._leave(DefectiveWorker(message.quarantine.reason, self._settings.name, remedy))

    def _fits(self, lease: HeldLease) -> bool:
        """Whether a batch claims no more than it may; otherwise it fails before any of it is fetched or decoded."""
        try:
            check_batch(lease.batch, self._settings.max_batch_bytes)
        except UnusableMessage as error:
            log.warning("batch refused", reason=str(error), **lease.log_fields)
            self._pool.fail(lease, error)
            return False
        return True

    def _fetch_payload(self, lease: HeldLease) -> None:
        with bound_contextvars(**lease.log_fields), watched(f"fetch {lease.batch.run}"):
            try:
                batch = lease.batch
                content = self._claims.load(batch.payload, batch.run, batch.segment, batch.attempt)
            except UnavailableError:
                # The claim check waits for the store, so this is raised only when the process stops.
                self._pool.release(lease)
            except Exception as error:  # noqa: BLE001 - reported to the dispatcher, whatever it is
                log.warning("payload not fetched", reason=str(error))
                self._pool.fail(lease, error, payload_unusable=isinstance(error, CorruptPayload))
            else:
                self._pool.mark_fetched(lease, content)

    def _restore_batches(self) -> None:
        while (lease := self._pool.start_next()) is not None:
            with (
                bound_contextvars(**lease.log_fields),
                watched(f"restore {lease.batch.run}"),
                span("restore batch", lease.traceparent, **lease.log_fields) as traceparent,
            ):
                lease.traceparent = traceparent
                self._restore_batch(lease)

    def _restore_batch(self, lease: HeldLease) -> None:
        started = time.perf_counter()
        try:
            restored, worst = restore_batch(lease, self._restorer, self._abandoning)
            lease.seconds = time.perf_counter() - started
            self._publishing.submit(self._publish_batch, lease, restored, worst)
        except BatchAbandoned:
            self._pool.release(lease)
        except CorruptPayload as error:
            log.warning("payload unusable", reason=str(error))
            # A payload that matches its digest was published like this: publishing it again would not help.
            self._pool.fail(lease, error, payload_unusable=not matches_digest(lease))
        except Exception as error:
            log.exception("batch failed")
            self._check_engine()
            self._pool.fail(lease, error)
        finally:
            metrics.WORKER_BUSY_SECONDS.inc(time.perf_counter() - started)

    def _check_engine(self) -> None:
        """Leaves if the engine, and not the batch, is the cause of a failure."""
        try:
            self._restorer.check_engine()
        except DefectiveWorker as defect:
            self._pool.announce_quarantine(str(defect))
            self._leave(defect)

    def _leave(self, defect: DefectiveWorker) -> None:
        log.error("worker stopping, engine defective", reason=str(defect))
        self.defect = self.defect or defect
        self._stop.set()

    def _publish_batch(
        self, lease: HeldLease, restored: Sequence[RestoredFrame], worst: Mapping[int, WorstFrame]
    ) -> None:
        self._pool.mark_waiting(lease)
        with (
            bound_contextvars(**lease.log_fields),
            watched(f"publish {lease.batch.run}"),
            span("publish batch", lease.traceparent, **lease.log_fields),
        ):
            try:
                self._publisher.publish(
                    lease.batch, restored, worst, seconds=lease.seconds, is_wanted=lambda: not lease.revoked
                )
                metrics.FRAMES_RESTORED.inc(len(restored))
                self._pool.complete(lease)
            except BatchAbandoned:
                self._pool.release(lease)
            except MessageTooLarge as error:
                log.warning("batch not published", reason=str(error))
                self._pool.fail(lease, error, permanent=True)
            except Exception as error:
                log.exception("batch not published")
                self._pool.fail(lease, error)
