"""`reelwright serve`: one role of a cluster as a process."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

import typer

from reelwright.process.signals import STOP_SIGNALS


def command(
    role: Annotated[
        Literal["decoder", "dispatcher", "inference", "encoder", "controller"], typer.Argument(help="The role.")
    ],
    metrics_port: Annotated[
        int,
        typer.Option(
            envvar="REELWRIGHT_METRICS_PORT", help="Port of /metrics, /healthz and /readyz; 0 picks a free one."
        ),
    ] = 8080,
) -> None:
    """Run one role of a cluster until SIGTERM. docs/operations.md lists the settings."""
    # Blocked in every thread, and waited for by one thread of `serve`: a signal handler could interrupt a thread that
    # holds the lock that stopping needs. Before the imports, because libraries start threads that inherit the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    from reelwright.process.service import serve

    code = serve(role, metrics_port)
    if code:
        raise typer.Exit(code)
