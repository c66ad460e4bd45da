"""`reelwright qc`: the worst shots of a film first, and a person's judgement of a shot."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reelwright.cli.options import JsonOption
from reelwright.cli.output import print_notice, print_result, print_status
from reelwright.titles.errors import UserError


def command(
    film: Annotated[str, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most so many shots.")] = 20,
    shot: Annotated[int | None, typer.Option("--shot", help="The shot to accept, counted from 1.")] = None,
    accept: Annotated[
        str | None,
        typer.Option("--accept", metavar="REMARK", help="Write down that you accept --shot, with a remark."),
    ] = None,
    c2pa: Annotated[bool, typer.Option("--c2pa", help="Print what was done as a C2PA manifest definition.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the shots of a film that depart most from its source, worst first."""
    from reelwright.ledger.acceptance import accept_shot
    from reelwright.ledger.c2pa import definition
    from reelwright.ledger.manifest_file import read_manifest
    from reelwright.ledger.report.certificate import worst_shots
    from reelwright.ledger.report.formatting import judgement_of, qc_sentence
    from reelwright.store.location import open_location, shell_argument

    if (shot is None) != (accept is None):
        raise UserError("--shot and --accept belong together", "reelwright qc", "give both, or neither")
    if shot is not None and accept is not None:
        reported = accept_shot(film, shot, accept)
        where = "" if reported else "; its report has no place for it, the manifest has it"
        print_notice(f"shot {shot} of {film} accepted{where}")
        return
    manifest = read_manifest(film)
    if c2pa:
        print_result(json.dumps(definition(manifest), indent=2))
        return
    worst = worst_shots(manifest, limit)
    if as_json:
        shots = [{"shot": each.number, "at": each.at, **each.shot.model_dump(mode="json")} for each in worst]
        print_result(json.dumps(shots, indent=2))
        return
    if not worst:
        print_notice(f"{film}: its frames were not measured; restore it with this version")
    for each in worst:
        judged = judgement_of(manifest, each.number)
        print_result(f"shot {each.number:<5} {each.at}  {qc_sentence(each.shot)}{f', {judged}' if judged else ''}")
    if worst:
        again = "`reelwright redo` on a copy of the film, its manifest and its report on a disk"
        if open_location(film).local:
            again = f"reelwright redo {shell_argument(film)} --shot {worst[0].number} --set KEY=VALUE"
        print_status(f"restore a shot again: {again}")
