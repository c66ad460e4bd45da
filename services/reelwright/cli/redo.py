"""`reelwright redo`: one shot of a finished film again, with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwright.cli.options import EngineOption
from reelwright.cli.output import print_notice
from reelwright.titles.errors import Interrupted


def command(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
    shot: Annotated[int, typer.Option("--shot", help="The shot, counted from 1; `reelwright qc` lists them.")],
    assign: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting of the shot, e.g. tone.glare=0.2.")
    ],
    engine: EngineOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the network; default: all cores.")] = None,
) -> None:
    """Restore one shot again and put it into the film; every other frame stays as it is."""
    from reelwright.cli.progress import ProgressDisplay
    from reelwright.ledger.credentials import configured_signing, sign_film
    from reelwright.ledger.delivery import credentials_location
    from reelwright.ledger.report.formatting import qc_sentence
    from reelwright.local.redo import redo_shot

    signing = configured_signing()
    try:
        with ProgressDisplay(film.name) as display:
            manifest = redo_shot(film, shot, assign, engine=engine, threads=threads, on_progress=display.update)
    except KeyboardInterrupt:
        raise Interrupted("stopped; the film is as it was") from None
    print_notice(f"shot {shot} of {film}: {qc_sentence(manifest.shots[shot - 1])}")
    if signing is not None:
        print_notice(f"credentials  {sign_film(str(film), signing)}")
    elif Path(credentials := credentials_location(str(film))).exists():
        print_notice(f"{credentials} is of the former film: sign it again with `reelwright sign`")
