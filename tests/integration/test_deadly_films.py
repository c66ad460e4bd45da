"""A film that kills the process that works on it fails after a few deaths, and the next one is finished."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reelwright.ledger.run_ledger import RunLedger
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.films import small_film
from tests.support.pipeline_harness import request_for
from tests.support.scenes import scene

# All services in one process, which is killed, as by a codec, when it decodes frame 30, encodes the tenth frame of a
# segment or assembles the film of a source that is 80 samples wide.
SERVICES = """
import os, signal, sys
from pathlib import Path
from reelwright.decoder import title_decoder
from reelwright.encoder import segment_builder, title_assembly
from reelwright.ledger import crash_guard
from tests.support.dispatch_harness import until
from tests.support.pipeline_harness import pipeline_harness, request_for

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Reader(title_decoder.FrameReader):
    def __iter__(self):
        for frame in super().__iter__():
            if frame.picture.width == 80 and frame.index == 30:
                die()
            yield frame

class Encoder(segment_builder.SegmentEncoder):
    added = 0

    def add(self, picture):
        self.added += 1
        if picture.width == 160 and self.added == 10:
            die()
        super().add(picture)

def assemble(path, segments, *, source, **more):
    if source.video.width == 80:
        die()
    return assemble_film(path, segments, source=source, **more)

assemble_film = title_assembly.assemble_film
match sys.argv[1]:
    case "decoder":
        title_decoder.FrameReader = Reader
    case "encoder":
        segment_builder.SegmentEncoder = Encoder
    case "assembler":
        title_assembly.assemble_film = assemble
crash_guard.DEAD_SECONDS = 4.0
root, outputs, *films = sys.argv[2:]
requests = [request_for(Path(film), Path(outputs) / f"{Path(film).stem}.mp4") for film in films]
with pipeline_harness(root) as here:
    for request in requests:
        here.submit(request)
    until(lambda: all(here.ledger(request.run).outcome() for request in requests), "every title has ended")
"""


@pytest.mark.parametrize(
    ("role", "reason"),
    [
        ("decoder", "the decoding of frames 0-47 ended its process 3 times"),
        ("encoder", "the encoding of segment 0 (frames 0-23) ended its process 3 times"),
        ("assembler", "the assembly of the film ended its process 3 times"),
    ],
)
def test_a_film_that_kills_its_process_is_given_up(role: str, reason: str, tmp_path: Path) -> None:
    """After three deaths the title fails with the frames, and the title beside it is finished."""
    # The outputs are beside the ledger: one inside it is refused before anything is decoded.
    deadly, root = clips.clip_folder() / "deadly.mp4", str(tmp_path / "ledger")
    write_film(deadly, Film([(clips.F(i, 25), scene(i, "yuv420p", 80, 48)) for i in range(48)]))
    runs = [request_for(film, tmp_path / f"{film.stem}.mp4").run for film in (deadly, small_film(48))]
    command = [sys.executable, "-c", SERVICES, role, root, str(tmp_path), str(deadly), str(small_film(48))]
    codes = [subprocess.run(command, check=False).returncode for _ in range(4)]
    assert codes == [-signal.SIGKILL] * 3 + [0]
    failed, finished = (RunLedger(root, run).outcome() for run in runs)
    assert failed is not None
    assert (failed.state, failed.exit_code) == ("failed", 1)
    assert reason in failed.reason
    assert finished is not None
    assert finished.state == "finished"
