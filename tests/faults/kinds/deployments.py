"""Faulty deployments: bad workers, a second installation, other versions of a role, and revoked credentials."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from tests.faults.kinds.kind import FaultKind
from tests.faults.trial_cluster import TrialCluster
from tests.support.cluster import ROLES
from tests.support.role_processes import Process

# A busy machine needs most of a minute to start a process.
_START_SECONDS = 60.0
_POLL_SECONDS = 0.2
_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)


@contextmanager
def _bad_worker(which: str, trial: TrialCluster, rng: Random) -> Iterator[None]:
    """A worker beside the others. It may end by itself, so it has no slot of the supervisor."""
    name = f"{which}-{rng.getrandbits(32):08x}"
    installation = trial.broken_worker if which == "broken" else trial.wrong_worker
    process = trial.cluster.start("inference", name, PYTHONPATH=str(installation), REELWRIGHT_BUS_INSTANCE=name)
    try:
        _wait_until_running([process])
        yield
    finally:
        process.kill()


@contextmanager
def _other_version(which: str, trial: TrialCluster, rng: Random) -> Iterator[None]:
    """One process of each role runs in another version."""
    installation = trial.former_version if which == "former" else trial.next_version
    slots = [trial.supervisor.slots[role][0] for role in rng.sample(ROLES, rng.randint(1, len(ROLES)))]
    slots.sort(key=lambda slot: slot.name)
    with trial.supervisor.locked(slots):
        for slot in slots:
            trial.supervisor.stop(slot)
            trial.supervisor.start(slot, PYTHONPATH=str(installation))
        try:
            _wait_until_running([slot.process for slot in slots if slot.process is not None])
            yield
        finally:
            for slot in slots:
                trial.supervisor.stop(slot)
                trial.supervisor.start(slot)


@contextmanager
def _second_installation(trial: TrialCluster, rng: Random) -> Iterator[None]:
    """Decoder and encoder of another installation, on the same broker and the same store."""
    name = f"second-{rng.getrandbits(32):08x}"
    env = {"REELWRIGHT_INSTALLATION": name, "REELWRIGHT_BUS_INSTANCE": name}
    done = trial.cluster.command("topics", "apply", **env)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    with ExitStack() as stack:
        processes = []
        for role in ("decoder", "encoder"):
            processes.append(trial.cluster.start(role, f"{name}-{role}", **env))
            stack.callback(processes[-1].kill)
        _wait_until_running(processes)
        yield


def _wait_until_running(processes: list[Process]) -> None:
    """Waits until each process is ready or has ended, so that the fault lasts while they work.

    A worker of another version may be neither, because the dispatchers refuse it.
    """
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and not all(process.ready or process.code is not None for process in processes):
        time.sleep(_POLL_SECONDS)


class _Denial(BaseHTTPRequestHandler):
    """Answers every request as S3 does when the credentials have no access."""

    def _deny(self) -> None:
        # A process that is stopped meanwhile closes its connections.
        with suppress(ConnectionError):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(_DENIED)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(_DENIED)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _deny  # noqa: N815 - names that the library calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        """Logs nothing."""


@contextmanager
def _revoked_credentials(trial: TrialCluster, _rng: Random) -> Iterator[None]:
    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Denial))
        thread = threading.Thread(target=server.serve_forever, name="denial", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        proxy = trial.network.to_store
        stack.enter_context(proxy.lock)
        stack.enter_context(proxy.redirected(f"127.0.0.1:{server.server_port}"))
        yield


KINDS = (
    FaultKind("broken worker", 4, (6.0, 15.0), partial(_bad_worker, "broken")),
    FaultKind("worker with wrong pictures", 4, (6.0, 15.0), partial(_bad_worker, "wrong")),
    FaultKind("former version of roles", 4, (6.0, 15.0), partial(_other_version, "former")),
    FaultKind("next version of roles", 4, (6.0, 15.0), partial(_other_version, "next")),
    FaultKind("second installation", 3, (6.0, 12.0), _second_installation),
    FaultKind("credentials revoked", 4, (3.0, 10.0), _revoked_credentials),
)
