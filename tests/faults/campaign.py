"""Runs a campaign: restores titles on a cluster, injects one fault after another, and collects the results."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from tests.faults.check import CheckResult
from tests.faults.kinds import available_kinds
from tests.faults.kinds.kind import BrokenGuaranteeError, FaultKind
from tests.faults.schedule import ScheduledFault, fault_schedule, title_schedule
from tests.faults.store_client import retry_until_store_answers
from tests.faults.supervisor import UnexpectedExit
from tests.faults.title_client import TitleClient
from tests.faults.trial_cluster import TrialCluster, open_trial_cluster

# With more faults than this at the same time, hardly any work is done between them.
MAX_CONCURRENT_FAULTS = 6
CONCURRENT_TITLES = 3
# After this long without a commit, the next fault waits for one. Otherwise a slow recovery could not be told from an
# unlucky series of faults.
_PAUSE_AFTER_SECONDS = 10.0
# After this long without a commit, and this many undisturbed gaps, the campaign gives up.
_STALLED_AFTER_SECONDS = 240.0
_STALLED_AFTER_GAPS = 12
# Commits without any fault, between which the undisturbed gap is measured.
_UNDISTURBED_COMMITS = 5
_POLL_SECONDS = 0.1


@dataclass
class FaultEvent:
    """A fault that was injected.

    Attributes:
        fault: its entry in the schedule.
        started, ended: on the clock of `time.monotonic`, in seconds.
        recovery: seconds to the next committed segment; None when no segment was committed after it.
        error: why it could not be injected; empty when it was.
    """

    fault: ScheduledFault
    started: float
    ended: float = 0.0
    recovery: float | None = None
    error: str = ""


@dataclass
class CampaignResult:
    """The results of a campaign.

    Attributes:
        seed: seed of the schedule.
        outage_seconds: how long the broker was down at the end of the campaign; 0 for not at all.
        events: every fault that was injected.
        checks: the check of each title's film, by the title's name.
        unexpected_exits: processes that ended without being stopped by the campaign.
        peak_bytes: largest resident memory of a process, by role.
        process_starts: number of processes that were started.
        commits: number of segments that were committed.
        longest_commit_gap: longest time between two commits, in seconds.
        undisturbed_gap: the same before the first fault, while all processes worked.
        seconds: from the first fault to the last.
        role_kill_recovery: seconds from the kill of all processes of a role to the next commit, by role.
        outage_recovery: seconds from the broker's return to the next commit; None when no outage was tried.
        violations: guarantees that did not hold, apart from those on films.
        hostile: whether the kinds were those of the hostile campaign.
        foreign_touched: foreign files that are gone or changed.
        notes: faults that this machine does not allow.
    """

    seed: int
    outage_seconds: float
    events: list[FaultEvent] = field(default_factory=list)
    checks: dict[str, CheckResult] = field(default_factory=dict)
    unexpected_exits: list[UnexpectedExit] = field(default_factory=list)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    process_starts: int = 0
    commits: int = 0
    longest_commit_gap: float = 0.0
    undisturbed_gap: float = 0.0
    seconds: float = 0.0
    role_kill_recovery: dict[str, float] = field(default_factory=dict)
    outage_recovery: float | None = None
    violations: list[str] = field(default_factory=list)
    hostile: bool = False
    foreign_touched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_campaign(
    *,
    seed: int,
    count: int,
    outage_seconds: float,
    folder: Path,
    findings: Path,
    report_progress: Callable[[str], None],
    hostile: bool = False,
    kind_names: Sequence[str] = (),
    concurrent_faults: int = MAX_CONCURRENT_FAULTS,
    concurrent_titles: int = CONCURRENT_TITLES,
) -> CampaignResult:
    """Injects faults while titles are restored, then waits for every film.

    Args:
        seed: of faults and titles.
        count: faults to inject.
        outage_seconds: how long the broker is down at the end; 0 for not at all.
        folder: an empty folder for logs, data and films during the campaign.
        findings: folder that receives each film that failed its check, with logs.
        report_progress: called with one line for each fault.
        hostile: inject the kinds of the hostile campaign.
        kind_names: beginnings of the names of the kinds to inject; all kinds when empty.
        concurrent_faults: most faults at the same time.
        concurrent_titles: titles in work at the same time, apart from those of faults.

    Raises:
        ValueError: no kind has such a name.
    """
    kinds, notes = available_kinds(hostile=hostile)
    kinds = [kind for kind in kinds if not kind_names or kind.name.startswith(tuple(kind_names))]
    if not kinds:
        raise ValueError(f"no kind is named {', '.join(kind_names)}")
    result = CampaignResult(seed, outage_seconds, notes=notes, hostile=hostile)
    with open_trial_cluster(folder) as trial:
        client = TitleClient(trial, title_schedule(seed), concurrent_titles=concurrent_titles, findings=findings)
        with client:
            try:
                # Not before the cluster works: recovery is measured between commits.
                _wait_for_commit(trial, time.monotonic())
                result.undisturbed_gap = _measure_undisturbed_gap(trial)
                report_progress(f"undisturbed, a segment is committed every {result.undisturbed_gap:.1f} s at least")
                plan = islice(fault_schedule(seed, kinds), count)
                by_name = {kind.name: kind for kind in kinds}
                _inject_all(trial, plan, by_name, concurrent_faults, result, report_progress)
                if outage_seconds:
                    _measure_role_kills(trial, result)
                    _measure_broker_outage(trial, result)
            except _StalledError as error:
                result.violations.append(str(error))
                _save_process_state(trial, findings)
                client.abandon()
        _collect(trial, client, result)
        result.foreign_touched = trial.foreign_files.touched()
        if any(not check.identical for check in result.checks.values()):
            _save_store_state(trial, findings)
    return result


class _StalledError(Exception):
    """No segment is committed any more."""


def _save_store_state(trial: TrialCluster, findings: Path) -> None:
    """Saves the names of the store's objects, and its log, which shows who wrote or removed a missing one."""
    shutil.copy(trial.s3.requests_log, findings)
    names = retry_until_store_answers(lambda: trial.store.names(""))
    (findings / "objects.txt").write_text("\n".join(names))


def _save_process_state(trial: TrialCluster, findings: Path) -> None:
    """Saves each process's readiness and metrics, and makes it log the stack of each of its threads."""
    for process in trial.cluster.processes:
        if process.code is None:
            os.kill(process.pid, signal.SIGUSR2)
            pages = (process.get(path)[1] for path in ("/readyz", "/metrics"))
            (findings / f"{process.name}.txt").write_text("\n".join(pages))


def _wait_for_commit(trial: TrialCluster, moment: float, undisturbed_gap: float = 0.0) -> float:
    """Waits for the first commit after a moment of `time.monotonic`; the seconds between the two."""
    while (seconds := trial.commits.seconds_to_next(moment)) is None:
        _check_stall(trial, undisturbed_gap)
        time.sleep(_POLL_SECONDS)
    return seconds


def _check_stall(trial: TrialCluster, undisturbed_gap: float) -> None:
    longest = max(_STALLED_AFTER_SECONDS, _STALLED_AFTER_GAPS * undisturbed_gap)
    if trial.commits.seconds_since_last > longest:
        raise _StalledError(f"nothing was committed for {longest:.0f} s")


def _measure_undisturbed_gap(trial: TrialCluster) -> float:
    """The longest time between some commits while nothing disturbs the cluster, in seconds."""
    began = time.monotonic()
    for _ in range(_UNDISTURBED_COMMITS):
        _wait_for_commit(trial, time.monotonic())
    return trial.commits.longest_gap(began)


def _inject_all(
    trial: TrialCluster,
    plan: Iterator[ScheduledFault],
    kinds: dict[str, FaultKind],
    concurrent_faults: int,
    result: CampaignResult,
    report_progress: Callable[[str], None],
) -> None:
    began = time.monotonic()
    free = threading.Semaphore(concurrent_faults)
    running: list[Future[None]] = []
    with ThreadPoolExecutor(concurrent_faults, thread_name_prefix="fault") as pool:
        try:
            for fault in plan:
                time.sleep(fault.gap)
                while trial.commits.seconds_since_last > _PAUSE_AFTER_SECONDS:
                    _check_stall(trial, result.undisturbed_gap)
                    time.sleep(_POLL_SECONDS)
                free.acquire()
                event = FaultEvent(fault, time.monotonic())
                result.events.append(event)
                report_progress(
                    f"{event.started - began:7.1f} s  fault {fault.number}: {fault.kind}, {fault.seconds:.1f} s"
                )
                task = pool.submit(_inject, trial, kinds[fault.kind], event, result)
                task.add_done_callback(lambda _: free.release())
                running.append(task)
            for task in running:
                task.result()
        except BaseException:
            # Faults that wait for a title would hold up the end for minutes.
            trial.abandoned.set()
            raise
    result.seconds = time.monotonic() - began
    _wait_for_commit(trial, time.monotonic(), result.undisturbed_gap)
    for event in result.events:
        start = event.started if kinds[event.fault.kind].recovery_from_start else event.ended
        event.recovery = trial.commits.seconds_to_next(start)


def _inject(trial: TrialCluster, kind: FaultKind, event: FaultEvent, result: CampaignResult) -> None:
    rng = Random(event.fault.random_seed)
    try:
        with kind.inject(trial, rng):
            event.started = time.monotonic()
            time.sleep(event.fault.seconds)
    except BrokenGuaranteeError as error:
        result.violations.append(f"fault {event.fault.number} ({kind.name}): {error}")
    except Exception as error:  # noqa: BLE001 - the report shows it, and the campaign continues
        event.error = f"{type(error).__name__}: {error}"
    event.ended = time.monotonic()


def _measure_role_kills(trial: TrialCluster, result: CampaignResult) -> None:
    """For each role, kills all its processes at once, starts them again and measures the time to the next commit."""
    for role, slots in trial.supervisor.slots.items():
        _wait_for_commit(trial, time.monotonic(), result.undisturbed_gap)
        filled = slots[: trial.supervisor.base[role]]
        with trial.supervisor.locked(filled):
            killed = time.monotonic()
            for slot in filled:
                trial.supervisor.kill(slot)
            for slot in filled:
                trial.supervisor.start(slot)
        result.role_kill_recovery[role] = _wait_for_commit(trial, killed, result.undisturbed_gap)


def _measure_broker_outage(trial: TrialCluster, result: CampaignResult) -> None:
    """Stops the broker for long and measures the time from its return to the next commit. No process may end."""
    before = trial.supervisor.pids()
    with trial.broker_lock:
        trial.kafka.kill()
        time.sleep(result.outage_seconds)
        trial.kafka.start()
    result.outage_recovery = _wait_for_commit(trial, time.monotonic(), result.undisturbed_gap)
    if trial.supervisor.pids() != before:
        result.violations.append("a process ended while the broker was down")


def _collect(trial: TrialCluster, client: TitleClient, result: CampaignResult) -> None:
    result.checks = client.checks
    result.unexpected_exits, result.peak_bytes = trial.supervisor.unexpected_exits, trial.supervisor.peak_bytes
    result.process_starts, result.commits = trial.supervisor.starts, trial.commits.count
    result.longest_commit_gap = trial.commits.longest_gap()
