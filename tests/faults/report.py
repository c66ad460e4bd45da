"""The report of a campaign: a table of faults, a table of memory, the violations, and one line in the end."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.campaign import CampaignResult, FaultEvent
from tests.faults.check import SOURCE_CHANGED

# From a kill to the next committed segment: the parts that depend neither on the films nor on the processor. The broker
# notices a member that is gone (10 s, the campaign's REELWRIGHT_BUS_SESSION_SECONDS), the dispatcher takes a lease back
# (15 s, REELWRIGHT_DISPATCHER_LEASE_SECONDS), and a process starts (5 s).
FIXED_RECOVERY_SECONDS = 30.0
# And the work: the batches in flight are made again, which is at most the work of a segment, and then come the commits
# that were due without the kill. The longest undisturbed gap between commits is measured in the same run, because a
# batch takes a fraction of a second on one processor, and many seconds on one that others use.
UNDISTURBED_GAPS = 2
MEGABYTE = 1 << 20
# About one and a half times the memory of each role with these films and without faults.
MEMORY_LIMIT_MEGABYTES = {"decoder": 300, "dispatcher": 200, "inference": 400, "encoder": 400}


def recovery_limit(result: CampaignResult) -> float:
    """The longest time from a kill to the next committed segment that keeps the promise, in seconds."""
    return FIXED_RECOVERY_SECONDS + UNDISTURBED_GAPS * result.undisturbed_gap


def violations(result: CampaignResult) -> list[str]:
    """One line for each guarantee that did not hold, apart from those on time."""
    lines = list(result.violations)
    for name, check in result.checks.items():
        lines += [f"{name}: {problem}" for problem in check.problems]
    lines += [f"{exited.name} {exited.reason}" for exited in result.unexpected_exits]
    for role, peak in result.peak_bytes.items():
        if peak > MEMORY_LIMIT_MEGABYTES[role] * MEGABYTE:
            lines.append(f"{role}: {peak // MEGABYTE} MB resident, more than {MEMORY_LIMIT_MEGABYTES[role]}")
    for event in result.events:
        if event.error:
            lines.append(f"fault {event.fault.number} ({event.fault.kind}) not injected: {event.error}")
    lines += [f"foreign file touched: {name}" for name in result.foreign_touched]
    if not result.checks:
        lines.append("no title was finished")
    return lines


def slow_recoveries(result: CampaignResult) -> list[str]:
    """One line for each kill with a recovery longer than promised."""
    lines, limit = [], recovery_limit(result)
    for event in result.events:
        kind, number, seconds = event.fault.kind, event.fault.number, event.recovery or 0.0
        if "SIGKILL" in kind and seconds > limit:
            lines.append(f"fault {number} ({kind}): {seconds:.1f} s to the next committed segment, limit {limit:.1f} s")
    for role, seconds in result.role_kill_recovery.items():
        if seconds > limit:
            lines.append(f"every {role} killed: {seconds:.1f} s to the next committed segment, limit {limit:.1f} s")
    return lines


def markdown(result: CampaignResult) -> str:
    """The report as Markdown."""
    return "\n".join(
        (
            *_summary(result),
            "",
            *_faults_table(result),
            "",
            *_memory_table(result),
            "",
            *_violations(result),
            last_line(result),
        )
    )


def last_line(result: CampaignResult) -> str:
    """The results in one line."""
    checks = result.checks.values()
    identical = sum(check.identical for check in checks)
    slowest = max((event.recovery or 0.0 for event in result.events), default=0.0)
    changed = sum(SOURCE_CHANGED in check.problems for check in checks)
    foreign = f", foreign files touched {len(result.foreign_touched)}, sources changed {changed}"
    return (
        f"faults {sum(not event.error for event in result.events)}, frames lost {sum(c.lost for c in checks)}, "
        f"frames doubled {sum(c.doubled for c in checks)}, films identical {identical} of {len(checks)}, "
        f"slowest recovery {slowest:.0f} s{foreign if result.hostile else ''}"
    )


def _summary(result: CampaignResult) -> Iterator[str]:
    frames = sum(check.frames for check in result.checks.values())
    minutes, faults = result.seconds / 60, len(result.events)
    yield f"Seed {result.seed}: {faults} faults in {minutes:.0f} minutes, {len(result.checks)} titles, {frames} frames,"
    yield f"{result.commits} commits, {result.process_starts} processes started;"
    yield f"longest time without a commit {result.longest_commit_gap:.0f} s, and {result.undisturbed_gap:.1f} s while"
    yield f"nothing disturbed it; limit from a kill to the next commit {recovery_limit(result):.0f} s."
    if result.role_kill_recovery:
        times = ", ".join(f"{role} {seconds:.1f} s" for role, seconds in result.role_kill_recovery.items())
        yield f"All processes of one role killed, without other faults, to the next commit: {times}."
    if result.outage_recovery is not None:
        outage, recovery = result.outage_seconds, result.outage_recovery
        yield f"Broker down for {outage:.0f} s: next commit {recovery:.1f} s after its return."
    yield from result.notes


def _faults_table(result: CampaignResult) -> Iterator[str]:
    yield "| kind | faults | median recovery | slowest recovery |"
    yield "|---|---:|---:|---:|"
    by_kind: dict[str, list[FaultEvent]] = {}
    for event in result.events:
        by_kind.setdefault(event.fault.kind, []).append(event)
    for kind, events in sorted(by_kind.items()):
        times = sorted(event.recovery for event in events if event.recovery is not None)
        cells = f"{times[len(times) // 2]:.1f} s | {times[-1]:.1f} s" if times else "none | none"
        yield f"| {kind} | {len(events)} | {cells} |"


def _memory_table(result: CampaignResult) -> Iterator[str]:
    yield "| role | peak resident memory | limit |"
    yield "|---|---:|---:|"
    for role, peak in result.peak_bytes.items():
        yield f"| {role} | {peak / MEGABYTE:.0f} MB | {MEMORY_LIMIT_MEGABYTES[role]} MB |"


def _violations(result: CampaignResult) -> Iterator[str]:
    lines = violations(result) + slow_recoveries(result)
    if lines:
        yield "Violations:"
        yield ""
        yield from (f"- {line}" for line in lines)
        yield ""
