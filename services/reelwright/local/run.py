"""Runs a job: locks, progress, the services, delivery."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from prometheus_client import REGISTRY

from reelwright.ledger.locks import run_lock
from reelwright.ledger.manifest import read_manifest
from reelwright.ledger.records import Manifest
from reelwright.ledger.run_ledger import RunLedger
from reelwright.local.job import RestorationJob
from reelwright.local.pipeline import restore_here
from reelwright.local.progress import ProgressDisplay
from reelwright.media.probe import probe
from reelwright.telemetry.progress import ProgressMeter
from reelwright.telemetry.server import TelemetryServer
from reelwright.titles.errors import InputError


def run_job(job: RestorationJob, metrics_port: int | None = None) -> Manifest:
    """Restores the job's film, or finds it restored; the manifest.

    Raises:
        UserError: the source or the output must be mended; what was finished stays for the next try, except where
            the source itself can never be restored.
        TitleFailed: a failure of ours; what was finished stays.
    """
    info = probe(job.source)
    with ExitStack() as stack:
        if metrics_port is not None:
            stack.enter_context(TelemetryServer(metrics_port))
        stack.callback(job.tidy)
        for name in (job.output.name, job.request.run):
            lock = job.ledger / f"{name}.lock"
            stack.enter_context(run_lock(lock, _say_waiting))
            # Removed while still held: whoever waits for it finds it gone and makes its own.
            stack.callback(lock.unlink, missing_ok=True)
        done = job.finished()
        if done is not None:
            return done
        ledger = RunLedger(str(job.ledger), job.request.run)
        ledger.sweep()
        ledger.clear_outcome()
        meter = ProgressMeter(info.video.frames_estimate or None, _committed_frames(ledger))
        try:
            with ProgressDisplay(meter, Path(job.source).name) as display:
                restore_here(job, _ticker(meter, display))
        except InputError:
            job.clear()
            raise
        manifest = read_manifest(str(job.output))
        job.clear()
        return manifest


def _committed_frames(ledger: RunLedger) -> int:
    records = (ledger.segment(segment) for segment in ledger.committed())
    return sum(len(record.frames) for record in records if record is not None)


def _ticker(meter: ProgressMeter, display: ProgressDisplay) -> Callable[[], None]:
    """Brings the meter up to what the encoder has counted since now, and shows it."""
    counted = _encoded()

    def tick() -> None:
        nonlocal counted
        now = _encoded()
        meter.advance(round(now - counted))
        counted = now
        display.update()

    return tick


def _encoded() -> float:
    return REGISTRY.get_sample_value("reelwright_frames_encoded_total") or 0.0


def _say_waiting() -> None:
    print("another restoration of this film is under way; waiting for it", file=sys.stderr)  # noqa: T201
