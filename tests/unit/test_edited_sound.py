"""Sound that an edit list plays, decoded from a file whose reading fails on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from reelwright.media import edited_sound
from reelwright.media.container import open_source
from reelwright.media.edited_sound import EditedSound
from reelwright.media.mp4_edits import EditPart

RATE = 48000


class FailingDemuxer:
    """A real file's demuxer that fails after some packets, as FFmpeg's does where an index leads to no packet."""

    def __init__(self, container: Any) -> None:
        self._container, self.streams, self.seek = container, container.streams, container.seek

    def demux(self, stream: Any) -> Iterator[Any]:
        yield from islice(self._container.demux(stream), 30)
        raise av.InvalidDataError(1094995529, "Invalid data found when processing input")


def test_sound_that_cannot_be_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of each part is given, what was lost is counted, and the film goes on."""
    path = tmp_path / "sound.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = AudioFrame.from_ndarray(np.zeros((1, 2 * RATE), np.int16), "s16", "mono")
        frame.sample_rate = RATE
        out.mux(stream.encode(frame))

    @contextmanager
    def failing(location: str, *, edits: bool) -> Iterator[FailingDemuxer]:
        with open_source(location, edits=edits) as container:
            yield FailingDemuxer(container)

    monkeypatch.setattr(edited_sound, "open_source", failing)
    parts = [EditPart(Fraction(at), Fraction(at), Fraction(1)) for at in (0, 1)]
    sound = EditedSound(str(path), 0, tuple(parts))
    assert sum(frame.samples for frame in sound.until(None)) > RATE // 2
    assert sound.lost == 2
