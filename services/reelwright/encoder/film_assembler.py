"""Finishes titles: assembles the film when every segment is committed, delivers it, and writes the outcome."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter

from structlog.contextvars import bound_contextvars

from reelwright.bus.events import publish_event, title_failure
from reelwright.bus.protocol import Bus, BusClosed
from reelwright.encoder.settings import EncoderSettings
from reelwright.encoder.title_assembly import assemble_title
from reelwright.ledger.adopted_film import fetch_adopted_film
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.damage_notes import damage_notes
from reelwright.ledger.film_times import film_duration
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.output_claims import check_claim
from reelwright.ledger.records import Outcome
from reelwright.ledger.run_ledger import OpenLedger, RunLedger
from reelwright.ledger.settings import SigningFiles
from reelwright.ledger.undelivered_film import sign_undelivered_film
from reelwright.media.profiles import profile_spec
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.threads import SupervisedThread
from reelwright.telemetry.tracing import current_traceparent, span
from reelwright.telemetry.watchdog import watched
from reelwright.titles.errors import LedgerError, LostSegment, OneLineError, UnavailableError, is_refusal, is_temporary
from reelwright.titles.request import RunRequest
from reelwright.wire.titles_pb2 import Event, SegmentWanted, TitleFinished

log = get_logger(__name__)

# An output or source that a store refuses so often in a row is not allowed. Each assembly begins with an access to the
# ledger, which waits while the ledger is refused as well: then only the credentials of the moment are at fault.
_MAX_REFUSALS = 3


class FilmAssembler:
    """Assembles one film after another on its own thread, from construction until `close`.

    Args:
        bus: where events are published.
        ledger: opens the ledger of an attempt.
        settings: the encoder's.
        guard: of this process, against a film that kills it.
        signing: whose signature the films get; None for no credentials.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: OpenLedger,
        settings: EncoderSettings,
        guard: CrashGuard,
        *,
        signing: SigningFiles | None = None,
    ) -> None:
        self._bus, self._ledger, self._settings, self._guard = bus, ledger, settings, guard
        self._signing = signing
        self._queue: queue.SimpleQueue[tuple[tuple[str, int], str] | None] = queue.SimpleQueue()
        self._queued: set[tuple[str, int]] = set()
        # Assemblies in a row that a store refused, by run and attempt.
        self._refusals: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = SupervisedThread("film-assembler", self._run, restart_until=self._stop)
        self._thread.start()

    def assemble_when_complete(self, run: str, attempt: int) -> None:
        """Queues an attempt, whose film is then assembled if every segment is committed.

        Several encoders may assemble the same film: all of them write the same bytes. If an encoder dies during the
        assembly, the decoder announces the title again.
        """
        with self._lock:
            if (run, attempt) in self._queued:
                return
            self._queued.add((run, attempt))
        # The trace goes on from the commit that completed the title.
        self._queue.put(((run, attempt), current_traceparent()))

    def close(self) -> None:
        """Finishes the film under way and ends the thread."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None and not self._stop.is_set():
            queued, parent = entry
            # From here on another request queues it again, because this look at the ledger may be too early.
            with self._lock:
                self._queued.discard(queued)
            run, attempt = queued
            with bound_contextvars(run=run, attempt=attempt), watched(f"assemble {run}"):
                try:
                    self._assemble(self._ledger(run, attempt), parent)
                except BusClosed:
                    log.info("bus closed, assembly stopped")
                    return

    def _assemble(self, ledger: RunLedger, parent: str) -> None:
        try:
            film = ledger.adopted_film()
            if (film or _is_complete(ledger)) and ledger.outcome() is None:
                with span("assemble film", parent, run=ledger.run, attempt=ledger.attempt):
                    self._finish(ledger, film)
            del self._refusals[ledger.run, ledger.attempt]
        except BusClosed:
            raise
        except LostSegment as error:
            self._request_lost_segments(ledger, error)
        except Exception as error:  # noqa: BLE001 - any error fails the title, never the service
            self._handle_failure(ledger, error)

    def _finish(self, ledger: RunLedger, film: str) -> None:
        request = ledger.request()
        if request is None:
            raise LedgerError(f"run {ledger.run} has segments but no request")
        # Before the source is read again for its sound.
        ledger.check_locations(request)
        with self._guard.begin(ledger, "assemble", "assembly of the film") as work, work.call():
            manifest = self._undelivered_film(ledger, request) or (
                self._copied_film(ledger, film, request)
                if film
                else assemble_title(
                    ledger, self._settings.scratch, self._signing, keep_unsigned=self._settings.retry_unavailable
                )
            )
        if ended := ledger.outcome():
            # Cancelled, or another encoder was faster.
            log.info("film discarded", outcome=ended.state)
            return
        # Once more for the location that is written to now: links may have changed during the assembly.
        ledger.check_locations(request)
        output = request.output
        check_claim(ledger, output)
        if not request.overwrite:
            ledger.film.check_replaceable(output, request.fingerprint)
        ledger.film.deliver(output)
        # After the film is delivered and before anything is removed that could make it again.
        outcome = Outcome(
            state="finished",
            output=output,
            frames=manifest.frames_out,
            cost=manifest.cost,
            damage=damage_notes(manifest),
        )
        if not ledger.put_outcome(outcome):
            return
        ledger.prune()
        metrics.TITLES_FINISHED.inc()
        if not film:
            metrics.FILM_COST.inc(manifest.cost)
            metrics.FILM_SECONDS.inc(float(film_duration(manifest)))
        if 0 < request.deadline < time.time():
            metrics.TITLES_LATE.inc()
        log.info("title finished", output=output, frames=manifest.frames_out)
        finished = TitleFinished(output=output, frames=manifest.frames_out)
        publish_event(self._bus, Event(run=ledger.run, attempt=ledger.attempt, title_finished=finished))

    def _undelivered_film(self, ledger: RunLedger, request: RunRequest) -> Manifest | None:
        name = f"film{profile_spec(request.recipe.profile).suffix}"
        manifest = sign_undelivered_film(ledger, name, scratch=self._settings.scratch, signing=self._signing)
        if manifest is not None:
            log.info("film of an earlier try found", film=name)
        return manifest

    def _copied_film(self, ledger: RunLedger, film: str, request: RunRequest) -> Manifest:
        manifest = fetch_adopted_film(
            ledger,
            film,
            request.output,
            scratch=self._settings.scratch,
            signing=self._signing,
            keep_unsigned=self._settings.retry_unavailable,
        )
        if manifest is None:
            ledger.discard_adopted_film()
            # The decoder publishes all segments again, because none is committed.
            raise LostSegment(0, f"{film}: not the film that was delivered there, so it is made again")
        log.info("film copied", source=film)
        return manifest

    def _request_lost_segments(self, ledger: RunLedger, error: LostSegment) -> None:
        """Has segments made again whose files are missing or damaged."""
        try:
            # Another encoder may have finished the title and removed the segments during this assembly.
            if ledger.outcome() is not None:
                return
            log.warning("assembly postponed", reason=str(error))
            ledger.discard_segment(error.segment)
            # All of them now, because each further pass over the source costs as much as this one.
            lost = [segment for segment in sorted(ledger.committed_segments()) if not ledger.is_committed(segment)]
            for segment in lost:
                ledger.discard_segment(segment)
        except OneLineError as unavailable:
            log.warning("lost segments not discarded", reason=str(unavailable))
            return
        for segment in (error.segment, *lost):
            wanted = SegmentWanted(segment=segment, reason="its file in the ledger is missing or damaged")
            publish_event(self._bus, Event(run=ledger.run, attempt=ledger.attempt, segment_wanted=wanted))

    def _handle_failure(self, ledger: RunLedger, error: Exception) -> None:
        if is_temporary(error) and self._settings.retry_unavailable:
            log.warning("assembly postponed", reason=str(error))
            return
        if is_refusal(error) and self._settings.retry_unavailable:
            self._refusals[ledger.run, ledger.attempt] += 1
            if self._refusals[ledger.run, ledger.attempt] < _MAX_REFUSALS:
                log.warning("assembly refused, trying again", reason=str(error))
                return
        del self._refusals[ledger.run, ledger.attempt]
        try:
            # Another encoder may have finished the title and removed the segments during this assembly.
            if ledger.outcome() is not None:
                return
        except UnavailableError as unavailable:
            log.warning("assembly postponed", reason=str(unavailable))
            return
        if not isinstance(error, OneLineError):
            log.error("assembly failed", exc_info=error)
        publish_event(self._bus, title_failure(ledger.run, ledger.attempt, "assembly", error))


def _is_complete(ledger: RunLedger) -> bool:
    end = ledger.plan_end()
    return end is not None and ledger.committed_segments() >= set(range(end.segments))
