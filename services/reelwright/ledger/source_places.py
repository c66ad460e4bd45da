"""Where the source of a finished film may lie: manifests of earlier versions name it as it was typed."""

from __future__ import annotations

from pathlib import Path

from reelwright.ledger.manifest import Manifest
from reelwright.store.location import open_location


def source_places(manifest: Manifest, film: str) -> tuple[str, ...]:
    """The locations at which the source of a film may lie, the likeliest first.

    Args:
        manifest: of the film. A relative path in it is one from the folder in which the film was restored, which it
            does not tell.
        film: location of the film.

    Returns:
        Where the manifest says; a relative path from this folder and from that of the film; its name beside the film.
    """
    named, where = manifest.source.location, open_location(film)
    if "://" in named or Path(named).is_absolute() or not where.local:
        return (named,)
    folder = Path(where.path).parent
    return tuple(dict.fromkeys((named, str(folder / named), str(folder / Path(named).name))))
