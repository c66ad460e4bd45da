"""`reelwright models`: what is installed."""

from __future__ import annotations

from reelwright.cli.output import print_result


def command() -> None:
    """List the installed models with their hashes and cards."""
    from reelwright.restoration.models import list_models

    for model in list_models():
        scales = ",".join(f"x{scale}" for scale in model.scales)
        print_result(f"{model.name}  {scales}  sha256:{model.sha256}\n{model.path}\n\n{model.card}")
