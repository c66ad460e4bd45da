"""A decoder that takes over a title goes on from a committed segment and publishes what it would have published."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import read_message
from reelwright.bus.topics import FRAMES, RESTORED
from reelwright.cli.main import run
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.takeover import find_takeover
from reelwright.decoder.title_decoder import decode_title
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.seeking import SeekFailed
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import FrameBatch, RestoredBatch
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.commands import kill_after_commits, manifest_of, sha256
from tests.support.dispatch_harness import until
from tests.support.films import remuxed, small_film, uneven_film, whole_film
from tests.support.pipeline_harness import pipeline_harness, request_for
from tests.support.scenes import scene

ALL_STEPS: dict[str, Any] = {
    "deflicker": "on",
    "stabilise": "on",
    "stabilise_rotation": "on",
    "tone": {"glare": 0.5, "shadows": 0.5},
}
SHOTS = (40, 9, 34, 60, 30, 26)


def sought_past() -> float:
    """Frames that decoders of this process did not read again so far."""
    return REGISTRY.get_sample_value("reelwright_frames_sought_past_total") or 0.0


def open_gop_film() -> Path:
    """A film of five shots of 24 frames, whose pictures refer to others behind key frames."""
    path = clips.clip_folder() / "open-gop-of-five-shots.mp4"
    options = {"bf": "3", "g": "12", "x264-params": "open-gop=1"}
    write_film(path, Film([(clips.F(i, 25), scene(i, "yuv420p", 64, 48)) for i in range(120)], options=options))
    return path


def decode(request: RunRequest, root: Path, committed: int = 0, *, may_seek: bool = True) -> dict[int, list[bytes]]:
    """Decodes a title of which the first segments are committed; the batches that it publishes, by segment."""
    bus, window = LocalBus(), InFlightWindow(1000)
    frames = bus.consumer(list(FRAMES.values()), "readers")
    for segment in range(committed):
        window.mark_committed(segment)
    decode_title(
        request,
        RunLedger(str(root), request.run),
        bus=bus,
        claims=ClaimCheck(str(root), 1 << 30),
        window=window,
        settings=DecoderSettings(),
        guard=CrashGuard(3),
        may_seek=may_seek,
    )
    batches: dict[int, list[bytes]] = {}
    while records := frames.poll(0):
        for record in records:
            batches.setdefault(read_message(record, FrameBatch).segment, []).append(record.value)
    bus.close()
    return batches


def documents(root: Path, request: RunRequest) -> dict[str, Any]:
    """The plans and the plan's end in a ledger, without the seconds that decoding took."""
    ledger = RunLedger(str(root), request.run)
    end = ledger.plan_end()
    assert end is not None
    plans = {str(number): ledger.plan(number) for number in range(end.segments)}
    return {**plans, "end": end.model_copy(update={"seconds": {}})}


@pytest.mark.parametrize("film", ["uneven", "bikes", "bikes in Matroska", "vfr_mp4", "bframes_hevc"])
def test_a_takeover_at_any_segment_publishes_the_same(film: str, tmp_path: Path) -> None:
    """Batches, plans and the plan's end are identical to those of one reading, and frames before it are not read."""
    path = {
        "uneven": lambda: uneven_film(*SHOTS),
        "bikes": lambda: whole_film("bikes"),
        "bikes in Matroska": lambda: remuxed(whole_film("bikes"), tmp_path / "bikes.mkv"),
    }.get(film, lambda: clips.clip(film))()
    request = request_for(path, tmp_path / "out.mp4", **ALL_STEPS)
    whole = decode(request, tmp_path / "whole")
    expected, segments = documents(tmp_path / "whole", request), len(whole)
    skipped = 0.0
    for committed in range(1, segments):
        root = tmp_path / f"committed-{committed}"
        shutil.copytree(tmp_path / "whole", root)
        # As a decoder leaves it that was killed: without an end, and with plans of the segments in flight.
        plan = root / request.run / "plan"
        (plan / "end.json").unlink()
        for number in range(committed + 2, segments):
            (plan / f"{number:06d}.json").unlink()
        before = sought_past()
        found = decode(request, root, committed)
        skipped += sought_past() - before
        assert found == {number: parts for number, parts in whole.items() if number >= committed}
        assert documents(root, request) == expected
    assert skipped > 0 or segments < 3


def test_where_a_takeover_begins(tmp_path: Path) -> None:
    """It begins at the shot of the last committed segment, unless another decoder planned that or a seek has killed."""
    request = request_for(uneven_film(*SHOTS), tmp_path / "out.mp4")
    root = tmp_path / "ledger"
    decode(request, root)
    ledger = RunLedger(str(root), request.run)
    plans = [plan for number in range(ledger.count_planned()) if (plan := ledger.plan(number))]
    frames = [frame for plan in plans for frame in plan.frames]
    starts = [index for index, frame in enumerate(frames) if frame.shot_start]
    identity = plans[0].seekable_by
    assert identity
    for committed in range(len(plans) + 1):
        found = find_takeover(ledger, set(range(committed)), identity)
        last = plans[committed - 1].first_frame if committed else 0
        expected = max((start for start in starts if start <= last), default=0)
        if found is None:
            assert expected < plans[1].first_frame
            continue
        assert (found.segment, found.first_frame) == (committed - 1, last)
        assert (found.point.index, found.point.pts) == (expected, frames[expected].pts)
        assert plans[found.point_segment].first_frame + found.point_offset == expected
    everything = set(range(len(plans)))
    assert find_takeover(ledger, everything - {0}, identity) is None
    assert find_takeover(ledger, everything, "another version") is None
    assert find_takeover(ledger.at(2), everything, identity) is None
    ledger.work_marks.put_mark("seek")
    assert find_takeover(ledger, everything, identity) is None


def test_a_committed_segment_that_is_read_differently(tmp_path: Path) -> None:
    """A reading that does not find the pictures of the plan publishes nothing, and is to be made from the start."""
    request = request_for(uneven_film(*SHOTS), tmp_path / "out.mp4")
    root = tmp_path / "ledger"
    decode(request, root)
    ledger = RunLedger(str(root), request.run)
    identity = getattr(ledger.plan(0), "seekable_by", "")
    takeover = find_takeover(ledger, set(range(4)), identity)
    assert takeover is not None
    path = root / request.run / "plan" / f"{takeover.segment:06d}.json"
    plan = ledger.plan(takeover.segment)
    assert plan is not None
    path.write_text(plan.model_copy(update={"source_digest": "0" * 64}).model_dump_json())
    before = sought_past()
    with pytest.raises(SeekFailed, match="source_digest"):
        decode(request, root, committed=4)
    assert sought_past() == before
    path.write_text(plan.model_dump_json())
    assert decode(request, root, committed=4, may_seek=False)


def test_a_restoration_that_was_killed_does_not_read_what_is_committed_again(tmp_path: Path) -> None:
    """After SIGKILL behind four commits the film is bit-identical, and a shot of it at least was not decoded again."""
    outputs = tmp_path / "undisturbed.mp4", tmp_path / "out.mp4"
    film, options = small_film(160), ("--threads", "1")
    assert run(["restore", str(film), "-o", str(outputs[0]), *options]) == 0
    kill_after_commits(tmp_path, "restore", film, "-o", outputs[1], *options, commits=4)
    before = sought_past()
    assert run(["restore", str(film), "-o", str(outputs[1]), *options]) == 0
    assert sought_past() - before >= 24
    assert sha256(outputs[1]) == sha256(outputs[0])
    assert run(["verify", str(outputs[1])]) == 0


@pytest.mark.parametrize("seekable", [True, False], ids=["closed GOPs", "open GOPs"])
def test_a_decoder_that_takes_over_a_title(seekable: bool, tmp_path: Path) -> None:
    """The next decoder goes on from a committed segment where it can, reads from the start where not: one same film."""
    film = small_film(120) if seekable else open_gop_film()
    undisturbed = request_for(film, tmp_path / "undisturbed.mp4")
    request = request_for(film, tmp_path / "out.mp4")
    with pipeline_harness(str(tmp_path / "first")) as here:
        here.submit(undisturbed)
        assert here.wait(undisturbed).HasField("title_finished")

    def first_three(topic: str, value: bytes) -> bytes | None:
        return None if topic == RESTORED and RestoredBatch.FromString(value).segment >= 3 else value

    root, ledger = str(tmp_path / "second"), RunLedger(str(tmp_path / "second"), request.run)
    with pipeline_harness(root, first_three) as here:
        here.submit(request)
        until(lambda: ledger.committed_segments() == {0, 1, 2} and ledger.plan(3) is not None, "three segments")
    before = sought_past()
    with pipeline_harness(root) as here:
        here.submit(request)
        assert here.wait(request).HasField("title_finished")
    assert sought_past() - before == (48 if seekable else 0)
    assert sha256(Path(request.output)) == sha256(Path(undisturbed.output))
    one, other = manifest_of(Path(request.output)), manifest_of(Path(undisturbed.output))
    for key in ("frames_in", "frames_out", "pts", "source_pts", "frame_digests", "shots", "duplicates", "notes"):
        assert one[key] == other[key]
