"""The `reelwright` command: its subcommands, exit codes and error lines."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from reelwright import __version__
from reelwright.cli import (
    age,
    cancel,
    compare,
    dead_letters,
    models,
    probe,
    qc,
    recipes,
    recommend,
    redo,
    restore,
    runs,
    serve,
    sign,
    status,
    submit,
    topics,
    verify,
)
from reelwright.cli.interrupts import handle_stop_signals
from reelwright.cli.output import prepare_streams, print_error, print_result
from reelwright.titles.errors import REPORT_AT, Interrupted, OneLineError, ReelwrightError

app = typer.Typer(
    name="reelwright",
    help="Restores old films: enlarges them, keeps every frame at its own time, and loses none in a crash.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS = {
    "restore": restore,
    "verify": verify,
    "qc": qc,
    "compare": compare,
    "redo": redo,
    "sign": sign,
    "probe": probe,
    "recipes": recipes,
    "recommend": recommend,
    "age": age,
    "serve": serve,
    "submit": submit,
    "status": status,
    "cancel": cancel,
}
for _name, _module in _COMMANDS.items():
    app.command(_name)(_module.command)
for _group in (models, topics, dead_letters, runs):
    app.add_typer(_group.app)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        print_result(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line and exits with its code: 0 done, 2 the person must correct something, 1 our failure."""
    prepare_streams()
    # A role stops by its own rules. Any other command must remove the films under way that it made beside the output.
    if sys.argv[1:2] != ["serve"]:
        handle_stop_signals()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code. Never raises."""
    # gRPC prints its own warnings to stderr, for example when a peer disconnects; only its errors matter here.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        app(args=arguments, prog_name="reelwright")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 1
    except (OneLineError, Interrupted) as error:
        print_error(str(error))
        return error.exit_code
    except ReelwrightError as error:
        print_error(f"{error}; {REPORT_AT}")
        return error.exit_code
    except Exception:  # noqa: BLE001 - the last resort: an unexpected exception is our failure
        traceback.print_exc()
        print_error(f"this is a failure of ours; {REPORT_AT}")
        return 1
    return 0
