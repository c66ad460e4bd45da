"""Runs a restoration job: locks, metrics, progress, and the services in this process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from prometheus_client import REGISTRY

from reelwright.decoder.title_description import describe_title
from reelwright.ledger.attempts import place_request, readable_request
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.manifest_file import read_manifest
from reelwright.ledger.records import Outcome
from reelwright.ledger.redone_film import finish_replacement
from reelwright.ledger.run_ledger import RunLedger
from reelwright.local.job import RestorationJob
from reelwright.local.pipeline import restore_here
from reelwright.media.probe import probe
from reelwright.store.locks import run_lock
from reelwright.telemetry.progress import ProgressMeter
from reelwright.telemetry.server import TelemetryServer
from reelwright.titles.errors import InputError
from reelwright.titles.request import RunRequest


def run_job(
    job: RestorationJob,
    metrics_port: int | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[ProgressMeter], None],
    on_wait: Callable[[], None],
) -> Manifest:
    """Restores a job's film, unless it is restored already.

    Args:
        job: what to restore.
        metrics_port: serves Prometheus metrics on this port meanwhile; 0 picks a free one, None serves none.
        overwrite: replace a file at the output that was not made from the same source.
        on_progress: called several times a second during the restoration.
        on_wait: called once when another process restores the same film, before waiting for it.

    Returns:
        The film's manifest.

    Raises:
        UserError: the source or the output must be corrected. Finished segments are kept for the next call, except
            after an InputError.
        RestorationFailed: a batch failed too often. Finished segments are kept.
    """
    source = probe(job.request.source)
    with ExitStack() as stack:
        if metrics_port is not None:
            stack.enter_context(TelemetryServer(metrics_port))
        stack.callback(job.remove_ledger_if_empty)
        _take_locks(stack, job, on_wait)
        ledger = RunLedger(str(job.ledger), job.request.run).latest()
        finish_replacement(str(job.output))
        done = ledger.film.delivered_manifest(str(job.output))
        if done is not None:
            return done
        # With the lock of the output held: of two sources with one default name the second sees the film of the first.
        if not overwrite:
            ledger.film.check_replaceable(str(job.output), job.request.fingerprint)
        ledger.remove_leftovers()
        request = job.request.model_copy(update={"overwrite": overwrite})
        ledger = _begin(ledger, request)
        request = request.model_copy(update={"attempt": ledger.attempt})
        job = replace(job, request=request)
        # The decoder uses this instead of probing the source again.
        ledger.put_title(describe_title(request, source))
        meter = ProgressMeter(
            request.recipe.excerpt.frames(source.video.frames_estimate) or None, _committed_frames(ledger)
        )
        try:
            restore_here(job, _ticker(meter, on_progress))
        except InputError:
            job.remove_run()
            raise
        manifest = read_manifest(str(job.output))
        job.remove_run()
        return manifest


def _take_locks(stack: ExitStack, job: RestorationJob, on_wait: Callable[[], None]) -> None:
    """Holds the output's lock and the run's until the stack ends."""
    for name in (job.output.name, job.request.run):
        lock = job.ledger / f"{name}.lock"
        stack.enter_context(run_lock(lock, on_wait))
        # Removed while it is held: a process that waits for it notices and makes a new one.
        stack.callback(lock.unlink, missing_ok=True)


def _begin(latest: RunLedger, request: RunRequest) -> RunLedger:
    """Continues an attempt that was killed, or begins the next one. The run's lock must be held."""
    known = readable_request(latest)
    if known is not None and known.output != request.output:
        latest.put_outcome(Outcome(state="cancelled", reason=f"restored to {request.output} instead"))
    begun = place_request(latest, known, request)
    assert begun is not None, "another process works on the run although its lock is held"
    return begun


def _committed_frames(ledger: RunLedger) -> int:
    records = (ledger.segment(segment) for segment in ledger.committed_segments())
    return sum(len(record.frames) for record in records if record is not None)


def _ticker(meter: ProgressMeter, on_progress: Callable[[ProgressMeter], None]) -> Callable[[], None]:
    """A function that advances the meter by the frames that the encoder has counted since its last call."""
    counted = _encoded()

    def tick() -> None:
        nonlocal counted
        now = _encoded()
        meter.advance(round(now - counted))
        counted = now
        on_progress(meter)

    return tick


def _encoded() -> float:
    return REGISTRY.get_sample_value("reelwright_frames_encoded_total") or 0.0
