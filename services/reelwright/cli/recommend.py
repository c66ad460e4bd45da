"""`reelwright recommend`: which recipe suits a film, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.options import JsonOption
from reelwright.cli.output import print_result


def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film.")],
    as_json: JsonOption = False,
) -> None:
    """Measure samples of a film, and say which recipe and settings suit it, and why."""
    from reelwright.local.film_measurement import measure_film
    from reelwright.local.recommendation import recommend
    from reelwright.media.probe import probe
    from reelwright.store.location import shell_argument

    found = recommend(measure_film(probe(source)))
    if as_json:
        print_result(found.model_dump_json(indent=2))
        return
    settings = "".join(f" --set {key}={value}" for key, value in found.settings.items())
    print_result(f"reelwright restore {shell_argument(source)} --recipe {found.recipe}{settings}")
    for reason in found.reasons:
        print_result(f"  {reason}")
