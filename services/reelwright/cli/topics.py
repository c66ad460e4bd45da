"""`reelwright topics`: the broker's topics, made and checked."""

from __future__ import annotations

import typer

app = typer.Typer(name="topics", no_args_is_help=True, help="Make and check the broker's topics (docs/kafka.md).")


@app.command()
def apply() -> None:
    """Make the topics that are missing and set what differs. Settings are REELWRIGHT_BUS_* in the environment."""
    from reelwright.bus.kafka import topics as kafka_topics
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings

    for line in kafka_topics.apply(read_settings(BusSettings)) or ["nothing to do"]:
        typer.echo(line)


@app.command()
def check() -> None:
    """Say what is wrong with the topics, a line each; exit code 2 when anything is."""
    from reelwright.bus.kafka import topics as kafka_topics
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings

    wrong = kafka_topics.problems(read_settings(BusSettings))
    for line in wrong or ["all topics are as they should be"]:
        typer.echo(line)
    if wrong:
        raise typer.Exit(2)
