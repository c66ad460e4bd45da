"""`reelwright runs`: removes runs that ended long ago, and makes the index that `status` reads."""

from __future__ import annotations

import typer

from reelwright.cli.output import print_notice

app = typer.Typer(name="runs", no_args_is_help=True, help="Care for the runs of a ledger (docs/operations.md).")


@app.command()
def prune() -> None:
    """Remove runs that ended more than REELWRIGHT_STORE_KEEP_DAYS ago, and payloads of failed and cancelled ones."""
    from reelwright.client.pruning import prune_runs
    from reelwright.settings import read_settings
    from reelwright.store.settings import StoreSettings

    settings = read_settings(StoreSettings)
    done = prune_runs(settings.root, settings.keep_days)
    print_notice(f"{done.runs} removed, {done.kept} kept")


@app.command()
def index() -> None:
    """Enter every run in the index that `status` reads: once after an upgrade from a version without it."""
    from reelwright.client.connection import ledger_root
    from reelwright.client.indexing import index_runs

    print_notice(f"{index_runs(ledger_root())} in the index")
