"""`reelwright models`: what is installed, and networks of your own in a cluster's store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwright.cli.output import print_result

app = typer.Typer(name="models", invoke_without_command=True, help="List the installed models with hashes and cards.")


@app.callback()
def models(context: typer.Context) -> None:
    """List the installed models with their hashes and cards."""
    from reelwright.restoration.models import list_models

    if context.invoked_subcommand is not None:
        return
    for model in list_models():
        scales = ",".join(f"x{scale}" for scale in model.scales)
        print_result(f"{model.name}  {scales}  sha256:{model.sha256}\n{model.path}\n\n{model.card}")


@app.command()
def add(file: Annotated[Path, typer.Argument(metavar="FILE", help="The network: a safetensors file.")]) -> None:
    """Put a network into the cluster's store; prints the name by which recipes and pools of workers find it."""
    from reelwright.client.connection import ledger_root
    from reelwright.restoration.stored_models import add_model

    print_result(add_model(file, ledger_root()))
