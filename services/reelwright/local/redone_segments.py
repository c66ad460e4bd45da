"""Restores the segments of a film anew that show a part of one shot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain, groupby
from pathlib import Path

from reelwright.decoder.segmenter import BatchFrames, batches
from reelwright.decoder.title_description import segment_and_batch_length
from reelwright.encoder.grain_table import write_grain_table
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.records import SegmentRecord, TitleRecord
from reelwright.ledger.redone_shot import RestoredShot
from reelwright.ledger.steadiness import SteadinessAccount
from reelwright.local.frame_restorer import FrameRestorer
from reelwright.local.job import RestorationJob
from reelwright.local.redone_worst import WorstOfShots
from reelwright.media.bars import put_back
from reelwright.media.colour import RANGE_FULL
from reelwright.media.encode import SegmentEncoder
from reelwright.media.fading import contrast_points
from reelwright.media.film_format import film_format
from reelwright.media.film_grain_fit import GrainyFrame
from reelwright.media.frame_correction import ScenePlace
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.profiles import profile_spec
from reelwright.media.reader import FrameReader
from reelwright.media.repeats import unfolded
from reelwright.media.scene_tracker import SceneTracker
from reelwright.restoration.restore import RestoredFrame
from reelwright.telemetry.progress import ProgressMeter
from reelwright.titles.errors import InputError
from reelwright.titles.recipe import Recipe


class RedoneSegments:
    """Reads a film's source once, and restores the segments that show a part of a shot.

    Args:
        title: what the film is.
        manifest: of the film.
        shot: index of the shot, from 0.
        recipes: of the shots that have one for themselves, by index; the others have the film's.
        job: model, engine and threads.
        folder: where the new segments go.

    Attributes:
        segments: the frames of every segment, in order.
        records: the records of those frames.
        files: the encoded files of the segments that were restored, by number.
        previews: the source's previews as JPEG, by frame.
        worst: the worst frames of the shots that the report may list as the worst.
    """

    def __init__(
        self,
        title: TitleRecord,
        manifest: Manifest,
        shot: int,
        recipes: dict[int, Recipe],
        *,
        job: RestorationJob,
        folder: Path,
    ) -> None:
        self._title, self._manifest, self._shot = title, manifest, shot
        self._video, self._recipe = title.source.video, title.request.recipe
        entry = manifest.shots[shot]
        self._frames = range(entry.first_frame, entry.first_frame + entry.frames)
        self._starts = [each.first_frame for each in manifest.shots]
        self._folder, self._threads = folder / "new", job.threads
        self._folder.mkdir()
        self._restorer = FrameRestorer(title, self._starts, recipes, job)
        self._measured: list[MeasuredFrame] = []
        self._digests: list[str] = []
        self._steadiness, self._before = SteadinessAccount(), 0
        self.segments: list[range] = []
        self.records: list[list[FrameRecord]] = []
        self.files: dict[int, Path] = {}
        self.previews: dict[int, bytes] = {}
        self.worst = WorstOfShots(manifest, shot)

    def restore(self, on_progress: Callable[[ProgressMeter], None]) -> None:
        """Reads the source to its end.

        Raises:
            InputError: it does not read as the manifest says, or frames of other shots come out differently.
        """
        meter = ProgressMeter(self._manifest.frames_in)
        reader = FrameReader(self._title.source, self._recipe)
        lengths = segment_and_batch_length(self._title)
        with closing(frame for frame in reader) as decoded, ThreadPoolExecutor(self._threads) as pool:
            stream = batches(self._restorer.prepare(decoded), *lengths, self._restorer.halo_frames)
            for number, segment in groupby(stream, key=lambda batch: batch.segment):
                self._read(number, list(segment), pool)
                meter.advance(len(self.segments[-1]))
                on_progress(meter)
        records = list(chain.from_iterable(self.records))
        times = tuple(record.pts for record in records)
        starts = [index for index, record in enumerate(records) if record.shot_start]
        if times != self._manifest.source_pts or starts != self._starts:
            where = self._title.source.location
            raise InputError("its frames are not those of the manifest", where, "restore the film again")

    def shot(self) -> RestoredShot:
        """The shot, after `restore`."""
        return RestoredShot(
            index=self._shot,
            frames=tuple(self._measured),
            digests=tuple(self._digests),
            steadiness=self._steadiness.shots()[self._before],
        )

    def _read(self, number: int, parts: Sequence[BatchFrames], pool: ThreadPoolExecutor) -> None:
        frames = [frame for part in parts for frame in part.frames]
        self.records.append([record for frame in frames for record in unfolded(frame.record)])
        self.segments.append(range(frames[0].index, frames[0].index + len(self.records[-1])))
        wanted = {shot.preview_frame for shot in self._manifest.shots}
        for frame in frames:
            if frame.index in wanted:
                self.previews[frame.index] = jpeg(frame.picture, self._video.colour, PREVIEW_WIDTH)
        if any(frame.index in self._frames for frame in frames):
            self._restore_segment(number, parts, pool)
        else:
            for part in parts:
                if worst := self.worst.wanted(part):
                    self._restore_again(part, worst, self.segments[number], pool)

    def _restore_again(
        self, part: BatchFrames, wanted: Sequence[int], segment: range, pool: ThreadPoolExecutor
    ) -> None:
        """Restores some frames of other shots, to find what was repaired in them and where they depart most."""
        restored = self._restorer.restore(part, wanted, pool)
        for index, found in restored.items():
            self._check_same(part.frames[index], put_back(found.picture, self._video, self._recipe).digest())
        self.worst.add(part, segment, part.pictures(), restored)

    def _restore_segment(self, number: int, parts: Sequence[BatchFrames], pool: ThreadPoolExecutor) -> None:
        title, records = self._title, self.records[number]
        path = self._folder / f"{number:06d}.mkv"
        film = film_format(self._video, title.out_width, title.out_height, title.out_pix_fmt)
        encoder = SegmentEncoder(path, profile_spec(self._recipe.profile), film)
        recipe = self._restorer.recipe_of(self._frames.start)
        tracker = SceneTracker(rotation=recipe.stabilise_rotation == "on")
        scene, grains = list[ScenePlace](), list[GrainyFrame]()
        for part in parts:
            found = self._restorer.restore(part, range(len(part.frames)), pool)
            self.worst.add(part, self.segments[number], part.pictures(), found)
            for frame, restored in zip(part.frames, found.values(), strict=True):
                shown = unfolded(frame.record)
                if recipe.steadies:
                    placed = tracker.place(restored.picture, shot_start=frame.record.shot_start)
                    scene += [placed.in_source(self._recipe.scale)] * len(shown)
                picture = put_back(restored.picture, self._video, self._recipe)
                for _ in shown:
                    encoder.add(picture)
                self._account(frame, restored, picture.digest())
                if restored.grain is not None:
                    keep = self._restorer.recipe_of(frame.index).grain.keep
                    grains += [GrainyFrame(record.shot_start, restored.grain, keep) for record in shown]
        encoder.finish()
        if grains:
            write_grain_table(path, title, grains, self.segments[number].start)
        self.files[number] = path
        self._add_steadiness(number, records, scene)

    def _add_steadiness(self, number: int, records: list[FrameRecord], scene: list[ScenePlace]) -> None:
        first = self.segments[number].start
        if len(self.files) == 1:
            # Shots of this segment that come before, of which the first may have begun in an earlier segment.
            starts = [index for index, record in enumerate(records) if record.shot_start or index == 0]
            self._before = sum(first + index < self._frames.start for index in starts)
        self._steadiness.add(
            SegmentRecord(
                segment=number,
                first_frame=first,
                frames=tuple(records),
                frame_digests=(),
                file_sha256="",
                file_bytes=0,
                engine=self._manifest.engine,
                seconds={},
                scene=tuple(scene),
            )
        )

    def _account(self, frame: DecodedFrame, restored: RestoredFrame, digest: str) -> None:
        if frame.index in self._frames:
            points = None
            if self._recipe.fading:
                full_range = self._video.colour.range == RANGE_FULL
                points = contrast_points(restored.picture, full_range=full_range)
            measured = (restored.damage, restored.tone_change, restored.fidelity, points)
            shown = unfolded(frame.record)
            self._measured += [MeasuredFrame(record, *measured) for record in shown]
            self._digests += [digest] * len(shown)
        else:
            self._check_same(frame, digest)

    def _check_same(self, frame: DecodedFrame, digest: str) -> None:
        if digest != self._manifest.frame_digests[frame.index]:
            what = f"frame {frame.index}, of another shot, came out differently than before"
            raise InputError(what, self._manifest.film, "restore the film again")
