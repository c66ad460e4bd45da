"""A title's frames, one after another, as the rest of the pipeline wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile

from reelwright.media.container import open_source
from reelwright.media.container_integrity import ContainerWalk, missing_bytes
from reelwright.media.damage import cut_short
from reelwright.media.decode import RawFrame, VideoDecoder
from reelwright.media.deinterlace import deinterlaced
from reelwright.media.excerpts import excerpted
from reelwright.media.formats import picture_of
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture
from reelwright.media.seeking import SeekFailed, SeekPoint, check_total, seek
from reelwright.media.shots import with_shots
from reelwright.media.source_file import open_file
from reelwright.media.source_info import Bars, SourceInfo
from reelwright.media.stream_choice import video_stream
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import InputError
from reelwright.titles.recipe import Recipe


class FrameReader:
    """Iterates over a title's frames in presentation order; each iteration reads the file anew and alike.

    Args:
        info: what `probe` found.
        recipe: decides on fields (`deinterlace`), borders (`bars`), damage (`on_damage`) and parts (`excerpt`).
        threads: decoder threads; results do not depend on them.
        start: where a reading begins that goes on to the title's end; None for its first frame.

    Attributes:
        truncated_at: PTS at which a cut file ended, known once it was read with `on_damage = "conceal"`.
        notes: repairs of timestamps, one line for each kind, known once the file was read.

    Iterating raises DamagedSource, with `on_damage = "fail"`, for a frame that does not decode or a cut file, and
    InputError for a picture that changes size or format on the way. With `start` it raises SeekFailed in place of both,
    and where the frames that were not yielded yet may differ from those of a reading from the first frame.
    """

    def __init__(self, info: SourceInfo, recipe: Recipe, *, threads: int = 2, start: SeekPoint | None = None) -> None:
        self._info, self._recipe, self._threads = info, recipe, threads
        self._bars = Bars() if recipe.bars == "ignore" else info.video.bars
        self._start = start
        self._decoder: VideoDecoder | None = None
        self.truncated_at: int | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def seekable(self) -> bool:
        """Whether a reading that begins at a shot of what was read so far gives the same frames as this one."""
        # Where a part of an excerpt begins, shots are cut that the pictures alone do not show. Segments of frames that
        # are restored once end by other numbers of frames than their plans have. Fading is
        # measured against earlier shots.
        recipe = self._recipe
        whole = recipe.excerpt.whole and recipe.duplicates == "keep" and not recipe.fading and not self._deinterlaces
        return whole and self._decoder is not None and self._decoder.seekable

    def __iter__(self) -> Iterator[DecodedFrame]:
        if self._start is None:
            yield from self._read()
            return
        try:
            yield from self._read()
        except InputError as error:
            raise SeekFailed(str(error)) from None

    def _read(self) -> Iterator[DecodedFrame]:
        location, conceal = self._info.location, self._recipe.on_damage == "conceal"
        with open_file(location) as beside, open_source(location, beside) as container:
            missing = missing_bytes(beside)
            if missing and not conceal:
                raise cut_short(location, missing)
            stream = video_stream(container, location)
            if self._start is not None:
                seek(container, stream, self._start)
            self._decoder = decoder = VideoDecoder(
                container,
                stream,
                location,
                conceal=conceal,
                cut=missing > 0,
                threads=self._threads,
                walk=ContainerWalk(beside),
                joins=self._info.joins or (),
                origin=self._start.origin if self._start else None,
            )
            index = -1
            for frame in self._numbered(self._pictures(self._checked(self._whole(decoder)))):
                index = frame.index
                yield frame
            if self._start is not None:
                check_total(container, stream, index + 1)
            self.notes = decoder.notes
            self.truncated_at = decoder.end if decoder.broke_off else None

    @property
    def _deinterlaces(self) -> bool:
        order, choice = self._info.video.field_order, self._recipe.deinterlace
        return choice == "on" or (choice == "auto" and order != "progressive")

    def _whole(self, frames: Iterable[RawFrame]) -> Iterable[RawFrame]:
        excerpt, unit = self._recipe.excerpt, self._info.video.time_base
        if self._deinterlaces:
            frames = deinterlaced(frames, self._info.video.field_order)
        return frames if excerpt.whole else excerpted(frames, excerpt, unit)

    def _checked(self, frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
        """The frames from `start` on, as long as a reading from the first frame has the same."""
        if self._start is None:
            yield from frames
            return
        start = self._start.pts
        later = dropwhile(lambda raw: raw.record.pts < start, _beating(frames))
        first = next(later, None)
        if first is None or first.record.pts != start:
            raise SeekFailed("the frame is not where it was")
        for raw in chain([first], later):
            self._check_seekable()
            yield raw
        self._check_seekable()

    def _check_seekable(self) -> None:
        if not self.seekable:
            raise SeekFailed("the film is repaired from here on, which depends on the frames before")

    def _pictures(self, frames: Iterable[RawFrame]) -> Iterator[tuple[RawFrame, Picture]]:
        for raw in frames:
            yield raw, picture_of(raw.frame, self._bars)

    def _numbered(self, pictures: Iterable[tuple[RawFrame, Picture]]) -> Iterator[DecodedFrame]:
        paired = (((raw, picture), picture) for raw, picture in pictures)
        skipped, first = 0, self._start.index if self._start else 0
        for index, ((raw, picture), cut) in enumerate(with_shots(paired), first):
            # No frame may read across what was left out.
            starts, skipped = cut or raw.record.skipped != skipped, raw.record.skipped
            yield DecodedFrame(index, raw.record.model_copy(update={"shot_start": starts}), picture)


def _beating(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    for raw in frames:
        heartbeat()
        yield raw
