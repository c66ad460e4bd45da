"""Restores frames as their batches require."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reelwright.media.fading import even_contrast
from reelwright.media.frame_correction import UNMOVED, FrameCorrection, FrameFading, FrameTone, Move
from reelwright.media.picture import Picture
from reelwright.restoration.chroma import DEFAULT_SITING
from reelwright.restoration.deflicker import even_light
from reelwright.restoration.engine import Engine
from reelwright.restoration.fidelity_limits import FidelityLimits
from reelwright.restoration.frame_windows import FrameWindow, FrameWindows
from reelwright.restoration.grain import GrainWanted
from reelwright.restoration.models import ModelFile
from reelwright.restoration.restore import RestoredFrame, Restorer
from reelwright.restoration.self_test import check_engine
from reelwright.titles.errors import RecipeError
from reelwright.titles.recipe import recipe_keys
from reelwright.wire.frames_pb2 import Work


class PictureRestorer:
    """Restores frames with one engine. Thread-safe; releases the GIL where it computes.

    Args:
        engine: runs the network.
        model: the network's file.
    """

    def __init__(self, engine: Engine, model: ModelFile) -> None:
        self._engine, self._model = engine, model

    @property
    def models(self) -> Sequence[str]:
        """SHA-256 of the model files it serves, as hex."""
        return (self._model.sha256,)

    @property
    def engine(self) -> str:
        """The engine's identity, as written into segment records."""
        return self._engine.identity

    def check_engine(self) -> None:
        """Restores a known picture.

        Raises:
            DefectiveWorker: the engine fails, or its result is not the known one.
        """
        check_engine(self._engine, self._model)

    @property
    def halo_frames(self) -> int:
        """Frames before and after each frame that the model reads."""
        return self._engine.halo_frames

    def is_filtered(self, work: Work) -> bool:
        """Whether results are averaged with those of their neighbours, whose windows are then needed too."""
        return self._model.is_filtered(work.temporal_filter, work.scale)

    def restore(
        self,
        picture: Picture,
        window: FrameWindow | None,
        work: Work,
        *,
        frame: int,
        moved: Move = UNMOVED,
        tone: FrameTone | None = None,
    ) -> RestoredFrame:
        """Restores a frame.

        Args:
            picture: the active area of the frame.
            window: the frame with its neighbours, for a model with `halo_frames`.
            work: enlargement, shares of grain and detail, pixel format and range of the result.
            frame: its number in the title.
            moved: how the result is moved.
            tone: how glare and shadows are opened; None leaves them.

        Returns:
            A picture `work.scale` times as wide and high, in `work.pix_fmt`, and what was measured.

        Raises:
            RecipeError: the recipe has a key that this version does not know.
        """
        if unknown := set(work.recipe_keys).difference(recipe_keys()):
            raise RecipeError(f"unknown key {min(unknown)!r}", "recipe", "upgrade this worker")
        limits = None
        if work.HasField("limits"):
            limits = FidelityLimits(work.limits.unsupported, work.limits.coarse_difference)
        detail = work.detail if work.HasField("detail") else self._model.detail
        grain = GrainWanted(
            0.0 if work.grain_mode == "table" else work.grain_keep,
            is_synthetic=work.grain_mode == "synthetic",
            is_measured=work.grain_mode == "table",
            seed=work.grain_seed,
        )
        restorer = Restorer(
            self._engine, work.scale, grain, detail=detail, limits=limits, filtered=self.is_filtered(work)
        )
        siting = (work.chroma_x, work.chroma_y if work.HasField("chroma_y") else DEFAULT_SITING[1])
        return restorer.restore(
            picture,
            work.pix_fmt,
            window=window,
            frame=frame,
            full_range=work.full_range,
            siting=siting,
            moved=moved,
            tone=tone,
        )


def lit_frames(
    pictures: Sequence[Picture],
    lights: Sequence[FrameCorrection | None],
    fadings: Sequence[FrameFading | None],
    *,
    before: int,
    shot_starts: Sequence[bool],
    full_range: bool,
    halo_frames: int,
    near: bool,
) -> Iterator[tuple[Picture, FrameWindow | None]]:
    """The frames of a batch as `PictureRestorer.restore` takes them, each with its window, made when it is asked for.

    Args:
        pictures: of the batch, those of its halo frames before and after among them.
        lights: by what the light of each picture is evened out; None leaves it.
        fadings: by what the contrast of each of its own frames is brought back; None leaves it. It is one for a whole
            shot, so halo frames have that of the frame beside them.
        before: number of halo frames before the batch's own.
        shot_starts: of each of its own frames, whether a shot starts there.
        full_range: whether code values use the whole depth.
        halo_frames: see `PictureRestorer.halo_frames`; without any there are no windows.
        near: see `FrameWindows`.
    """
    lit = [
        picture if light is None else even_light(picture, light, full_range=full_range)
        for picture, light in zip(pictures, lights, strict=True)
    ]
    after = len(pictures) - before - len(fadings)
    around = [fadings[0]] * before + list(fadings) + [fadings[-1]] * after
    lit = [
        picture if fading is None else even_contrast(picture, fading, full_range=full_range)
        for picture, fading in zip(lit, around, strict=True)
    ]
    windows = FrameWindows(lit, before, list(shot_starts), near=near) if halo_frames else None
    for number in range(len(shot_starts)):
        yield lit[before + number], windows.window(number) if windows else None
