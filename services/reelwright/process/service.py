"""A role as a process: health first, then the bus, then the role, then a bounded drain."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import threading
from functools import partial

from reelwright import __version__
from reelwright.bus.protocol import Bus
from reelwright.client.connection import connect
from reelwright.process.roles import WITHOUT_BUS, Role, create
from reelwright.process.signals import StopSignals
from reelwright.settings import ServeSettings, naming_variables, read_settings
from reelwright.store.retry import RetryPolicy
from reelwright.store.waiting import WAITING
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger, log_as_service
from reelwright.telemetry.server import TelemetryServer
from reelwright.telemetry.threads import SupervisedThread, dead_threads
from reelwright.telemetry.tracing import start_tracing
from reelwright.telemetry.watchdog import stuck_loops
from reelwright.titles.errors import InternalError, OneLineError, UnavailableError

log = get_logger(__name__)

# Time for the threads to end after the bus is closed.
_EXIT_SECONDS = 5.0
# How often the process looks for dead threads.
_CHECK_SECONDS = 1.0


def serve(role: str, port: int) -> int:
    """Runs a role until a signal or a dead thread ends it. The caller has blocked STOP_SIGNALS.

    Args:
        role: decoder, dispatcher, inference, encoder or controller.
        port: of metrics and health; 0 picks a free one.

    Returns:
        The exit code: 0 drained, 2 a setting must be corrected, 1 a failure of ours.
    """
    log_as_service("WARNING", role=role)
    # SIGUSR2 prints the stack of every thread, to diagnose a process that hangs.
    faulthandler.register(signal.SIGUSR2)
    try:
        settings = read_settings(ServeSettings)
        start_tracing(role)
        logging.getLogger("reelwright").setLevel(settings.log_level)
        code = _Process(role, settings).run(port, settings.metrics_host)
    except OneLineError as error:
        # The person must correct something: one line, no traceback.
        code = error.exit_code
        log.error(str(error))
    except Exception:
        code = InternalError.exit_code
        log.exception("role failed")
    if code:
        # Threads of a role that failed may hang, and the orchestrator must not wait for them.
        _exit_after(_EXIT_SECONDS, code)
    return code


class _Process:
    def __init__(self, role: str, settings: ServeSettings) -> None:
        self._role, self._settings = role, settings
        self._stop, self._retry = threading.Event(), RetryPolicy(waits_for_access=True)
        self._lacks = "starting"
        self._bus: Bus | None = None
        self._work: Role | None = None
        self._grace_exceeded = False
        # Names of the threads that an exception ended; they end the process.
        self._dead: list[str] = []
        metrics.watch_store(lambda cause: WAITING.count(refused=cause == "refused"))
        metrics.BUILD_INFO.labels(version=__version__, role=role).set(1)

    def run(self, port: int, host: str) -> int:
        hung = partial(_stuck, self._settings.liveness_seconds)
        with TelemetryServer(port, self._missing, hung, host=host) as telemetry:
            SupervisedThread("stop", self._await_stop, daemon=True).start()
            log.info("role started", port=telemetry.port, version=__version__)
            if self._role in WITHOUT_BUS:
                self._work_until_stopped()
            else:
                self._bus = self._connected()
                if self._bus is not None:
                    try:
                        self._work_until_stopped()
                    finally:
                        self._bus.close()
        log.info("role stopped")
        return InternalError.exit_code if self._dead else 0

    def _connected(self) -> Bus | None:
        """The bus, once the broker answers and has the topics; None when stopped before."""
        try:
            return self._retry.call(self._connect)
        except UnavailableError:
            return None

    def _connect(self) -> Bus:
        try:
            return connect()
        except UnavailableError as error:
            self._lacks = str(error)
            raise

    def _work_until_stopped(self) -> None:
        try:
            with naming_variables(f"REELWRIGHT_{self._role.upper()}_"):
                self._work = create(self._role, self._bus, self._retry)
        except UnavailableError:
            if not self._stop.is_set():
                raise
            return
        self._lacks = ""
        log.info("role running")
        try:
            self._work.run(self._stop)
        except Exception:
            if not self._grace_exceeded:
                raise
            # Expected after the bus was closed. Nothing is lost: another process does the unfinished work again.
            log.warning("role stopped with unfinished work", exc_info=True)

    def _missing(self) -> str:
        """What the process lacks to take work; empty when it takes work."""
        dead = self._dead or dead_threads()
        if dead:
            return f"a thread has died: {', '.join(dead)}"
        if stuck := _stuck(self._settings.stuck_seconds):
            return stuck
        if self._stop.is_set():
            return "stopping"
        if self._lacks or self._work is None:
            return self._retry.trouble or self._lacks
        if self._bus is not None and not self._bus.connected:
            return "the bus does not answer"
        return self._retry.trouble or self._work.unready

    def _await_stop(self) -> None:
        """Waits for a stop signal or a dead thread; then lets the role drain for the grace period."""
        signals = StopSignals()
        while signals.wait(_CHECK_SECONDS) is None:
            self._dead = dead_threads()
            if self._dead:
                log.error("process ends because a thread died", threads=self._dead)
                break
        log.info("role stopping", grace_seconds=self._settings.grace_seconds)
        self._stop.set()
        self._retry.stop()
        second = signals.wait(self._settings.grace_seconds)
        if second is not None:
            os._exit(128 + second)
        log.warning("grace period exceeded, closing the bus")
        self._grace_exceeded = True
        if self._bus is not None:
            self._bus.close()
        _exit_after(_EXIT_SECONDS, InternalError.exit_code if self._dead else 0)


def _stuck(seconds: float) -> str:
    """The loops that have made no progress for so long, as one line; empty when there are none."""
    stuck = stuck_loops(seconds)
    return f"no progress for {seconds:g} s: {', '.join(stuck)}" if stuck else ""


def _exit_after(seconds: float, code: int) -> None:
    """Ends the process after `seconds`, whatever its threads do. The process may end earlier in the normal way."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()
