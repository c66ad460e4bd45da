"""`reelwright compare`: two films of one source, shot by shot."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reelwright.cli.options import JsonOption
from reelwright.cli.output import print_notice, print_result
from reelwright.titles.errors import UserError


def command(
    one: Annotated[str, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another restoration of the same source.")],
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            metavar="LEVELS",
            help="Exit code 1 when a shot of OTHER departs further from the source than FILM's by more than this.",
        ),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", help="Write a page with both films side by side to this file (.html).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of the report's name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two films of one source shot by shot, by what was measured in their frames."""
    from reelwright.ledger.comparison import compare
    from reelwright.ledger.manifest_file import read_manifest
    from reelwright.ledger.report.formatting import comparison_sentence, frame_time
    from reelwright.local.comparison_report import check_page, write_report

    # NaN is no number of levels either.
    if tolerance is not None and not tolerance >= 0:
        raise UserError(f"--tolerance {tolerance:g} is below 0", "reelwright compare", "give levels, such as 0.5")
    page = None if report is None else check_page(one, other, report, overwrite=overwrite)
    first = read_manifest(one)
    shots = compare(first, read_manifest(other))
    if as_json:
        print_result(
            json.dumps(
                [
                    {
                        **{key: getattr(shot, key) for key in ("number", "first_frame", "frames", "further")},
                        "a": shot.one.model_dump(),
                        "b": shot.other.model_dump(),
                    }
                    for shot in shots
                ],
                indent=2,
            )
        )
    else:
        for shot in shots:
            at = frame_time(first, shot.first_frame)
            print_result(f"shot {shot.number:<5} {at}  {comparison_sentence(shot.one, shot.other)}")
    if page is not None:
        write_report(one, other, page)
        print_notice(f"report  {report}")
    further = [shot for shot in shots if tolerance is not None and shot.further > tolerance]
    if further:
        numbers = ", ".join(str(shot.number) for shot in further)
        print_notice(f"{other} departs over {tolerance:g} levels further from the source in shot {numbers}")
        raise typer.Exit(1)
