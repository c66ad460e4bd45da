"""A title's frames, one after another, as the rest of the pipeline wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reelwright.media.container import open_file, open_source
from reelwright.media.container_integrity import ContainerWalk, missing_bytes
from reelwright.media.damage import cut_short
from reelwright.media.decode import RawFrame, VideoDecoder
from reelwright.media.deinterlace import deinterlaced
from reelwright.media.excerpts import excerpted
from reelwright.media.formats import picture_of
from reelwright.media.picture import Picture
from reelwright.media.shots import with_shots
from reelwright.media.stream_choice import video_stream
from reelwright.media.types import Bars, DecodedFrame, SourceInfo
from reelwright.titles.recipe import Recipe


class FrameReader:
    """Iterates over a title's frames in presentation order; each iteration reads the file anew and alike.

    Args:
        info: what `probe` found.
        recipe: decides on fields (`deinterlace`), borders (`bars`), damage (`on_damage`) and parts (`excerpt`).
        threads: decoder threads; results do not depend on them.

    Attributes:
        truncated_at: PTS at which a cut file ended, known once it was read with `on_damage = "conceal"`.
        notes: repairs of timestamps, one line for each kind, known once the file was read.

    Iterating raises DamagedSource, with `on_damage = "fail"`, for a frame that does not decode or a cut file, and
    InputError for a picture that changes size or format on the way.
    """

    def __init__(self, info: SourceInfo, recipe: Recipe, *, threads: int = 2) -> None:
        self._info, self._recipe, self._threads = info, recipe, threads
        self._bars = Bars() if recipe.bars == "ignore" else info.video.bars
        self.truncated_at: int | None = None
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[DecodedFrame]:
        location, conceal = self._info.location, self._recipe.on_damage == "conceal"
        with open_file(location) as beside, open_source(location, beside) as container:
            missing = missing_bytes(beside)
            if missing and not conceal:
                raise cut_short(location, missing)
            decoder = VideoDecoder(
                container,
                video_stream(container, location),
                location,
                conceal=conceal,
                cut=missing > 0,
                threads=self._threads,
                walk=ContainerWalk(beside),
                joins=self._info.joins or (),
            )
            yield from self._numbered(self._pictures(self._whole(decoder)))
            self.notes = decoder.notes
            self.truncated_at = decoder.end if decoder.broke_off else None

    def _whole(self, frames: Iterable[RawFrame]) -> Iterable[RawFrame]:
        order, choice = self._info.video.field_order, self._recipe.deinterlace
        excerpt, unit = self._recipe.excerpt, self._info.video.time_base
        if choice == "on" or (choice == "auto" and order != "progressive"):
            frames = deinterlaced(frames, order)
        return frames if excerpt.whole else excerpted(frames, excerpt, unit)

    def _pictures(self, frames: Iterable[RawFrame]) -> Iterator[tuple[RawFrame, Picture]]:
        for raw in frames:
            yield raw, picture_of(raw.frame, self._bars)

    def _numbered(self, pictures: Iterable[tuple[RawFrame, Picture]]) -> Iterator[DecodedFrame]:
        paired = (((raw, picture), picture) for raw, picture in pictures)
        skipped = 0
        for index, ((raw, picture), cut) in enumerate(with_shots(paired)):
            # No frame may read across what was left out.
            starts, skipped = cut or raw.record.skipped != skipped, raw.record.skipped
            yield DecodedFrame(index, raw.record.model_copy(update={"shot_start": starts}), picture)
