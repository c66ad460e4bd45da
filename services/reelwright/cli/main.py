"""The `reelwright` command: its verbs, and what a person sees when something is wrong."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from reelwright import __version__
from reelwright.cli import age, cancel, deadletter, models, probe, restore, serve, status, submit, topics, verify
from reelwright.titles.errors import REPORT_AT, Interrupted, OneLineError, ReelwrightError

app = typer.Typer(
    name="reelwright",
    help="Restores films: every frame, its sound and its soul.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (restore, verify, probe, models, age, serve, submit, status, cancel):
    app.command()(module.command)
for group in (topics, deadletter):
    app.add_typer(group.app)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line and leaves with its exit code: 0 done, 2 the person can mend it, 1 our failure."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command; the exit code. Never raises."""
    # gRPC writes its own news to stderr, such as that a peer has left; only what it calls an error is one.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        app(args=arguments, prog_name="reelwright")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 1
    except (OneLineError, Interrupted) as error:
        _say(str(error))
        return error.exit_code
    except ReelwrightError as error:
        _say(f"{error}; {REPORT_AT}")
        return error.exit_code
    except Exception:  # noqa: BLE001 - the last resort: whatever it is, it is ours
        traceback.print_exc()
        _say(f"this is a failure of ours; {REPORT_AT}")
        return 1
    return 0


def _say(line: str) -> None:
    typer.echo(f"reelwright: {' '.join(line.split())}", err=True)
