"""An encoder opens a bounded number of codecs, whatever the number of titles, and still encodes every segment."""

from __future__ import annotations

import itertools
import math
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import frame_to_wire
from reelwright.bus.events import EventListener
from reelwright.bus.local.bus import LocalBus
from reelwright.bus.messages import publish_message
from reelwright.bus.topics import RESTORED, segment_key
from reelwright.encoder import segment_builder
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.loop import EncoderService
from reelwright.encoder.segment_builder import SegmentBuilder
from reelwright.encoder.settings import EncoderSettings
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.report.images import mask_codes
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.encode import SegmentEncoder
from reelwright.media.frame_record import FrameRecord
from reelwright.media.picture import Picture
from reelwright.media.repair_mask import mask_picture
from reelwright.media.transport import encode_payload
from reelwright.titles.errors import UnavailableError, UnusableMessage
from reelwright.wire.frames_pb2 import CropInfo, DamageInfo, FidelityInfo, RestoredBatch
from reelwright.wire.titles_pb2 import Event
from tests.support.commands import TIMEOUT_SECONDS
from tests.support.dispatch_harness import until
from tests.support.ledgers import title_of, video_of
from tests.support.stage_clock import StageClock

RUNS = [f"{number:020x}" for number in range(6)]
SEGMENTS, BATCHES, BATCH_FRAMES, SIZE = 2, 3, 4, 64


class OpenEncoder:
    """An encoder that may open one codec, on a bus that is full with one batch, and the events that it publishes."""

    def __init__(self, root: Path, **settings: object) -> None:
        self._root, self._stop = str(root), threading.Event()
        self.bus, self.events = LocalBus(partitions=2, max_bytes=1000), queue.SimpleQueue[Event]()
        self.most_open = 0.0
        limits = EncoderSettings(open_segments=1, **settings)  # type: ignore[arg-type]
        service = EncoderService(self.bus, self.ledger, ClaimCheck(self._root, 1 << 20), limits)
        self._thread = threading.Thread(target=service.run, args=(self._stop,))
        self._listener = EventListener(self.bus, self._note)
        self._thread.start()
        for run in RUNS:
            title = title_of(video=video_of(SIZE // 2, SIZE // 2))
            request = title.request.model_copy(update={"run": run})
            self.ledger(run).put_title(title.model_copy(update={"request": request}))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()
        self.bus.close()

    def ledger(self, run: str, attempt: int = 1) -> RunLedger:
        return RunLedger(self._root, run, attempt)

    def publish(self, batch: RestoredBatch) -> None:
        publish_message(self.bus, RESTORED, segment_key(batch.run, batch.segment), batch)

    def wait(self, kind: str) -> Event:
        """The next event of a kind."""
        while (event := self.events.get(timeout=TIMEOUT_SECONDS)).WhichOneof("event") != kind:
            pass
        return event

    def _note(self, event: Event) -> None:
        self.most_open = max(self.most_open, REGISTRY.get_sample_value("reelwright_segments_open") or 0)
        self.events.put(event)


def batch(run: str, segment: int, number: int, *, last: bool = False) -> RestoredBatch:
    """A batch of a segment, which ends with its third one unless told; the pictures of each batch differ."""
    first = BATCH_FRAMES * number
    luma = np.full((SIZE, SIZE), 16 * number + segment, np.uint8)
    chroma = np.full((SIZE // 2, SIZE // 2), 128, np.uint8)
    return RestoredBatch(
        run=run,
        attempt=1,
        segment=segment,
        batch=number,
        first_frame=BATCHES * BATCH_FRAMES * segment + first,
        frames=[frame_to_wire(FrameRecord(pts=first + index, duration=1)) for index in range(BATCH_FRAMES)],
        last=last or number == BATCHES - 1,
        payload=encode_payload([Picture("yuv420p", SIZE, SIZE, (luma, chroma, chroma))] * BATCH_FRAMES, "raw"),
        engine="test @m0",
    )


@pytest.fixture
def encoder(tmp_path: Path) -> Iterator[OpenEncoder]:
    """An encoder that keeps no waiting payload in memory."""
    made = OpenEncoder(tmp_path, waiting_bytes=0)
    yield made
    made.close()


def test_every_segment_is_encoded_while_the_bus_is_full(encoder: OpenEncoder, tmp_path: Path) -> None:
    """Batches of many titles that arrive in turn, the last ones first, end in a commit for each segment, in turn."""

    def feed(segment: int) -> None:
        for number in reversed(range(BATCHES)):
            for run in RUNS:
                encoder.publish(batch(run, segment, number))

    feeders = [threading.Thread(target=feed, args=(segment,)) for segment in range(SEGMENTS)]
    for feeder in feeders:
        feeder.start()
    committed = [encoder.wait("segment_committed") for _ in range(SEGMENTS * len(RUNS))]
    for feeder in feeders:
        feeder.join()
    assert encoder.most_open <= 1
    for segment in range(SEGMENTS):
        assert [event.run for event in committed if event.segment_committed.segment == segment] == RUNS
    for run in RUNS:
        assert encoder.ledger(run).committed_segments() == set(range(SEGMENTS))
        record = encoder.ledger(run).segment(1)
        assert record is not None
        assert [frame.pts for frame in record.frames] == list(range(BATCHES * BATCH_FRAMES))
        assert not list((tmp_path / run).glob("payloads/*/*"))


def test_a_damaged_batch_of_a_segment_that_waited(encoder: OpenEncoder) -> None:
    """A complete segment with a damaged batch is asked for again, and is committed when it comes again."""
    broken = batch(RUNS[0], 0, 1)
    broken.payload.inline = bytes(len(broken.payload.inline))
    for each in (batch(RUNS[0], 0, 0), broken, batch(RUNS[0], 0, 2)):
        encoder.publish(each)
    assert encoder.wait("segment_wanted").segment_wanted.segment == 0
    for number in range(BATCHES):
        encoder.publish(batch(RUNS[0], 0, number))
    assert encoder.wait("segment_committed").run == RUNS[0]


def test_a_store_that_is_away_while_a_batch_is_refused(encoder: OpenEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of another engine is refused once the store answers again, and its segment is asked for."""
    away, engine = threading.Event(), RunLedger.engine

    def once_away(ledger: RunLedger) -> str:
        if away.is_set():
            away.clear()
            raise UnavailableError("does not answer")
        return engine(ledger)

    monkeypatch.setattr(RunLedger, "engine", once_away)
    encoder.publish(batch(RUNS[0], 0, 0))
    until(lambda: encoder.ledger(RUNS[0]).work_marks.names("encode-000000"), "the first batch is used")
    away.set()
    foreign = batch(RUNS[0], 0, 1)
    foreign.engine = "other @m0"
    encoder.publish(foreign)
    assert "restored with engine other" in encoder.wait("segment_wanted").segment_wanted.reason
    assert not away.is_set()


@contextmanager
def builder_of(root: Path, budget: EncoderBudget, halo_frames: int = 0) -> Iterator[SegmentBuilder]:
    """A builder of segment 0 of a title whose model reads so many frames around each."""
    ledger, title = RunLedger(str(root), RUNS[0]), title_of(video=video_of(SIZE // 2, SIZE // 2))
    request = title.request.model_copy(update={"run": RUNS[0], "halo_frames": halo_frames})
    builder = SegmentBuilder(
        0,
        title.model_copy(update={"request": request}),
        ledger,
        engine="test @m0",
        claims=ClaimCheck(str(root), 1 << 20),
        scratch=root,
        work=CrashGuard(0).begin(ledger, "encode-000000", "encoding"),
        budget=budget,
    )
    yield builder
    builder.close()


def test_copies_of_a_waiting_batch_take_no_memory(tmp_path: Path) -> None:
    """A batch that comes three times before its segment has a codec is held once, and none of it goes to the store."""
    size = len(batch(RUNS[0], 0, 1).payload.inline)
    budget = EncoderBudget(codecs=0, bytes_held=2 * size)
    with builder_of(tmp_path, budget) as builder:
        for _ in range(3):
            assert builder.encode_batch(batch(RUNS[0], 0, 1)) is None
        assert not list(tmp_path.rglob("payloads/*/*"))
        assert budget.reserve_bytes(size)
        assert not budget.reserve_bytes(1)


def with_worst(message: RestoredBatch, departures: list[float]) -> RestoredBatch:
    """The batch with its second frame as the worst one of its shot, beside frames that depart by so many levels."""
    side = SIZE // 2
    mask = np.eye(side, dtype=np.uint8)
    message.worst.add(frame=1, before=1, strip=2, crop=CropInfo(left=8, width=side - 8, height=side))
    for name, pictures in (
        ("worst_pictures", [Picture("gray", side, side, (mask * 200,))]),
        ("worst_crops", [Picture("gray", side - 8, side, (mask[:, 8:] * 200,))] * 2),
        ("worst_masks", [mask_picture(mask)]),
    ):
        getattr(message, name).CopyFrom(encode_payload(pictures, "zstd"))
    message.fidelity.extend(FidelityInfo(unsupported=each) for each in departures)
    return message


def beyond_the_picture(message: RestoredBatch) -> None:
    message.worst[0].crop.left = 9


def beyond_the_batch(message: RestoredBatch) -> None:
    message.worst[0].frame = BATCH_FRAMES


def longer_strip(message: RestoredBatch) -> None:
    message.worst[0].strip = 3


def longer_than_any(message: RestoredBatch) -> None:
    message.worst[0].before, message.worst[0].strip = 3, 4


def larger_mask(message: RestoredBatch) -> None:
    message.worst_masks.width *= 2


def other_format(message: RestoredBatch) -> None:
    message.worst_pictures.pix_fmt = "yuv444p"


def two_of_one_frame(message: RestoredBatch) -> None:
    message.worst.append(message.worst[0])


@pytest.mark.parametrize(
    "spoil",
    [
        beyond_the_picture,
        beyond_the_batch,
        longer_strip,
        longer_than_any,
        larger_mask,
        other_format,
        two_of_one_frame,
    ],
)
def test_what_the_report_shows_lies_in_the_picture(spoil: Callable[[RestoredBatch], None], tmp_path: Path) -> None:
    """Parts beyond the picture, and pictures of another size, format or number than they must have, are refused."""
    with builder_of(tmp_path, EncoderBudget(codecs=1, bytes_held=0)) as builder:
        wrong, right = (with_worst(batch(RUNS[0], 0, 0, last=True), [0, 2, 1, 1]) for _ in range(2))
        spoil(wrong)
        with pytest.raises(UnusableMessage, match=r"crop|worst|strip"):
            builder.encode_batch(wrong)
        assert builder.encode_batch(right) is not None
    shown = RunLedger(str(tmp_path), RUNS[0]).pictures.shown(0, 1)
    assert shown is not None
    assert (shown.first, shown.last, shown.frames) == (0, 1, 2)
    codes = mask_codes(shown.mask)
    assert codes is not None
    assert np.array_equal(codes, np.eye(SIZE // 2))


def test_a_worst_frame_that_waits_goes_to_the_store(tmp_path: Path) -> None:
    """Without a codec and without room in memory its pictures are in the store until its segment is encoded."""
    budget = EncoderBudget(codecs=0, bytes_held=0)
    with builder_of(tmp_path, budget) as builder:
        assert builder.encode_batch(with_worst(batch(RUNS[0], 0, 1), [0, 2, 1, 1])) is None
        assert len(list(tmp_path.rglob("payloads/*/*"))) == 4
        assert builder.encode_batch(with_worst(batch(RUNS[0], 0, 0), [0, 3, 1, 1])) is None
        assert builder.encode_batch(with_worst(batch(RUNS[0], 0, 2), [0, 1, 1, 1])) is not None
    pictures = RunLedger(str(tmp_path), RUNS[0]).pictures
    assert pictures.shown(0, 1) is not None
    assert pictures.shown(0, BATCH_FRAMES + 1) is None


@pytest.mark.parametrize(
    ("halo_frames", "measured"), [(0, BATCH_FRAMES), (0, 1), (2, 0), (2, BATCH_FRAMES - 1), (2, BATCH_FRAMES + 4)]
)
def test_a_batch_has_a_measurement_for_each_frame(halo_frames: int, measured: int, tmp_path: Path) -> None:
    """Any other number of measurements than the title's model makes is refused, and a right copy is used then."""
    budget = EncoderBudget(codecs=1, bytes_held=0)
    with builder_of(tmp_path, budget, halo_frames) as builder:
        wrong, right = (batch(RUNS[0], 0, 0, last=True) for _ in range(2))
        wrong.damage.extend([DamageInfo()] * measured)
        with pytest.raises(UnusableMessage, match=f"^{measured} measurements, the batch must have"):
            builder.encode_batch(wrong)
        right.damage.extend([DamageInfo()] * (BATCH_FRAMES if halo_frames else 0))
        record = builder.encode_batch(right)
    assert record is not None
    assert len(record.damage) == (BATCH_FRAMES if halo_frames else 0)


@pytest.mark.parametrize("measured", [1, BATCH_FRAMES - 1, BATCH_FRAMES + 4])
def test_fidelity_is_measured_in_each_frame_or_in_none(measured: int, tmp_path: Path) -> None:
    """Another number of measurements is refused; a segment that an earlier version restored in part has none."""
    with builder_of(tmp_path, EncoderBudget(codecs=1, bytes_held=0)) as builder:
        wrong, whole, without = (batch(RUNS[0], 0, number, last=number == 1) for number in (0, 0, 1))
        wrong.fidelity.extend([FidelityInfo()] * measured)
        with pytest.raises(UnusableMessage, match=f"^{measured} frames measured, the batch has"):
            builder.encode_batch(wrong)
        whole.fidelity.extend([FidelityInfo()] * BATCH_FRAMES)
        assert builder.encode_batch(whole) is None
        record = builder.encode_batch(without)
    assert record is not None
    assert record.fidelity == ()


def test_a_segment_costs_what_its_batches_cost(tmp_path: Path) -> None:
    """A batch whose cost or time is no number from 0 is refused; the record has the sum of the others' costs."""
    with builder_of(tmp_path, EncoderBudget(codecs=1, bytes_held=0)) as builder:
        for field, wrong in itertools.product(("cost", "seconds"), (math.nan, math.inf, -0.5, 1.7e308)):
            paid = batch(RUNS[0], 0, 0)
            setattr(paid, field, wrong)
            with pytest.raises(UnusableMessage, match="which is a number from 0"):
                builder.encode_batch(paid)
        for number, cost in enumerate((0.25, 0.0, 0.5)):
            paid = batch(RUNS[0], 0, number)
            paid.cost = cost
            record = builder.encode_batch(paid)
    assert record is not None
    assert record.cost == 0.75


def test_memory_does_not_grow_with_the_number_of_titles() -> None:
    """With twelve titles under way an encoder needs little more memory than with four."""

    def peak(titles: int) -> float:
        command = [sys.executable, "-m", "tests.bench.bench_encoder", str(titles)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert peak(12) < 1.3 * peak(4)


def test_the_stage_encode_is_all_that_the_record_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The codec's flush is of the stage, as frames are, in metric and record; decoding payloads is `transport`."""
    clock = StageClock(monkeypatch)
    clock.charge(SegmentEncoder, "add", 1)
    clock.charge(SegmentEncoder, "finish", 100)
    clock.charge(segment_builder, "decode_payload", 1000)
    with builder_of(tmp_path, EncoderBudget(codecs=1, bytes_held=0)) as builder:
        for number in range(BATCHES):
            record = builder.encode_batch(batch(RUNS[0], 0, number))
    assert record is not None
    assert record.seconds["encode"] == BATCHES * BATCH_FRAMES + 100
    assert clock.counted() == {"encode": record.seconds["encode"], "transport": 1000 * BATCHES}
