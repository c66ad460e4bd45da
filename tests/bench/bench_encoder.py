"""Measures an encoder's memory while segments of many titles are under way.

python -m tests.bench.bench_encoder            a table over the number of titles, as in docs/scaling.md
python -m tests.bench.bench_encoder TITLES     one measurement in this process; prints its peak in MiB

Restored frames of 1920x1080 arrive by claim check for one segment of each title, in turn, and none of these segments
ends. Then a segment of one more title is committed, which shows that the encoder has read all of them.
"""

from __future__ import annotations

import queue
import resource
import subprocess
import sys
import tempfile
import threading
from functools import partial

import numpy as np

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import frame_to_wire
from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.encoder.loop import EncoderService
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_record import FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.transport import encode_payload
from reelwright.wire.frames_pb2 import Payload, RestoredBatch
from reelwright.wire.titles_pb2 import Event
from tests.support.ledgers import title_of, video_of

WIDTH, HEIGHT = 1920, 1080
BATCHES, BATCH_FRAMES = 5, 4
_TIMEOUT_SECONDS = 600


def measure(titles: int) -> float:
    """Feeds an encoder with the default settings, and returns the peak of this process's resident memory in MiB."""
    payload = encode_payload([_picture()] * BATCH_FRAMES, "zstd")
    bus, events, stop = LocalBus(partitions=1), queue.SimpleQueue[Event](), threading.Event()
    with tempfile.TemporaryDirectory(prefix="reelwright-bench-") as root:
        claims = ClaimCheck(root, inline_bytes=0)
        service = EncoderService(bus, partial(RunLedger, root), claims, EncoderSettings())
        thread = threading.Thread(target=service.run, args=(stop,))
        listener = EventListener(bus, events.put)
        thread.start()
        runs = [f"{number:020x}" for number in range(titles + 1)]
        for run in runs:
            title = title_of(video=video_of(WIDTH // 2, HEIGHT // 2))
            request = title.request.model_copy(update={"run": run})
            RunLedger(root, run).put_title(title.model_copy(update={"request": request}))
        for number in range(BATCHES):
            for run in runs[1:]:
                _publish(bus, _batch(run, number, claims.store(payload, run, 0)))
        _publish(bus, _batch(runs[0], 0, claims.store(payload, runs[0], 0), last=True))
        while events.get(timeout=_TIMEOUT_SECONDS).run != runs[0]:
            pass
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        stop.set()
        thread.join()
        listener.close()
        bus.close()
    return peak


def _picture() -> Picture:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    luma = ((rows // 8 + columns // 8) % 256).astype(np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Picture("yuv420p", WIDTH, HEIGHT, (luma, chroma, chroma))


def _batch(run: str, number: int, payload: Payload, *, last: bool = False) -> RestoredBatch:
    first = number * BATCH_FRAMES
    frames = [frame_to_wire(FrameRecord(pts=first + index, duration=1)) for index in range(BATCH_FRAMES)]
    return RestoredBatch(
        run=run,
        attempt=1,
        batch=number,
        first_frame=first,
        frames=frames,
        last=last,
        payload=payload,
        engine="test @m0",
    )


def _publish(bus: LocalBus, batch: RestoredBatch) -> None:
    publish_message(bus, RESTORED, segment_key(batch.run, batch.segment), batch)


def main() -> None:
    """Prints one measurement, or the table."""
    if len(sys.argv) > 1:
        print(f"{measure(int(sys.argv[1])):.0f}")
        return
    print("| titles | peak MiB |\n|--:|--:|")
    for titles in (0, 4, 8, 16, 24):
        command = [sys.executable, "-m", "tests.bench.bench_encoder", str(titles)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"| {titles} | {done.stdout.strip()} |")


if __name__ == "__main__":
    main()
