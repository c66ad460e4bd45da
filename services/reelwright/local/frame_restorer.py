"""Restores decoded frames in this process, each by the recipe of its shot."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import groupby

from reelwright.decoder.fading import with_fading
from reelwright.decoder.look_ahead import look_ahead
from reelwright.decoder.segmenter import BatchFrames
from reelwright.decoder.title_description import work_of
from reelwright.decoder.tone_curves import with_tone
from reelwright.inference.restorer import PictureRestorer, lit_frames
from reelwright.ledger.records import TitleRecord
from reelwright.local.job import RestorationJob
from reelwright.media.colour import RANGE_FULL
from reelwright.media.frame_correction import FrameCorrection
from reelwright.media.frame_record import DecodedFrame
from reelwright.media.picture import Picture, pixel_format
from reelwright.media.repeats import restored_frames
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.frame_windows import FrameWindow
from reelwright.restoration.restore import RestoredFrame
from reelwright.titles.recipe import Recipe

_UNCHANGED = FrameCorrection()


class FrameRestorer:
    """Does to a film's frames what decoder and worker do.

    Args:
        title: what the film is.
        starts: the first frame of each shot, ascending.
        recipes: of the shots that have one for themselves, by index; the others have the film's.
        job: model, engine and threads.
    """

    def __init__(
        self, title: TitleRecord, starts: Sequence[int], recipes: Mapping[int, Recipe], job: RestorationJob
    ) -> None:
        self._title, self._starts, self._recipes = title, starts, recipes
        self._video, self._recipe = title.source.video, title.request.recipe
        engine = create_engine(job.engine, job.model, threads=job.threads, streams=job.threads)
        self._model, self._restorer = job.model, PictureRestorer(engine, job.model)

    @property
    def halo_frames(self) -> int:
        """How many frames before and after each one are read."""
        return max(self._model.halo_frames_of(recipe) for recipe in (self._recipe, *self._recipes.values()))

    def recipe_of(self, frame: int) -> Recipe:
        """The recipe of the frame's shot."""
        return self._recipes.get(self._shot_of(frame), self._recipe)

    def prepare(self, decoded: Iterator[DecodedFrame]) -> Iterator[DecodedFrame]:
        """The frames of the film with what the look-ahead says about them, each shot by its recipe."""
        video = self._video
        size = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
        full_range = video.colour.range == RANGE_FULL
        # Of the whole film, as no shot has a strength of its own and a shot depends on earlier ones.
        handled = restored_frames(decoded, self._recipe)
        even = with_fading(handled, self._recipe, size, full_range=full_range)
        for shot, frames in groupby(even, key=lambda frame: self._shot_of(frame.index)):
            recipe = self._recipes.get(shot, self._recipe)
            steadied = look_ahead(frames, recipe, size, full_range=full_range)
            yield from with_tone(steadied, recipe, size, full_range=full_range)

    def restore(self, part: BatchFrames, wanted: Collection[int], pool: Executor) -> dict[int, RestoredFrame]:
        """Restores frames of a batch.

        Args:
            part: the batch; its frames come from `prepare`.
            wanted: the indices in it of the frames that are restored.
            pool: its threads restore them.

        Returns:
            The restored frames by their index in the batch.
        """
        lit = {index: window for index, window in enumerate(self._lit(part)) if index in wanted}
        frames = [part.frames[index] for index in lit]
        return dict(zip(lit, pool.map(self._restored_frame, frames, lit.values()), strict=True))

    def _shot_of(self, frame: int) -> int:
        return bisect_right(self._starts, frame) - 1

    def _lit(self, part: BatchFrames) -> Iterator[tuple[Picture, FrameWindow | None]]:
        frames = (*part.before, *part.frames, *part.after)
        return lit_frames(
            part.pictures(),
            [self._light(frame) for frame in frames],
            [frame.record.fading for frame in part.frames],
            before=len(part.before),
            shot_starts=[frame.record.shot_start for frame in part.frames],
            full_range=self._video.colour.range == RANGE_FULL,
            halo_frames=self._restorer.halo_frames,
            near=self.halo_frames > self._restorer.halo_frames,
        )

    def _light(self, frame: DecodedFrame) -> FrameCorrection | None:
        is_evened = self.recipe_of(frame.index).deflicker == "on"
        return frame.record.correction or _UNCHANGED if is_evened else None

    def _restored_frame(self, frame: DecodedFrame, lit: tuple[Picture, FrameWindow | None]) -> RestoredFrame:
        picture, window = lit
        work, correction = work_of(self._title, self.recipe_of(frame.index)), frame.record.correction or _UNCHANGED
        tone = frame.record.tone
        return self._restorer.restore(picture, window, work, frame=frame.index, moved=correction.move, tone=tone)
