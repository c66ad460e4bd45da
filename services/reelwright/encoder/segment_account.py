"""What the record of a segment says of its frames, collected while they are encoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from reelwright.bus.conversion import (
    damage_from_wire,
    fidelity_from_wire,
    grain_from_wire,
    tone_change_from_wire,
)
from reelwright.ledger.records import SegmentRecord, TitleRecord
from reelwright.ledger.segments import file_sha256
from reelwright.media.colour import RANGE_FULL
from reelwright.media.fading import contrast_points
from reelwright.media.film_grain_fit import GrainyFrame
from reelwright.media.frame_correction import ContrastPoints, ScenePlace, ToneChange
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_grain import FrameGrain
from reelwright.media.frame_record import FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.repeats import unfolded
from reelwright.media.scene_tracker import SceneTracker
from reelwright.media.toolchain import toolchain_identity
from reelwright.wire.frames_pb2 import RestoredBatch

Figures = TypeVar("Figures")


class BatchFigures(NamedTuple):
    """What a worker measured in the frames of a batch, in order; each list has every frame or none.

    Attributes:
        damage: in the source.
        tone_changes: by opening glare and shadows.
        fidelity: how the restored frame agrees with the source.
        grain: that the player is to make anew.
    """

    damage: list[FrameDamage]
    tone_changes: list[ToneChange]
    fidelity: list[FrameFidelity]
    grain: list[FrameGrain]

    @classmethod
    def of(cls, batch: RestoredBatch) -> Self:
        """The figures in a message.

        Raises:
            CorruptPayload: one is out of its range.
        """
        return cls(
            [damage_from_wire(message) for message in batch.damage],
            [tone_change_from_wire(message) for message in batch.tone_changes],
            [fidelity_from_wire(message) for message in batch.fidelity],
            [grain_from_wire(message) for message in batch.grain],
        )


class SegmentAccount:
    """Collects the frames of a segment and what was measured in them, in order.

    Args:
        title: the ledger's record of the title.

    Attributes:
        first_frame: index in the title of the segment's first frame.
        frames: what was encoded so far.
        seconds: wall seconds per stage (restoration, encode).
        cost: of the restoration.
    """

    def __init__(self, title: TitleRecord) -> None:
        self._title = title
        self.first_frame = 0
        self.frames: list[FrameRecord] = []
        self.seconds = {"restoration": 0.0, "encode": 0.0}
        self.cost = 0.0
        self._digests: list[str] = []
        self._measured = BatchFigures([], [], [], [])
        self._scene: list[ScenePlace] = []
        self._points: list[ContrastPoints] = []
        self._tracker = SceneTracker(rotation=title.request.recipe.stabilise_rotation == "on")

    def add_frame(self, record: FrameRecord, restored: Picture, digest: str) -> None:
        """Adds the next frame and its repeats.

        Args:
            record: of the frame.
            restored: the frame, without bars.
            digest: SHA-256 of the picture as it is encoded, as hex.
        """
        shown, recipe = unfolded(record), self._title.request.recipe
        if recipe.steadies:
            placement = self._tracker.place(restored, shot_start=record.shot_start)
            self._scene += [placement.in_source(recipe.scale)] * len(shown)
        if recipe.fading:
            full_range = self._title.source.video.colour.range == RANGE_FULL
            self._points += [contrast_points(restored, full_range=full_range)] * len(shown)
        self.frames += shown
        self._digests += [digest] * len(shown)

    def add_figures(self, records: list[FrameRecord], figures: BatchFigures) -> None:
        """Adds what was measured in the frames of the next batch, of which each is in `records`."""
        measured = self._measured
        measured.damage.extend(_repeated(figures.damage, records))
        measured.tone_changes.extend(_repeated(figures.tone_changes, records))
        measured.fidelity.extend(_repeated(figures.fidelity, records))
        measured.grain.extend(_repeated(figures.grain, records))

    def grainy_frames(self) -> list[GrainyFrame]:
        """The frames with their grain; empty when the player makes none."""
        keep, grain = self._title.request.recipe.grain.keep, self._measured.grain
        pairs = zip(self.frames, grain, strict=True) if grain else ()
        return [GrainyFrame(record.shot_start, each, keep) for record, each in pairs]

    def record(self, number: int, path: Path, engine: str) -> SegmentRecord:
        """The segment's record.

        Args:
            number: of the segment.
            path: its encoded file.
            engine: identity of the engine that the run is bound to.
        """
        measured = self._measured
        return SegmentRecord(
            segment=number,
            first_frame=self.first_frame,
            frames=tuple(self.frames),
            frame_digests=tuple(self._digests),
            file_sha256=file_sha256(path),
            file_bytes=path.stat().st_size,
            engine=engine,
            toolchain=toolchain_identity(self._title.request.recipe.profile),
            seconds=self.seconds,
            cost=self.cost,
            damage=tuple(measured.damage),
            scene=tuple(self._scene),
            tone_changes=tuple(measured.tone_changes),
            points=tuple(self._points),
            # A worker of an earlier version measures nothing, so what others measured would have no place.
            fidelity=tuple(measured.fidelity) if len(measured.fidelity) == len(self.frames) else (),
        )


def _repeated(found: list[Figures], records: list[FrameRecord]) -> Iterator[Figures]:
    """What was measured in each frame, once more for each of its repeats."""
    for figures, record in zip(found, records, strict=True) if found else ():
        yield from (figures,) * (1 + len(record.repeats))
