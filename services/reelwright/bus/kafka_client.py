"""kafka-python as this package uses it: opened without leftovers, its errors in this package's words, its log quiet."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient

from reelwright.bus.settings import BusSettings
from reelwright.titles.errors import BrokerError, UnavailableError

log = logging.getLogger(__name__)

Client = TypeVar("Client")

_REPEAT_SECONDS = 30.0
_PROBE_SECONDS = 2.0

_REFUSALS = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.SecurityDisabledError,
    kafka_errors.AuthorizationError,
)


class Sparing:
    """Logs a line of a kind at most every 30 seconds. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[object, float] = {}

    def allows(self, kind: object) -> bool:
        """Whether a line of this kind may be written now; counts it as written."""
        with self._lock:
            now = time.monotonic()
            if now < self._next.get(kind, now):
                return False
            self._next[kind] = now + _REPEAT_SECONDS
            return True

    def warn(self, message: str, reason: object, **extra: object) -> None:
        """A warning with its reason."""
        if self.allows((message, *extra.values())):
            log.warning(message, extra={**extra, "reason": str(reason) or type(reason).__name__})


class _Library(logging.Handler):
    """Passes on what kafka-python says, each place in its code at most every 30 seconds.

    While a broker is away, each of its clients writes several errors a second. What matters for operation is in this
    package's own lines, so its words go out as they are, only rarely.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._sparing = Sparing()

    def emit(self, record: logging.LogRecord) -> None:
        if self._sparing.allows((record.name, record.lineno)):
            logging.getLogger().handle(record)


def quieten() -> None:
    """Makes kafka-python's log bearable; never finer than WARNING, since in DEBUG it writes passwords out."""
    library = logging.getLogger("kafka")
    library.setLevel(logging.WARNING)
    library.propagate = False
    if not any(isinstance(handler, _Library) for handler in library.handlers):
        library.handlers[:] = [_Library()]


class _NetClient(KafkaNetClient):  # type: ignore[misc] # the library has no types
    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        # The clients take this as an option, yet 3.0.12 never hands it on, and every look at a topic that is not
        # there would make one with a default broker's settings.
        self.cluster.config["allow_auto_create_topics"] = False


def open_client(kind: Callable[..., Client], **options: object) -> Client:
    """Opens a producer, consumer or admin client.

    Args:
        kind: the class of kafka-python.
        **options: for it.
    """
    made: list[_NetClient] = []

    def connect(**all_options: object) -> _NetClient:
        made.append(_NetClient(**all_options))
        return made[-1]

    try:
        return kind(kafka_client=connect, **options)
    except BaseException:
        # A client that finds no broker leaves its thread and sockets behind.
        for client in made:
            with suppress(Exception):
                client.close()
        raise


@contextmanager
def in_our_words(settings: BusSettings) -> Iterator[None]:
    """Turns the library's errors into one line for a person.

    Raises:
        UnavailableError: no broker answers.
        BrokerError: it refuses the login or the connection.
    """
    try:
        yield
    except _REFUSALS as error:
        raise refusal(settings, error) from None
    except kafka_errors.KafkaError as error:
        if fault := _tls_fault(settings):
            raise fault from None
        what = f"no Kafka broker answers in {settings.security_protocol}"
        what += "" if isinstance(error, kafka_errors.RetriableError) else f" ({type(error).__name__})"
        remedy = "start it, or mend REELWRIGHT_BUS_BOOTSTRAP_SERVERS or REELWRIGHT_BUS_SECURITY_PROTOCOL"
        raise UnavailableError(what, settings.bootstrap_servers, remedy) from None


def refusal(settings: BusSettings, error: Exception) -> BrokerError:
    """The broker said no: to the login, or to what the login may do."""
    if isinstance(error, kafka_errors.AuthorizationError):
        who = settings.username or "a client without a login"
        what = f"the broker does not allow this to {who} ({type(error).__name__})"
        return BrokerError(what, settings.bootstrap_servers, "grant it in the broker's ACLs")
    what = f"the broker refuses {settings.username or 'a client without a login'} by {settings.sasl_mechanism}"
    remedy = "mend REELWRIGHT_BUS_USERNAME, its password or REELWRIGHT_BUS_SASL_MECHANISM"
    return BrokerError(what, settings.bootstrap_servers, remedy)


def _tls_fault(settings: BusSettings) -> BrokerError | None:
    """Why TLS fails, which kafka-python reports as if nobody were there; None where that is so."""
    if not settings.tls:
        return None
    context = settings.tls_context()
    for server in settings.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        host = host.strip("[]")
        try:
            with (
                socket.create_connection((host, int(port)), _PROBE_SECONDS) as raw,
                context.wrap_socket(raw, server_hostname=host) as channel,
            ):
                # In TLS 1.3 a broker that wants a certificate says so only after the handshake.
                channel.recv(1)
        except ssl.SSLCertVerificationError as error:
            what = f"the broker's certificate is not trusted: {error.verify_message}"
            return BrokerError(what, server, "name its authority in REELWRIGHT_BUS_TLS_CA")
        except ssl.SSLError as error:
            what = f"the broker refuses the TLS connection: {error.reason}"
            return BrokerError(what, server, "check REELWRIGHT_BUS_TLS_CERT and REELWRIGHT_BUS_TLS_KEY")
        except (OSError, ValueError):
            continue
    return None
