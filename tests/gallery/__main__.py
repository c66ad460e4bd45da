"""Draws the pictures of docs/gallery.md and writes the page: `make gallery`, or some pictures by name."""

from __future__ import annotations

import sys
import tempfile
from itertools import groupby
from pathlib import Path
from textwrap import fill

from tests.gallery.exhibits import EXHIBITS, Exhibit
from tests.gallery.films import Films
from tests.gallery.pictures import write_jpeg

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "images" / "gallery"

_INTRODUCTION = (
    "What each step of a restoration does and what it does not, at 1:1: a pixel here is one of the restored film."
    " `make gallery` draws these pictures from three clips with the network that ships. The frames were chosen so"
    " that the difference can be seen, and not because the step does best there. Unless it says otherwise the recipe"
    " is `faithful`: scale 2, `reel-s`, `grain.keep` 0.4. A worn print is `chaplin.mp4` at half its size, made old"
    " by `reelwright age` with the preset `print-1940`; a badly worn one with `print-1910`. The original, at its own"
    " size, is then what a perfect restoration would show. How much each step gains is measured in"
    " [quality](quality.md), [models](models.md) and [recipes](recipes.md#steady-light-and-place). Sintel is by the"
    " Blender Foundation (durian.blender.org), licensed CC BY 3.0."
)
_COLUMNS = 120


def page() -> str:
    """The page as Markdown."""
    parts = [f"# Gallery\n\n{fill(_INTRODUCTION, _COLUMNS)}\n"]
    for section, exhibits in groupby(EXHIBITS, key=lambda each: each.section):
        parts += [f"## {section}\n", *map(_figure, exhibits)]
    return "\n".join(parts)


def _figure(exhibit: Exhibit) -> str:
    shows = exhibit.text.partition(". ")[0].replace("`", "").removesuffix(".")
    return f"![{shows}](images/gallery/{exhibit.name}.jpg)\n\n{fill(exhibit.text, _COLUMNS)}\n"


def main() -> None:
    """Draws the pictures that are named, or all of them, and writes the page."""
    names = sys.argv[1:] or [exhibit.name for exhibit in EXHIBITS]
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reelwright-gallery-") as folder:
        try:
            films = Films(Path(folder))
        except FileNotFoundError as error:
            print(f"no such clip: {error}; the pictures were chosen for it", file=sys.stderr)
            raise SystemExit(2) from None
        for exhibit in EXHIBITS:
            if exhibit.name in names:
                print(exhibit.name, flush=True)
                write_jpeg(PICTURES / f"{exhibit.name}.jpg", exhibit.draw(films))
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
