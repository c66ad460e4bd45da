"""The shots of a film as its manifest lists them, each with the means of what was measured in its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reelwright.ledger.manifest import ShotDamage, ShotEntry
from reelwright.ledger.measured_frame import MeasuredFrame
from reelwright.ledger.shot_contrast import ContrastSums
from reelwright.ledger.shot_fidelity import ShotFidelitySums
from reelwright.media.colour import code_range
from reelwright.media.frame_correction import ToneChange


def shots_of(frames: Iterable[MeasuredFrame], *, full_range: bool) -> Iterator[ShotEntry]:
    """The shots of a film in order, each with its last preview, or its first frame if it has no preview.

    Args:
        frames: the film's frames, each with what was measured and what was changed in it.
        full_range: whether the source's code values use the whole depth or the studio range.
    """
    first, count, preview = 0, 0, 0
    black, _ = code_range(full_range=full_range)
    sums = _ShotSums(ShotFidelitySums(black))
    for index, frame in enumerate(frames):
        if frame.record.shot_start and count:
            yield sums.shot(first, count, preview)
            first, count, preview = index, 0, index
            sums = _ShotSums(ShotFidelitySums(black))
        count += 1
        preview = index if frame.record.preview else preview
        sums.add(index, frame)
    if count:
        yield sums.shot(first, count, preview)


@dataclass(slots=True)
class _ShotSums:
    """Sums of what was measured and changed in the frames of a shot.

    Attributes:
        fidelity: what was measured in the restored frames.
        frames: number of frames with a measurement.
        dusty: those of them with dust.
        sums: sum of each figure of FrameDamage but dust.
        changed_frames: number of frames whose tone was changed.
        changes: sum of each figure of ToneChange.
        contrast: where their dark and bright ends lie.
    """

    fidelity: ShotFidelitySums
    frames: int = 0
    dusty: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    changed_frames: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    contrast: ContrastSums = field(default_factory=ContrastSums)

    def add(self, index: int, frame: MeasuredFrame) -> None:
        damage, change = frame.damage, frame.change
        self.fidelity.add(index, frame.fidelity, frame.record.correction)
        self.contrast.add(frame)
        if damage is not None:
            self.frames += 1
            self.dusty += damage.dust > 0
            self.sums.update(damage.model_dump(exclude={"dust"}))
        if change is not None:
            self.changed_frames += 1
            self.changes.update(change.model_dump())

    def shot(self, first: int, frames: int, preview: int) -> ShotEntry:
        """The shot of these frames."""
        damage = change = None
        if self.frames:
            means = {name: round(total / self.frames, 3) for name, total in self.sums.items()}
            damage = ShotDamage(**means, dust_frames=round(self.dusty / self.frames, 4))
        if self.changed_frames:
            change = ToneChange(**{name: round(sum_ / self.changed_frames, 4) for name, sum_ in self.changes.items()})
        return ShotEntry(
            first_frame=first,
            frames=frames,
            preview_frame=preview,
            damage=damage,
            tone_change=change,
            fidelity=self.fidelity.shot(),
            contrast=self.contrast.shot(),
        )
