"""kafka-python as this package uses it: opened without leftovers, its errors in this package's words, its log quiet."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from reelwright.bus.settings import BusSettings
from reelwright.telemetry.logs import get_logger
from reelwright.titles.errors import BrokerError, UnavailableError

log = get_logger(__name__)

Client = TypeVar("Client")

_REPEAT_SECONDS = 30.0
_CUT_OFF_LOGINS = 3
_READ_BYTES = 256 << 10

_REFUSALS = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.SecurityDisabledError,
    kafka_errors.AuthorizationError,
)


class RateLimitedLog:
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
            log.warning(message, **extra, reason=str(reason) or type(reason).__name__)


class _Library(logging.Handler):
    """Passes on only what kafka-python did not expect itself, each place in its code at most every 30 seconds.

    While a broker is away, each of its clients writes several errors a second, all of which this package tells in its
    own lines, once.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._sparing = RateLimitedLog()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        foreseen = error is None or isinstance(error, OSError | kafka_errors.KafkaError)
        if not foreseen and self._sparing.allows((record.name, record.lineno)):
            logging.getLogger().handle(record)


def quieten() -> None:
    """Makes kafka-python's log bearable; never finer than ERROR, since in DEBUG it writes passwords out."""
    library = logging.getLogger("kafka")
    library.setLevel(logging.ERROR)
    library.propagate = False
    if not any(isinstance(handler, _Library) for handler in library.handlers):
        library.handlers[:] = [_Library()]


class _Wide:
    """A socket that is read in large pieces; the library asks for 4 KiB at a time, a third of a consumer's work."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, _size: int) -> bytes:
        return self._sock.recv(_READ_BYTES)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _Manager(KafkaConnectionManager):  # type: ignore[misc] # the library has no types
    """Remembers why the last connection failed; the library only logs it."""

    failure: Exception | None = None
    _cut_off = 0

    def __init__(self, net: NetworkSelector, **options: object) -> None:
        super().__init__(net, **options)
        # The clients take this as an option, yet 3.0.12 never hands it on, and every look at a topic that is not
        # there would make one with a default broker's settings.
        self.cluster.config["allow_auto_create_topics"] = False

    async def _build_transport(self, node: object, timeout_at: float | None = None) -> KafkaTCPTransport:
        transport = await super()._build_transport(node, timeout_at)
        transport._sock = _Wide(transport._sock)
        return transport

    async def _connect(self, node: object, conn: KafkaConnection, **options: object) -> None:
        await super()._connect(node, conn, **options)
        self.failure = conn.init_future.exception
        if isinstance(self.failure, kafka_errors.KafkaConnectionError) and conn.sasl_enabled and conn.broker_version:
            # The library drops what comes together with the end of a connection, and so do brokers send refusals. One
            # that says its version and then hangs up each time does not let us in.
            self._cut_off += 1
            if self._cut_off >= _CUT_OFF_LOGINS:
                self.failure = kafka_errors.SaslAuthenticationFailedError("hung up during the login")
        if isinstance(self.failure, _REFUSALS) and not self.bootstrapped:
            # Ends the search for a broker. Later on it goes on: a broker that has just started may not know its users.
            self._auth_failures[node.node_id] = self.failure  # type: ignore[attr-defined]


def open_client(kind: Callable[..., Client], **options: object) -> Client:
    """Opens a producer, consumer or admin client.

    Args:
        kind: the class of kafka-python.
        **options: for it.

    Raises:
        KafkaError: of kafka-python: why no broker was found.
    """
    made: list[KafkaNetClient] = []

    def connect(**all_options: object) -> KafkaNetClient:
        net = NetworkSelector(**all_options)
        made.append(KafkaNetClient(net, _Manager(net, **all_options), **all_options))
        return made[-1]

    try:
        return kind(kafka_client=connect, **options)
    except BaseException as error:
        # A client that finds no broker leaves its thread and sockets behind.
        for client in made:
            with suppress(Exception):
                client.close()
            if isinstance(error, kafka_errors.KafkaTimeoutError) and (reason := client._manager.failure) is not None:
                raise reason from None
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
        reason = ", ".join(map(str, error.args)) or type(error).__name__
        where = settings.bootstrap_servers
        if fault := re.search(r"\[SSL: \w+\]\s*([^(]*)", reason):
            remedy = "check REELWRIGHT_BUS_TLS_CA, REELWRIGHT_BUS_TLS_CERT and REELWRIGHT_BUS_TLS_KEY"
            raise BrokerError(f"no TLS with the broker: {fault[1].strip()}", where, remedy) from None
        what = f"no Kafka broker answers in {settings.security_protocol} ({reason})"
        remedy = "start it, or mend REELWRIGHT_BUS_BOOTSTRAP_SERVERS or REELWRIGHT_BUS_SECURITY_PROTOCOL"
        raise UnavailableError(what, where, remedy) from None


def refusal(settings: BusSettings, error: Exception) -> BrokerError:
    """The broker said no: to the login, or to what the login may do."""
    if isinstance(error, kafka_errors.AuthorizationError):
        who = settings.username or "a client without a login"
        what = f"the broker does not allow this to {who} ({type(error).__name__})"
        return BrokerError(what, settings.bootstrap_servers, "grant it in the broker's ACLs")
    what = f"the broker refuses {settings.username or 'a client without a login'} by {settings.sasl_mechanism}"
    remedy = "mend REELWRIGHT_BUS_USERNAME, its password or REELWRIGHT_BUS_SASL_MECHANISM"
    return BrokerError(what, settings.bootstrap_servers, remedy)
