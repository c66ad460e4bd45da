"""`reelwright serve`: one role of a cluster as a process."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


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
    from reelwright.cli.service import serve

    code = serve(role, metrics_port)
    if code:
        raise typer.Exit(code)


command.__name__ = "serve"
