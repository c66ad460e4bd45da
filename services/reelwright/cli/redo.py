"""`reelwright redo`: one shot of a finished film again, with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwright.cli.interrupts import check_interrupted, interruptible
from reelwright.cli.options import EngineOption
from reelwright.cli.output import print_notice
from reelwright.titles.errors import InputError


def command(
    film: Annotated[str, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
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
    from reelwright.store.location import local_path
    from reelwright.telemetry.progress import ProgressMeter

    path = local_path(film, "copy the film, its manifest and its report to a disk", InputError)
    signing = configured_signing()
    with interruptible("stopped; the film is as it was"), ProgressDisplay(path.name) as display:

        def update(meter: ProgressMeter) -> None:
            check_interrupted()
            display.update(meter)

        manifest = redo_shot(path, shot, assign, engine=engine, threads=threads, on_progress=update)
    print_notice(f"shot {shot} of {film}: {qc_sentence(manifest.shots[shot - 1])}")
    if signing is not None:
        print_notice(f"credentials  {sign_film(str(path), signing)}")
    elif Path(credentials := credentials_location(str(path))).exists():
        print_notice(f"{credentials} is of the former film: sign it again with `reelwright sign`")
