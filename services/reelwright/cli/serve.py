"""`reelwright serve`: one role of a cluster as a process."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

import typer

from reelwright.process.signals import STOP_SIGNALS


def command(
    role: Annotated[Literal["decoder", "dispatcher", "inference", "encoder"], typer.Argument(help="What to be.")],
    metrics_port: Annotated[
        int,
        typer.Option(
            envvar="REELWRIGHT_METRICS_PORT", help="Port of /metrics, /healthz and /readyz; 0 takes a free one."
        ),
    ] = 8080,
) -> None:
    """Serve as one role of a cluster until SIGTERM. docs/operations.md has the settings."""
    # Blocked in every thread from here on and waited for in one of their own: a handler could interrupt a thread that
    # holds the very lock that stopping needs. Before the imports, since libraries start threads that inherit this.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    from reelwright.process.service import serve

    code = serve(role, metrics_port)
    if code:
        raise typer.Exit(code)


command.__name__ = "serve"
