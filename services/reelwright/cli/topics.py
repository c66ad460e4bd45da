"""`reelwright topics`: creates and checks the broker's topics."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from reelwright.cli.output import print_notice

app = typer.Typer(name="topics", no_args_is_help=True, help="Create and check the broker's topics (docs/kafka.md).")


@app.command()
def apply(
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to try again while no broker answers.")
    ] = 0.0,
) -> None:
    """Create missing topics and correct settings that differ. Reads REELWRIGHT_BUS_* from the environment."""
    from reelwright.bus.kafka.topics import apply_topics
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings
    from reelwright.store.retry import RetryPolicy

    apply_once = partial(apply_topics, read_settings(BusSettings))
    for line in RetryPolicy(wait).call(apply_once) or ["nothing to do"]:
        print_notice(line)


@app.command()
def check() -> None:
    """Print each problem, and who else uses the broker, on a line; the exit code is 2 when there is a problem."""
    from reelwright.bus.kafka.other_installations import find_foreign_consumers, find_other_installations
    from reelwright.bus.kafka.topics import find_topic_problems
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings

    settings = read_settings(BusSettings)
    problems = [*find_topic_problems(settings), *find_foreign_consumers(settings)]
    for name in find_other_installations(settings):
        print_notice(f"another installation: {name}")
    for line in problems or ["all topics are as they should be"]:
        print_notice(line)
    if problems:
        raise typer.Exit(2)
