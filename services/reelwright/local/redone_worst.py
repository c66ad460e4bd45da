"""The worst frames of the worst shots of a film in which a shot is restored again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelwright.decoder.segmenter import BatchFrames
from reelwright.ledger.manifest import Manifest
from reelwright.ledger.report.certificate import WORST_SHOTS, worst_shots
from reelwright.media.picture import Picture
from reelwright.media.worst_frame import WorstFrame
from reelwright.restoration.restore import RestoredFrame
from reelwright.restoration.worst_frames import shown_frame


@dataclass(frozen=True, slots=True)
class SourceStrip:
    """The source's side of a worst frame.

    Attributes:
        worst: the frame, and its strip with frames of other segments.
        frames: indices in the title of the frames of the strip that are of its segment.
        crops: what is shown of each.
    """

    worst: WorstFrame
    frames: tuple[int, ...]
    crops: tuple[Picture, ...]


class WorstOfShots:
    """Collects worst frames while a film's source is read again.

    Args:
        manifest: of the film before.
        shot: index of the shot that is restored again, from 0.

    Attributes:
        found: what was collected, by index of the frame in the title.
    """

    def __init__(self, manifest: Manifest, shot: int) -> None:
        entry = manifest.shots[shot]
        self._frames = range(entry.first_frame, entry.first_frame + entry.frames)
        # The shot that is redone may leave the list, and another one come in for it.
        known = [each.shot.fidelity for each in worst_shots(manifest, WORST_SHOTS + 1) if each.number != shot + 1]
        self._wanted = {fidelity.worst_frame for fidelity in known if fidelity is not None}
        self._worst, self._departure = -1, -1.0
        self.found: dict[int, SourceStrip] = {}

    def wanted(self, part: BatchFrames) -> list[int]:
        """Which frames of a batch are the worst of their shots, by their index in it."""
        return [index for index, frame in enumerate(part.frames) if frame.index in self._wanted]

    def add(
        self, part: BatchFrames, segment: range, pictures: Sequence[Picture], restored: Mapping[int, RestoredFrame]
    ) -> None:
        """Adds frames of the film's next batch.

        Args:
            part: the batch.
            segment: the frames of its segment.
            pictures: of the batch, those of the halo frames before and after among them.
            restored: the frames `wanted`, and all of the shot, restored, by their index in the batch.
        """
        for index, found in restored.items():
            frame = part.frames[index].index
            if frame in self._wanted:
                self.found[frame] = _strip(part, segment, pictures, index=index, restored=found)
        own = {
            index: found.fidelity.departure
            for index, found in restored.items()
            if part.frames[index].index in self._frames and found.fidelity is not None
        }
        # Of equal frames the first one counts, as in the manifest.
        index = max(own, key=own.__getitem__, default=-1)
        if index >= 0 and own[index] > self._departure:
            self.found.pop(self._worst, None)
            self._worst, self._departure = part.frames[index].index, own[index]
            self.found[self._worst] = _strip(part, segment, pictures, index=index, restored=restored[index])


def _strip(
    part: BatchFrames, segment: range, pictures: Sequence[Picture], *, index: int, restored: RestoredFrame
) -> SourceStrip:
    before = len(part.before)
    starts = [frame.record.shot_start for frame in part.frames]
    worst = shown_frame(pictures, before, starts, index=index, restored=restored)
    around = [frame.index for frame in (*part.before, *part.frames, *part.after)]
    first = before + index - worst.before
    pairs = zip(around[first : first + len(worst.crops)], worst.crops, strict=True)
    frames, crops = zip(*((frame, crop) for frame, crop in pairs if frame in segment), strict=True)
    return SourceStrip(worst, frames, crops)
