"""Errors and log of kafka-python: errors become errors of `titles.errors`, the log is reduced."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors as kafka_errors

from reelwright.bus.settings import BusSettings
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import BrokerError, UnavailableError

log = get_logger(__name__)

_REPEAT_SECONDS = 30.0

ACCESS_ERRORS = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.SecurityDisabledError,
    kafka_errors.AuthorizationError,
)
"""Errors of kafka-python by which a broker refuses a login, or an action of a login."""


@contextmanager
def translated_errors(settings: BusSettings) -> Iterator[None]:
    """Turns errors of kafka-python that are raised in a `with` block into one-line errors.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: the broker refuses the login or the connection.
    """
    try:
        yield
    except ACCESS_ERRORS as error:
        raise access_error(settings, error) from None
    except kafka_errors.KafkaError as error:
        reason = ", ".join(map(str, error.args)) or type(error).__name__
        where = settings.bootstrap_servers
        if fault := re.search(r"\[SSL: \w+\]\s*([^(]*)", reason):
            remedy = "check REELWRIGHT_BUS_TLS_CA, REELWRIGHT_BUS_TLS_CERT and REELWRIGHT_BUS_TLS_KEY"
            raise BrokerError(f"no TLS with the broker: {fault[1].strip()}", where, remedy) from None
        what = f"no Kafka broker answers in {settings.security_protocol} ({reason})"
        remedy = "start it, or correct REELWRIGHT_BUS_BOOTSTRAP_SERVERS or REELWRIGHT_BUS_SECURITY_PROTOCOL"
        raise UnavailableError(what, where, remedy) from None


def access_error(settings: BusSettings, error: Exception) -> BrokerError:
    """The one-line error for one of ACCESS_ERRORS: the login is refused, or the login may not do this."""
    user = settings.username or "a client without a login"
    if isinstance(error, kafka_errors.AuthorizationError):
        what = f"the broker does not allow this to {user} ({type(error).__name__})"
        return BrokerError(what, settings.bootstrap_servers, "grant it in the broker's ACLs")
    what = f"the broker refuses {user} by {settings.sasl_mechanism}"
    remedy = "correct REELWRIGHT_BUS_USERNAME, its password or REELWRIGHT_BUS_SASL_MECHANISM"
    return BrokerError(what, settings.bootstrap_servers, remedy)


class RateLimitedLog:
    """Logs each kind of line at most every 30 seconds. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[object, float] = {}

    def allows(self, kind: object) -> bool:
        """Whether a line of this kind may be logged now; if so, the next one may be in 30 seconds."""
        with self._lock:
            now = time.monotonic()
            if now < self._next.get(kind, now):
                return False
            self._next[kind] = now + _REPEAT_SECONDS
            return True

    def warning(self, event: str, reason: object, **fields: object) -> None:
        """Logs a warning unless one with the same event and fields was logged within 30 seconds.

        Args:
            event: what happened.
            reason: the error; does not count for the comparison.
            **fields: of the line.
        """
        if self.allows((event, *fields.values())):
            log.warning(event, **fields, reason=str(reason) or type(reason).__name__)


def reduce_kafka_log() -> None:
    """Lets only unexpected errors of kafka-python through, and never DEBUG lines, in which it writes passwords."""
    library = logging.getLogger("kafka")
    library.setLevel(logging.ERROR)
    library.propagate = False
    if not any(isinstance(handler, _UnexpectedErrors) for handler in library.handlers):
        library.handlers[:] = [_UnexpectedErrors()]


class _UnexpectedErrors(logging.Handler):
    """Passes on errors that are neither an OSError nor a KafkaError, each source line at most every 30 seconds.

    While a broker is away, each client of the library logs several errors a second. This package logs that state once.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._rate_limit = RateLimitedLog()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        expected = error is None or isinstance(error, OSError | kafka_errors.KafkaError)
        if not expected and self._rate_limit.allows((record.name, record.lineno)):
            logging.getLogger().handle(record)
