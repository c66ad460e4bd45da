"""`reelwright sign`: signed Content Credentials beside a film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwright.cli.output import print_notice


def command(
    film: Annotated[str, typer.Argument(metavar="FILM", help="A restored film; its manifest lies beside it.")],
    key: Annotated[
        Path, typer.Option("--key", envvar="REELWRIGHT_CREDENTIALS_KEY", help="PEM file of the private key.")
    ],
    certificates: Annotated[
        Path,
        typer.Option(
            "--certificates",
            envvar="REELWRIGHT_CREDENTIALS_CERTIFICATES",
            help="PEM file of the key's certificate, then those that signed it.",
        ),
    ],
    timestamp_server: Annotated[
        str | None,
        typer.Option(
            "--timestamp-server",
            metavar="URL",
            envvar="REELWRIGHT_CREDENTIALS_TIMESTAMP_SERVER",
            help="A server that certifies the time of the signature (RFC 3161).",
        ),
    ] = None,
) -> None:
    """Sign what was done to a film, as Content Credentials (C2PA) in a file beside it; the film stays as it is."""
    from reelwright.ledger.credentials import sign_film
    from reelwright.ledger.settings import SigningFiles

    print_notice(f"credentials  {sign_film(film, SigningFiles(key, certificates, timestamp_server))}")
