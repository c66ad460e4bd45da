"""What a campaign comes to: a table, what broke, and one line."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.campaign import Happened, Result

# What an orchestrator waits for a pod; the issue's own limit.
RECOVERY_SECONDS = 30.0
MEGABYTE = 1 << 20
# About one and a half times what each role takes at these films when nothing is wrong.
BOUND_MEGABYTES = {"decoder": 300, "dispatcher": 200, "inference": 400, "encoder": 400}


def broken_promises(result: Result) -> list[str]:
    """Every promise that did not hold, one line each."""
    broken = list(result.broken)
    for name, verdict in result.verdicts.items():
        broken += [f"{name}: {fault}" for fault in verdict.faults]
    broken += [f"{ended.name} {ended.reason}" for ended in result.ended]
    for role, most in result.most_bytes.items():
        if most > BOUND_MEGABYTES[role] * MEGABYTE:
            broken.append(f"{role}: {most // MEGABYTE} MB resident, more than {BOUND_MEGABYTES[role]}")
    for happened in result.happened:
        if happened.error:
            broken.append(f"fault {happened.fault.number} ({happened.fault.kind}) not injected: {happened.error}")
    if not result.verdicts:
        broken.append("no title was finished")
    return broken


def slow_recoveries(result: Result) -> list[str]:
    """Every kill after which nothing was committed for longer than promised: a promise that a busy machine breaks."""
    slow = []
    for happened in result.happened:
        kind, number, seconds = happened.fault.kind, happened.fault.number, happened.recovery or 0.0
        if "SIGKILL" in kind and seconds > RECOVERY_SECONDS:
            slow.append(f"fault {number} ({kind}): {seconds:.1f} s to the next committed segment")
    for role, seconds in result.alone.items():
        if seconds > RECOVERY_SECONDS:
            slow.append(f"every {role} killed: {seconds:.1f} s to the next committed segment")
    return slow


def markdown(result: Result) -> str:
    """The campaign as a page of Markdown."""
    return "\n".join(
        (*_head(result), "", *_kinds(result), "", *_memory(result), "", *_broken(result), last_line(result))
    )


def last_line(result: Result) -> str:
    """The campaign in one line."""
    verdicts = result.verdicts.values()
    identical = sum(verdict.identical for verdict in verdicts)
    slowest = max((h.recovery or 0.0 for h in result.happened), default=0.0)
    return (
        f"faults {sum(not h.error for h in result.happened)}, frames lost {sum(v.lost for v in verdicts)}, "
        f"frames doubled {sum(v.doubled for v in verdicts)}, films identical {identical} of {len(verdicts)}, "
        f"slowest recovery {slowest:.0f} s"
    )


def _head(result: Result) -> Iterator[str]:
    frames = sum(verdict.frames for verdict in result.verdicts.values())
    minutes, faults = result.seconds / 60, len(result.happened)
    yield f"Seed {result.seed}: {faults} faults in {minutes:.0f} minutes, {len(result.verdicts)} titles, "
    yield f"{frames} frames, {result.commits} commits, {result.starts} processes started; longest time without a commit"
    yield f"{result.silence:.0f} s."
    if result.alone:
        told = ", ".join(f"{role} {seconds:.1f} s" for role, seconds in result.alone.items())
        yield f"All processes of one role killed, with no other fault, to the next commit: {told}."
    if result.outage is not None:
        yield f"Broker down for {result.outage_seconds:.0f} s: next commit {result.outage:.1f} s after its return."
    yield from result.notes


def _kinds(result: Result) -> Iterator[str]:
    yield "| kind | faults | median recovery | slowest recovery |"
    yield "|---|---:|---:|---:|"
    by_kind: dict[str, list[Happened]] = {}
    for happened in result.happened:
        by_kind.setdefault(happened.fault.kind, []).append(happened)
    for kind, faults in sorted(by_kind.items()):
        times = sorted(h.recovery for h in faults if h.recovery is not None)
        told = f"{times[len(times) // 2]:.1f} s | {times[-1]:.1f} s" if times else "none | none"
        yield f"| {kind} | {len(faults)} | {told} |"


def _memory(result: Result) -> Iterator[str]:
    yield "| role | most resident memory | bound |"
    yield "|---|---:|---:|"
    for role, most in result.most_bytes.items():
        yield f"| {role} | {most / MEGABYTE:.0f} MB | {BOUND_MEGABYTES[role]} MB |"


def _broken(result: Result) -> Iterator[str]:
    broken = broken_promises(result) + slow_recoveries(result)
    if broken:
        yield "Broken promises:"
        yield ""
        yield from (f"- {line}" for line in broken)
        yield ""
