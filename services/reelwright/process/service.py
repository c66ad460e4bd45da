"""A role as a process: probes first, then the bus, then work, then a drain that ends."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import threading

from reelwright import __version__
from reelwright.bus.protocol import Bus
from reelwright.client.connection import connect
from reelwright.process.roles import UNREADY, Role, create
from reelwright.process.signals import STOP_SIGNALS
from reelwright.settings import ServeSettings, naming_variables, read_settings
from reelwright.store.retry import RetryPolicy
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger, log_as_service
from reelwright.telemetry.server import TelemetryServer
from reelwright.titles.errors import OneLineError, UnavailableError

log = get_logger(__name__)

# What threads get to end once the bus is closed under them.
_LAST_SECONDS = 5.0


def serve(role: str, port: int) -> int:
    """Serves as `role` until a signal; the exit code: 0 drained, 2 a setting to mend, 1 a failure of ours.

    Args:
        role: decoder, dispatcher, inference or encoder.
        port: of metrics and health; 0 picks a free one.

    The caller has blocked STOP_SIGNALS.
    """
    log_as_service("WARNING")
    faulthandler.register(signal.SIGUSR2)
    try:
        settings = read_settings(ServeSettings)
        logging.getLogger("reelwright").setLevel(settings.log_level)
        _Process(role, settings.grace_seconds).run(port)
    except OneLineError as error:
        # Theirs to mend: a line, not a traceback.
        code = error.exit_code
        log.error(str(error), role=role)
    except Exception:
        code = 1
        log.exception("broke", role=role)
    else:
        return 0
    # Threads of what broke may hang; whoever restarts the process must not wait for them.
    _leave_in(_LAST_SECONDS, code)
    return code


class _Process:
    def __init__(self, role: str, grace_seconds: float) -> None:
        self._role, self._grace_seconds = role, grace_seconds
        self._stop, self._retry = threading.Event(), RetryPolicy()
        self._lacks = "starting"
        self._bus: Bus | None = None
        self._work: Role | None = None
        self._cut_off = False
        metrics.BUILD_INFO.labels(version=__version__, role=role).set(1)

    def run(self, port: int) -> None:
        # Reachable from other machines: it is there to be scraped and probed.
        with TelemetryServer(port, self._missing, host="") as telemetry:
            threading.Thread(target=self._await_signals, name="signals", daemon=True).start()
            log.info("listening", role=self._role, port=telemetry.port, version=__version__)
            self._bus = self._connected()
            if self._bus is None:
                return
            try:
                self._work_until_stopped(self._bus)
            finally:
                self._bus.close()
        log.info("stopped", role=self._role)

    def _connected(self) -> Bus | None:
        """The bus, once it answers and has the topics; None when told to stop before."""
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

    def _work_until_stopped(self, bus: Bus) -> None:
        with naming_variables(f"REELWRIGHT_{self._role.upper()}_"):
            self._work = create(self._role, bus, self._retry)
        self._lacks = ""
        log.info("serving", role=self._role)
        try:
            self._work.run(self._stop)
        except Exception:
            if not self._cut_off:
                raise
            # By design: nothing is lost by it, what was under way is done again by another.
            log.warning("left with work under way", role=self._role, exc_info=True)

    def _missing(self) -> str:
        if self._stop.is_set():
            return "stopping"
        if self._lacks or self._bus is None or self._work is None:
            return self._lacks
        if not self._bus.connected:
            return "the bus does not answer"
        return "" if self._work.ready else UNREADY[self._role]

    def _await_signals(self) -> None:
        signal.sigwait(STOP_SIGNALS)
        log.info("stopping", role=self._role, grace_seconds=self._grace_seconds)
        self._stop.set()
        self._retry.stop()
        again = signal.sigtimedwait(STOP_SIGNALS, self._grace_seconds)
        if again is not None:
            os._exit(128 + again.si_signo)
        log.warning("out of grace: what waits for the bus is cut off", role=self._role)
        self._cut_off = True
        if self._bus is not None:
            self._bus.close()
        _leave_in(_LAST_SECONDS, 0)


def _leave_in(seconds: float, code: int) -> None:
    """Ends the process after some time whatever its threads do; by returning it ends sooner."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()
