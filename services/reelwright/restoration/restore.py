"""Restores one frame in a chain of steps over its window.

Align, measure, repair, recover highlights, enlarge, temporal filter, tone, grain, quantise.

At the end the result is measured against the source.

Each step is a pure function in a module of its own. A linear filter enlarges chroma.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.code_table import code_gain
from reelwright.media.frame_correction import UNMOVED, FrameTone, Move, ToneChange
from reelwright.media.frame_damage import FrameDamage
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_grain import FrameGrain
from reelwright.media.picture import Picture, Plane, pixel_format
from reelwright.media.tone_measurement import level_range
from reelwright.restoration.chroma import DEFAULT_SITING, enlarge_chroma, neutral_chroma
from reelwright.restoration.engine import Engine
from reelwright.restoration.enlarge import enlarge
from reelwright.restoration.fidelity import MeasuredFidelity, Reference, measure_fidelity, repaired_samples
from reelwright.restoration.fidelity_limits import FidelityLimits, hold_back, keep_limits
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.grain import GrainWanted
from reelwright.restoration.highlights import blown_white, put_back, recovered_detail
from reelwright.restoration.optical_flow import Codes
from reelwright.restoration.quantise import quantise
from reelwright.restoration.repair import repair_luma
from reelwright.restoration.stabilise import move
from reelwright.restoration.synthetic_grain import added_grain, measured_grain
from reelwright.restoration.temporal_filter import Neighbour, neighbour_weight, temporal_filter
from reelwright.restoration.tint import tint_of
from reelwright.restoration.tone import ToneMap, tone_map
from reelwright.restoration.window_network import MIDDLE, NetworkInput

Luma = NDArray[np.float32]

# Several frames are restored at the same time, so OpenCV's own threads would only compete with them.
cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class RestoredFrame:
    """A restored frame.

    Attributes:
        picture: the result.
        damage: what was measured in the source; None with a network that reads single frames.
        tone_change: what opening glare and shadows changed; None when they were left.
        fidelity: how it agrees with the source.
        mask: (H, W) uint8, which samples of the source the repair changed, see `fidelity.MeasuredFidelity`; None with a
            network that reads single frames.
        departure: (h, w) float32, where it departs from the source, see there.
        grain: what was measured of the grain that was removed; None when that was not wanted.
    """

    picture: Picture
    damage: FrameDamage | None
    tone_change: ToneChange | None = None
    fidelity: FrameFidelity | None = None
    mask: Codes | None = None
    departure: NDArray[np.float32] | None = None
    grain: FrameGrain | None = None


@dataclass(frozen=True, slots=True)
class _RepairedFrame:
    """A frame's luma without its dust, in [0, 1], and what was found beside it.

    Attributes:
        luma: (H, W) float32.
        inputs: what the network reads beside it; None for a network that reads single frames, as the rest.
        damage: what was measured.
        scratch: see `Reference`.
        repaired: see `Reference`.
        is_put_back: whether detail of its neighbours was put back.
        recovered: share of the picture to which it was.
    """

    luma: Luma
    inputs: NetworkInput | None = None
    damage: FrameDamage | None = None
    scratch: Codes | None = None
    repaired: Codes | None = None
    is_put_back: bool = False
    recovered: float = 0.0


class Restorer:
    """Restores frames. Each result depends on the frame's window alone. Thread-safe.

    Args:
        engine: runs the network.
        scale: factor by which width and height grow: 2, 3 or 4.
        grain: what is added of the removed grain, or its share, 0 to 1.
        detail: share of the network's weight set for detail, 0 to 1.
        limits: how far a frame may depart from its source; None for as far as it does.
        filtered: whether results are averaged with those of their neighbours, where windows have them.
    """

    def __init__(
        self,
        engine: Engine,
        scale: int,
        grain: GrainWanted | float,
        *,
        detail: float = 0.0,
        limits: FidelityLimits | None = None,
        filtered: bool = False,
    ) -> None:
        self._engine, self._scale = engine, scale
        self._grain_wanted = grain if isinstance(grain, GrainWanted) else GrainWanted(grain)
        self._detail, self._limits, self._filtered = detail, limits, filtered

    def restore(
        self,
        picture: Picture,
        out_pix_fmt: str,
        *,
        window: FrameWindow | None = None,
        frame: int = 0,
        full_range: bool = False,
        siting: tuple[float, float] = DEFAULT_SITING,
        moved: Move = UNMOVED,
        tone: FrameTone | None = None,
    ) -> RestoredFrame:
        """Restores a frame; the result is `scale` times as wide and high.

        Args:
            picture: the frame without its black bars.
            out_pix_fmt: pixel format of the result. If it has chroma and `picture` has none, the chroma is neutral.
            window: the frame with its neighbours; None for the only frame of a shot.
            frame: its number in the title, which seeds grain that is made anew.
            full_range: whether code values use the whole depth (full range) or the studio range.
            siting: where the first chroma sample of `picture` lies (see `enlarge_chroma`).
            moved: how the result is moved.
            tone: how glare and shadows are opened; None leaves them.
        """
        source, target = picture.format, pixel_format(out_pix_fmt)
        size = (picture.width * self._scale, picture.height * self._scale)
        gain = code_gain(source, target, full_range=full_range)
        levels = level_range(source.depth, full_range=full_range)
        if window is None and self._engine.halo_frames:
            window = FrameWindows([picture], 0, [True]).window(0)
        found = self._repaired(picture, window, None if tone is None else blown_white(tone, levels))
        toned = None if tone is None else tone_map(found.luma, tone, levels)
        enlarged, clean = self._enlarged(found, window, toned, frame)
        measured = self._measured(found, enlarged, toned)
        grain = self._missing_grain(found, clean, enlarged, measured.figures.held_back)
        luma = move(enlarged, moved.enlarged(self._scale))
        planes: list[Plane] = [quantise(luma, target, gain * ((1 << source.depth) - 1))]
        if target.planes == 3:
            for chroma in picture.planes[1:] or (None, None):
                if chroma is None:
                    planes.append(neutral_chroma(target, size))
                else:
                    planes.append(
                        enlarge_chroma(
                            chroma,
                            source=source,
                            target=target,
                            size=size,
                            scale=self._scale,
                            gain=gain,
                            siting=siting,
                            moved=moved,
                            factors=None if toned is None else toned.colour,
                        )
                    )
        change = None if toned is None else toned.change.model_copy(update={"recovered": found.recovered})
        restored = Picture(out_pix_fmt, *size, tuple(planes))
        fidelity = measured.figures.model_copy(update={"tint": tint_of(picture, restored, gain)})
        return RestoredFrame(restored, found.damage, change, fidelity, measured.mask, measured.departure, grain)

    def clean_luma(self, window: FrameWindow) -> Luma:
        """The luma of a window's frame restored and enlarged, in [0, 1] or slightly beyond, without tone and grain."""
        return self._filtered_luma(self._repaired(window.picture, window, None), window)

    def _repaired(self, picture: Picture, window: FrameWindow | None, white: float | None) -> _RepairedFrame:
        luma = picture.planes[0].astype(np.float32)
        luma *= np.float32(1 / ((1 << picture.format.depth) - 1))
        if window is None or not self._engine.halo_frames:
            return _RepairedFrame(luma)
        prepared = window.prepared()
        codes, repaired = window.codes[MIDDLE], prepared.frames[MIDDLE]
        luma, share = repair_luma(luma, codes, repaired), 0.0
        added = None if white is None else recovered_detail(window.codes, window.motion.small, white)
        if added is not None:
            luma = put_back(luma, added)
            prepared = prepared.with_middle(np.clip(np.rint(repaired + added), 0, 255).astype(np.uint8))
            share = round(float((np.abs(added) >= 1).mean()), 6)
        return _RepairedFrame(
            luma,
            prepared.network_input(self._detail),
            prepared.measurement.summary(),
            prepared.measurement.scratch,
            repaired_samples(codes, repaired, luma.shape),
            added is not None,
            share,
        )

    def _filtered_luma(self, found: _RepairedFrame, window: FrameWindow | None) -> Luma:
        """Luma enlarged, and averaged with that of its neighbours where that is wanted."""
        weight = neighbour_weight(found.damage.grain) if self._filtered and found.damage else 0.0
        if window is None or found.inputs is None or not weight:
            return enlarge(self._engine, found.luma, found.inputs, self._scale)
        flows = window.motion.before[0], window.motion.after[0]
        agreement = found.inputs.agreement[MIDDLE - 1 : MIDDLE + 1]
        neighbours = [
            Neighbour(self._alone(near), flow, agreed)
            for near, flow, agreed in zip(window.near, flows, agreement, strict=True)
            if near is not None
        ]
        own = enlarge(self._engine, found.luma, found.inputs, self._scale) if found.is_put_back else self._alone(window)
        return temporal_filter(own, neighbours, self._scale, weight)

    def _alone(self, window: FrameWindow) -> Luma:
        """The luma of a frame enlarged, as its neighbours need it; this is done once. It must not be changed."""

        def enlarged() -> Luma:
            found = self._repaired(window.picture, window, None)
            return enlarge(self._engine, found.luma, found.inputs, self._scale)

        return window.enlarged.get(enlarged)

    def _enlarged(
        self, found: _RepairedFrame, window: FrameWindow | None, toned: ToneMap | None, frame: int
    ) -> tuple[Luma, Luma]:
        """Luma enlarged, with its tone and grain, in the same unit; beside it without them, for `_missing_grain`."""
        restored = self._filtered_luma(found, window)
        grain = added_grain(restored, found.luma, found.scratch, self._grain_wanted, frame=frame)
        clean = restored
        if toned is not None:
            clean = restored.copy() if self._grain_wanted.is_measured else restored
            restored = toned.apply(restored)
        # Grain comes after the tone, so that no shadow that is opened lifts it.
        if grain is not None:
            restored += grain
        return restored, clean

    def _measured(self, found: _RepairedFrame, enlarged: Luma, toned: ToneMap | None) -> MeasuredFidelity:
        """How enlarged luma agrees with the source, without the tint; past a limit the luma is changed in place."""
        opened = found.luma if toned is None else toned.apply(found.luma.copy())
        reference = Reference(found.luma, opened, found.repaired, found.scratch)
        if self._limits is None:
            return measure_fidelity(reference, enlarged)
        return keep_limits(reference, enlarged, self._limits)

    def _missing_grain(self, found: _RepairedFrame, clean: Luma, enlarged: Luma, held_back: float) -> FrameGrain | None:
        """The grain of `RestoredFrame`: a limit has put back a share of what was removed, and players add the rest."""
        if not self._grain_wanted.is_measured:
            return None
        if clean is not enlarged and held_back:
            hold_back(clean, found.luma, held_back)
        return measured_grain(clean, found.luma, found.scratch, enlarged)
