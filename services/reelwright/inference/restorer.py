"""What a worker restores with: one engine, and what each batch asks of it."""

from __future__ import annotations

from collections.abc import Sequence

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Engine
from reelwright.restoration.models import ModelFile
from reelwright.restoration.restore import Restorer
from reelwright.wire.frames_pb2 import Work


class EngineRestorer:
    """Restores pictures as their batches want them. Thread-safe.

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
        """The engine's identity."""
        return self._engine.identity

    def restore(self, picture: Picture, work: Work) -> Picture:
        """The picture as `work` wants it."""
        restorer = Restorer(self._engine, work.scale, work.grain_keep)
        return restorer.restore(picture, work.pix_fmt, full_range=work.full_range)
