"""`reelwright runs`: removes runs that ended long ago."""

from __future__ import annotations

import typer

from reelwright.cli.output import print_notice

app = typer.Typer(name="runs", no_args_is_help=True, help="Remove runs that ended long ago (docs/operations.md).")


# A group keeps the name of its only command only when it has a callback.
@app.callback()
def _root() -> None:
    pass


@app.command()
def prune() -> None:
    """Remove runs that ended more than REELWRIGHT_STORE_KEEP_DAYS ago, and payloads of failed and cancelled ones."""
    from reelwright.client.pruning import prune_runs
    from reelwright.settings import read_settings
    from reelwright.store.settings import StoreSettings

    settings = read_settings(StoreSettings)
    done = prune_runs(settings.root, settings.keep_days)
    print_notice(f"{done.runs} removed, {done.kept} kept")
