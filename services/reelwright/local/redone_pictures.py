"""What the report of a film with a shot that was restored again shows, as a ledger holds it."""

from __future__ import annotations

from functools import partial
from itertools import chain, groupby
from pathlib import Path

from reelwright.ledger.records import Manifest, SegmentPlan
from reelwright.ledger.run_ledger import RunLedger
from reelwright.local.redone_segments import RedoneSegments
from reelwright.media.bars import film_bars
from reelwright.media.finished_film import pictures_of
from reelwright.media.jpeg import jpeg
from reelwright.media.motion_strip import MotionStrips
from reelwright.media.repair_mask import mask_picture, mask_png

_PREVIEW_WIDTH = 1280


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
        ledger.put_source_picture(*places[frame], image)
    for frame, image in made.motion.items():
        ledger.put_source_picture(*places[frame], image, "motion")
    for frame, mask in made.masks.items():
        ledger.put_restored_picture(*places[frame], mask_png(mask_picture(mask)), "mask")
    _put_restored(ledger, manifest, film, made=made, places=places)


def _put_restored(
    ledger: RunLedger, manifest: Manifest, film: Path, *, made: RedoneSegments, places: dict[int, tuple[int, int]]
) -> None:
    video, records = manifest.source.video, list(chain.from_iterable(made.records))
    shots = [manifest.shots[shot] for shot in sorted(made.worst)]
    moving = {frame for shot in shots for frame in range(shot.first_frame, shot.first_frame + shot.frames)}
    moving = {frame for frame in moving if records[frame].crop is not None}
    previews = {shot.preview_frame for shot in manifest.shots}
    pictures = pictures_of(film, previews | moving, film_bars(video, manifest.recipe))
    for segment, found in groupby(pictures, key=lambda each: places[each[0]][0]):
        put = partial(ledger.put_restored_picture, segment, kind="motion")
        motion = MotionStrips(video.colour, manifest.recipe.scale, put)
        for frame, picture in found:
            offset = places[frame][1]
            if frame in previews:
                ledger.put_restored_picture(segment, offset, jpeg(picture, video.colour, _PREVIEW_WIDTH))
            if frame in moving:
                motion.add(offset, records[frame], picture)
        motion.end()
