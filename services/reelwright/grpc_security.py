"""Encryption and login of the gRPC connection between worker and dispatcher, for both ends."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import grpc
import grpc.aio
from pydantic import model_validator
from pydantic_settings import BaseSettings

from reelwright.titles.errors import UserError

# Kubernetes asks for the health of a server without a token.
_HEALTH = "/grpc.health.v1.Health/"


class TlsContent(NamedTuple):
    """The content of certificate files, in PEM; None where no file is named.

    Attributes:
        certificate: the own certificate and those that signed it.
        key: its private key.
        ca: certificates of the authorities that sign the other side's.
    """

    certificate: bytes | None
    key: bytes | None
    ca: bytes | None


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Names of certificate files. They are read again for each new connection, so that they can be replaced.

    Attributes:
        certificate: the own certificate.
        key: its private key.
        ca: certificates of the authorities that sign the other side's.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def read(self) -> TlsContent:
        """Reads the files.

        Raises:
            UserError: a file cannot be read, or key and certificate do not belong together.
        """
        files = (self.certificate, self.key, self.ca)
        try:
            content = TlsContent(*[path.read_bytes() if path else None for path in files])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
            if self.ca:
                context.load_verify_locations(self.ca)
        # An ssl.SSLError is an OSError, too.
        except OSError as error:
            names = ", ".join(str(path) for path in files if path)
            raise UserError(f"no usable certificates: {error}", names, "correct the files or their names") from None
        return content


def require_pair(certificate: Path | None, key: Path | None) -> None:
    """Checks that a certificate and its key are both set, or neither.

    Raises:
        ValueError: one of them is set.
    """
    if (certificate is None) != (key is None):
        raise ValueError("TLS_CERTIFICATE and TLS_KEY belong together: set both or none")


class ClientTlsSettings(BaseSettings):
    """Certificates of a client of the dispatcher.

    Attributes:
        tls_ca: PEM file of the authorities that sign the dispatchers' certificates; turns on TLS. The files are read
            again, so that they can be replaced.
        tls_certificate: PEM file of the client's certificate, for dispatchers with mutual TLS.
        tls_key: PEM file of its private key.
        tls_server_name: name in the dispatchers' certificates, if it is not that of their addresses.
    """

    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_server_name: str | None = None

    @property
    def tls(self) -> TlsFiles | None:
        """The certificate files; None without TLS."""
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_ca) if self.tls_ca else None

    @model_validator(mode="after")
    def _require_key(self) -> Self:
        require_pair(self.tls_certificate, self.tls_key)
        if self.tls_certificate is not None and self.tls_ca is None:
            raise ValueError("TLS_CERTIFICATE and TLS_KEY need TLS_CA")
        return self


def server_credentials(
    files: TlsFiles, *, unusable: Callable[[str], None], replaced: Callable[[], None]
) -> grpc.ServerCredentials:
    """Credentials of a server, which uses the files as they are when a connection begins.

    Args:
        files: certificate and key; with a `ca` only clients that have a certificate of it are served.
        unusable: called with one line when the files cannot be used and the former content stays.
        replaced: called when the files have changed and are used from now on.

    Raises:
        UserError: the files cannot be used now.
    """
    known = files.read()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal known
        try:
            content = files.read()
        except UserError as error:
            unusable(str(error))
            return None
        if content == known:
            return None
        known = content
        replaced()
        return _configuration(content)

    return grpc.dynamic_ssl_server_credentials(_configuration(known), fetch, files.ca is not None)


def open_channel(
    address: str, options: list[tuple[str, Any]], content: TlsContent | None, server_name: str | None
) -> grpc.Channel:
    """Opens a channel to a dispatcher.

    Args:
        address: the dispatcher's.
        options: of the channel.
        content: `ca` and, if the dispatcher wants to know its clients, certificate and key; None without encryption.
        server_name: name in the dispatcher's certificate, if it is not the address's.
    """
    if content is None:
        return grpc.insecure_channel(address, options=options)
    if server_name:
        options = [*options, ("grpc.ssl_target_name_override", server_name)]
    credentials = grpc.ssl_channel_credentials(content.ca, content.key, content.certificate)
    return grpc.secure_channel(address, credentials, options=options)


def token_metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    """Metadata of a call that shows a token to the server; none without a token."""
    return (("authorization", f"Bearer {token}"),) if token else ()


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses every call without the token, except health checks.

    Args:
        token: what the clients must know.
        refused: called for each refused call.
    """

    def __init__(self, token: str, refused: Callable[[], None]) -> None:
        ((_, expected),) = token_metadata(token)
        self._expected, self._refused = expected.encode(), refused

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Passes a call on, or answers it with UNAUTHENTICATED."""
        given = dict(handler_call_details.invocation_metadata).get("authorization", "")
        # In constant time: the time of an answer must not show how much of a guess is right.
        allowed = hmac.compare_digest(given.encode(), self._expected)
        if allowed or handler_call_details.method.startswith(_HEALTH):
            return await continuation(handler_call_details)
        self._refused()
        return grpc.stream_stream_rpc_method_handler(_refuse)


async def _refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or no token: set the dispatcher's token at the worker")


def _configuration(content: TlsContent) -> grpc.ServerCertificateConfiguration:
    pair = (content.key, content.certificate)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=content.ca)
