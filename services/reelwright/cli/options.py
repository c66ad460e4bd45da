"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

RecipeOption = Annotated[
    str, typer.Option("--recipe", help="A recipe's name (see `reelwright recipes`) or a .toml/.yaml file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Overrides a recipe key, e.g. grain.keep=0; may be given several times."
    ),
]
ScaleOption = Annotated[int | None, typer.Option("--scale", help="Enlargement: 2, 3 or 4.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="web, master, hevc10, av1 or prores.")]
EngineOption = Annotated[
    Literal["auto", "openvino", "torch"], typer.Option("--engine", help="The library that runs the network.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a file at the output that was not made from this source.")
]
