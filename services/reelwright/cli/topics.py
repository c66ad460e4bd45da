"""`reelwright topics`: creates and checks the broker's topics."""

from __future__ import annotations

import typer

from reelwright.cli.output import print_notice

app = typer.Typer(name="topics", no_args_is_help=True, help="Create and check the broker's topics (docs/kafka.md).")


@app.command()
def apply() -> None:
    """Create missing topics and correct settings that differ. Reads REELWRIGHT_BUS_* from the environment."""
    from reelwright.bus.kafka.topics import apply_topics
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings

    for line in apply_topics(read_settings(BusSettings)) or ["nothing to do"]:
        print_notice(line)


@app.command()
def check() -> None:
    """Print each problem of the topics on a line; the exit code is 2 when there is one."""
    from reelwright.bus.kafka.topics import find_topic_problems
    from reelwright.bus.settings import BusSettings
    from reelwright.settings import read_settings

    problems = find_topic_problems(read_settings(BusSettings))
    for line in problems or ["all topics are as they should be"]:
        print_notice(line)
    if problems:
        raise typer.Exit(2)
