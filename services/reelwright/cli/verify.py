"""`reelwright verify`: checks a film against its manifest."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwright.cli.output import print_notice


def command(
    film: Annotated[str, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
) -> None:
    """Check a restored film against its manifest; exit code 0 when all of it holds, 1 when not."""
    from reelwright.ledger.verify import verify

    report = verify(film)
    for check in report.checks:
        print_notice(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
    print_notice(f"{film}: {'verified' if report.ok else 'does not match its manifest'}")
    if not report.ok:
        raise typer.Exit(1)
