"""Certificates of the dispatcher's gRPC ports."""

from __future__ import annotations

import grpc

from reelwright.grpc_security import TlsFiles, server_credentials
from reelwright.telemetry.logs import get_logger

log = get_logger(__name__)


def logged_credentials(files: TlsFiles | None) -> grpc.ServerCredentials | None:
    """Credentials of a port, which uses the files as they are when a connection begins; None without files.

    Raises:
        UserError: the files cannot be used now.
    """
    if files is None:
        return None
    return server_credentials(files, unusable=_log_unusable, replaced=lambda: log.info("certificates replaced"))


def _log_unusable(reason: str) -> None:
    log.warning("certificates unusable", reason=reason)
