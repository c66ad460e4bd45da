"""What the report of a film with a shot that was restored again shows, as a ledger holds it."""

from __future__ import annotations

from pathlib import Path

from reelwright.ledger.manifest import Manifest
from reelwright.ledger.records import SegmentPlan
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.shown_frame_coding import code_shown_frame
from reelwright.local.redone_segments import RedoneSegments
from reelwright.media.bars import film_bars
from reelwright.media.finished_film import pictures_of
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import Picture
from reelwright.media.worst_frame import cropped


def put_pictures(ledger: RunLedger, manifest: Manifest, film: Path, made: RedoneSegments) -> None:
    """Puts the plan, and the pictures of the source and of the film.

    Args:
        ledger: with nothing in it.
        manifest: of the film.
        film: the film with the shot in it.
        made: the shot's segments.
    """
    places = {}
    for number, frames in enumerate(made.segments):
        records = tuple(made.records[number])
        ledger.put_plan(SegmentPlan(segment=number, first_frame=frames.start, frames=records, source_digest=""))
        places.update({frame: (number, frame - frames.start) for frame in frames})
    for frame, image in made.previews.items():
        ledger.pictures.put_source(*places[frame], image)
    _put_restored(ledger, manifest, film, made=made, places=places)


def _put_restored(
    ledger: RunLedger, manifest: Manifest, film: Path, *, made: RedoneSegments, places: dict[int, tuple[int, int]]
) -> None:
    video, shown, worst = manifest.source.video, dict[int, bytes](), made.worst.found
    # A frame may be in the strip of one shot alone.
    strips = {frame: number for number, each in worst.items() for frame in each.frames}
    crops: dict[int, list[Picture]] = {number: [] for number in worst}
    previews = {shot.preview_frame for shot in manifest.shots}
    for frame, picture in pictures_of(film, previews | strips.keys() | worst.keys(), film_bars(video, manifest.recipe)):
        if frame in previews or frame in worst:
            image = jpeg(picture, video.colour, PREVIEW_WIDTH)
            if frame in previews:
                ledger.pictures.put_restored(*places[frame], image)
            if frame in worst:
                shown[frame] = image
        if frame in strips:
            crops[strips[frame]].append(cropped(picture, worst[strips[frame]].worst.crop, manifest.recipe.scale))
    for frame, each in worst.items():
        found = code_shown_frame(
            video.colour,
            each.frames,
            before=each.worst.picture,
            after=shown[frame],
            mask=each.worst.mask,
            strips=(each.crops, crops[frame]),
        )
        ledger.pictures.put_shown(*places[frame], found)
