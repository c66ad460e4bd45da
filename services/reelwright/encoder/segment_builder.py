"""Builds one segment: encodes the frames of its batches in order, and commits file and record."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from reelwright.bus.batch_limits import check_frame_count
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import (
    damage_from_wire,
    fidelity_from_wire,
    frame_from_wire,
    grain_from_wire,
    tone_change_from_wire,
)
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.grain_table import write_grain_table
from reelwright.encoder.reorder_buffer import ReorderBuffer
from reelwright.encoder.shown_frames import ShownFrames, check_worst, worst_of, worst_payloads
from reelwright.ledger.crash_guard import GuardedWork
from reelwright.ledger.records import SegmentRecord, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.ledger.segments import file_sha256
from reelwright.media.bars import put_back, restored_size
from reelwright.media.colour import RANGE_FULL
from reelwright.media.encode import SegmentEncoder
from reelwright.media.fading import contrast_points
from reelwright.media.film_format import film_format
from reelwright.media.film_grain_fit import GrainyFrame
from reelwright.media.frame_correction import ContrastPoints, ScenePlace, ToneChange
from reelwright.media.frame_fidelity import FrameFidelity
from reelwright.media.frame_grain import FrameGrain
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.media.repeats import MOST_REPEATS, unfolded
from reelwright.media.scene_tracker import SceneTracker
from reelwright.media.toolchain import toolchain_identity
from reelwright.media.transport import decode_payload
from reelwright.media.types import DecodedFrame, FrameDamage, FrameRecord
from reelwright.media.worst_frame import WorstFrame
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import CorruptPayload, InternalError, UnusableMessage
from reelwright.titles.identity import engine_matches
from reelwright.wire.frames_pb2 import RestoredBatch

Figures = TypeVar("Figures")

# Many times what the decoder makes of a segment.
_MAX_BATCHES = 1024


class ForeignEngine(InternalError):
    """A batch was restored with another engine than its run has; its segment must be restored again.

    Args:
        found: identity of the batch's engine.
        wanted: of the run's engine, or the words that the request asks for.
    """

    temporary = True

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"restored with engine {found or 'unknown'}; the run has {wanted}")


class SegmentBuilder:
    """Encodes one segment, and commits it after its last batch. Used by one thread at a time.

    The segment is encoded while its batches arrive if the budget has a codec for it. Otherwise they wait until the last
    one is there.

    Args:
        number: of the segment.
        title: the ledger's record of its title.
        ledger: the run's ledger.
        engine: identity of the engine that the run is bound to.
        claims: holds payloads that were too large for a message.
        scratch: folder for the file under way; the system's temporary folder if None.
        work: guards the process against this segment; closed with the builder.
        budget: of the encoder.

    Attributes:
        engine: identity of the engine that the run is bound to.
    """

    def __init__(
        self,
        number: int,
        title: TitleRecord,
        ledger: RunLedger,
        *,
        engine: str,
        claims: ClaimCheck,
        scratch: Path | None,
        work: GuardedWork,
        budget: EncoderBudget,
    ) -> None:
        self.engine = engine
        self._work, self._committed = work, False
        self._number, self._title, self._ledger, self._claims = number, title, ledger, claims
        self._scratch, self._budget = scratch, budget
        self._resources = ExitStack()
        self._size = restored_size(title.source.video, title.request.recipe)
        self._encoder: SegmentEncoder | None = None
        self._has_reservation = False
        self._waiting_bytes = 0
        self._begin()

    def encode_batch(self, batch: RestoredBatch) -> SegmentRecord | None:
        """Encodes a batch, and those that waited for it, when it is its turn.

        Returns:
            The segment's record once it is committed; None before.

        Raises:
            ForeignEngine: the batch is of another engine. Nothing of it was used.
            CorruptPayload: the next batch's bytes are damaged or missing. None of it was used; another copy of it must
                arrive.
            OutputError: the scratch folder or the ledger cannot be written; the builder must be closed.
            UnavailableError: they have no room or do not answer; the builder must be closed.
            UnusableMessage: the batch cannot be of this title. None of it was used.
        """
        self._check(batch)
        if not engine_matches(batch.engine, self.engine):
            raise ForeignEngine(batch.engine, self.engine)
        if not self._has_reservation:
            self._has_reservation = self._budget.reserve_codec()
        # Nothing is reserved or stored for a copy that the buffer would ignore.
        if not self._buffer.has(batch.batch):
            self._buffer.insert(batch if self._has_reservation else self._wait(batch))
        if not (self._has_reservation or self._buffer.whole):
            return None
        try:
            return self._encode_ready()
        finally:
            if not self._has_reservation:
                self._begin()

    def close(self) -> None:
        """Ends the work; discards what is under way, if there was no commit."""
        self._begin()
        if self._has_reservation:
            self._budget.release_codec()
            self._has_reservation = False
        self._work.close(done=self._committed)

    def _begin(self) -> None:
        """Closes the codec, and begins again without any batch."""
        if self._encoder is not None:
            self._encoder.abort()
            self._encoder = None
            metrics.SEGMENTS_OPEN.dec()
        self._resources.close()
        self._budget.release_bytes(self._waiting_bytes)
        self._waiting_bytes = 0
        self._buffer = ReorderBuffer()
        self._frames: list[FrameRecord] = []
        self._digests: list[str] = []
        self._damage: list[FrameDamage] = []
        self._scene: list[ScenePlace] = []
        self._tone_changes: list[ToneChange] = []
        self._fidelity: list[FrameFidelity] = []
        self._grain: list[FrameGrain] = []
        self._points: list[ContrastPoints] = []
        self._tracker = SceneTracker()
        self._shown = ShownFrames(self._title, partial(self._ledger.pictures.put_shown, self._number))
        self._first_frame = 0
        self._seconds = {"restoration": 0.0, "encode": 0.0}
        self._cost = 0.0

    def _wait(self, batch: RestoredBatch) -> RestoredBatch:
        """The batch as it waits for a codec: with its payload in the store when memory for it is used up."""
        payloads = [batch.payload, *worst_payloads(batch)]
        size = sum(len(payload.inline) for payload in payloads)
        if self._budget.reserve_bytes(size):
            self._waiting_bytes += size
        else:
            for payload in payloads:
                if payload.inline:
                    payload.CopyFrom(self._claims.store(payload, batch.run, batch.segment, batch.attempt))
        return batch

    def _open_encoder(self) -> SegmentEncoder:
        """The segment's encoder, opened at the first call.

        Raises:
            OutputError: the scratch folder cannot be written.
            UnavailableError: it has no room.
        """
        if self._encoder is None:
            title, folder = self._title, self._resources.enter_context(scratch_folder("segment", self._scratch))
            self._path = folder / f"{self._number:06d}.mkv"
            film = film_format(title.source.video, title.out_width, title.out_height, title.out_pix_fmt)
            self._encoder = SegmentEncoder(self._path, profile_spec(title.request.recipe.profile), film)
            metrics.SEGMENTS_OPEN.inc()
        return self._encoder

    def _encode_ready(self) -> SegmentRecord | None:
        """Encodes the batches whose turn it is; the segment's record when it was the last one."""
        while (ready := self._buffer.next_batch()) is not None:
            heartbeat()
            with self._work.call():
                try:
                    content = self._claims.load(ready.payload, ready.run, ready.segment, ready.attempt)
                    pictures = decode_payload(ready.payload, content)
                    damage = [damage_from_wire(message) for message in ready.damage]
                    tone_changes = [tone_change_from_wire(message) for message in ready.tone_changes]
                    fidelity = [fidelity_from_wire(message) for message in ready.fidelity]
                    grain = [grain_from_wire(message) for message in ready.grain]
                    records = [frame_from_wire(info) for info in ready.frames]
                    worst = worst_of(ready, self._claims)
                except CorruptPayload:
                    self._buffer.discard_next()
                    raise
                found = {index: (each, fidelity[index].departure) for index, each in worst.items() if fidelity}
                self._encode_pictures(ready, records, pictures, found)
            self._damage += _repeated(damage, records)
            self._tone_changes += _repeated(tone_changes, records)
            self._fidelity += _repeated(fidelity, records)
            self._grain += _repeated(grain, records)
            self._buffer.mark_used()
        return self._commit() if self._buffer.complete else None

    def _check(self, batch: RestoredBatch) -> None:
        """Compares what a batch claims with the title, before it is held or anything is allocated for it."""
        payload, wanted = batch.payload, (self._title.out_pix_fmt, *self._size)
        check_frame_count(len(batch.frames), payload)
        # A model that reads neighbours measures each frame, and no other model measures any.
        measured = len(batch.frames) if self._title.request.halo_frames else 0
        if len(batch.damage) != measured:
            raise UnusableMessage(f"{len(batch.damage)} measurements, the batch must have {measured}")
        opened = len(batch.frames) if self._title.request.recipe.tone.opens else 0
        if len(batch.tone_changes) != opened:
            raise UnusableMessage(f"{len(batch.tone_changes)} changes of tone, the batch must have {opened}")
        if len(batch.fidelity) not in {0, len(batch.frames)}:
            raise UnusableMessage(f"{len(batch.fidelity)} frames measured, the batch has {len(batch.frames)}")
        grainy = len(batch.frames) if self._title.request.recipe.grain.mode == "table" else 0
        if len(batch.grain) != grainy:
            raise UnusableMessage(f"grain of {len(batch.grain)} frames, the batch must have it of {grainy}")
        for info in batch.frames:
            if len(info.repeats) > MOST_REPEATS:
                raise UnusableMessage(f"a frame with {len(info.repeats)} repeats, at most {MOST_REPEATS}")
        check_worst(batch, self._title)
        found = (payload.pix_fmt, payload.width, payload.height)
        if found != wanted:
            raise UnusableMessage(f"pictures of {_shown(found)}, the title's are {_shown(wanted)}")
        if not (math.isfinite(batch.cost) and batch.cost >= 0):
            raise UnusableMessage(f"a cost of {batch.cost:g}, which is a number from 0")
        if batch.batch >= _MAX_BATCHES:
            raise UnusableMessage(f"batch {batch.batch} of a segment, which has at most {_MAX_BATCHES}")

    def _encode_pictures(
        self,
        batch: RestoredBatch,
        records: list[FrameRecord],
        pictures: list[Picture],
        worst: Mapping[int, tuple[WorstFrame, float]],
    ) -> None:
        started = time.perf_counter()
        if not self._frames:
            self._first_frame = batch.first_frame
        encoder = self._open_encoder()
        recipe, video = self._title.request.recipe, self._title.source.video
        for number, (record, restored) in enumerate(zip(records, pictures, strict=True)):
            picture, offset = put_back(restored, video, recipe), len(self._frames)
            if record.preview:
                self._ledger.pictures.put_restored(self._number, offset, jpeg(restored, video.colour, PREVIEW_WIDTH))
            frame = DecodedFrame(self._first_frame + offset, record, restored)
            self._shown.add(offset, frame, worst.get(number))
            shown = unfolded(record)
            for _ in shown:
                encoder.add(picture)
            if recipe.steadies:
                placement = self._tracker.place(restored, shot_start=record.shot_start)
                self._scene += [placement.in_source(recipe.scale)] * len(shown)
            if recipe.fading:
                points = contrast_points(restored, full_range=video.colour.range == RANGE_FULL)
                self._points += [points] * len(shown)
            self._frames += shown
            self._digests += [picture.digest()] * len(shown)
        self._shown.release()
        self._seconds["restoration"] += batch.seconds
        self._cost += batch.cost
        elapsed = time.perf_counter() - started
        self._seconds["encode"] += elapsed
        metrics.STAGE_SECONDS.labels(stage="encode").inc(elapsed)
        metrics.FRAMES_ENCODED.inc(sum(1 + len(record.repeats) for record in records))

    def _write_grain(self) -> None:
        """Writes the parameters by which players make the grain, if the recipe leaves it to them."""
        if not self._grain:
            return
        keep, pairs = self._title.request.recipe.grain.keep, zip(self._frames, self._grain, strict=True)
        frames = [GrainyFrame(record.shot_start, grain, keep) for record, grain in pairs]
        write_grain_table(self._path, self._title, frames, self._first_frame)

    def _commit(self) -> SegmentRecord:
        started = time.perf_counter()
        with self._work.call():
            self._shown.end()
            self._open_encoder().finish()
            self._write_grain()
        self._seconds["encode"] += time.perf_counter() - started
        record = SegmentRecord(
            segment=self._number,
            first_frame=self._first_frame,
            frames=tuple(self._frames),
            frame_digests=tuple(self._digests),
            file_sha256=file_sha256(self._path),
            file_bytes=self._path.stat().st_size,
            engine=self.engine,
            toolchain=toolchain_identity(self._title.request.recipe.profile),
            seconds=self._seconds,
            cost=self._cost,
            damage=tuple(self._damage),
            scene=tuple(self._scene),
            tone_changes=tuple(self._tone_changes),
            points=tuple(self._points),
            # A worker of an earlier version measures nothing, so what others measured would have no place.
            fidelity=tuple(self._fidelity) if len(self._fidelity) == len(self._frames) else (),
        )
        # The file before the record: a record in the ledger promises that its file is complete.
        self._ledger.put_segment_file(self._number, self._path)
        committed = self._ledger.commit_segment(record)
        self._committed = True
        metrics.note_commit()
        return committed


def _repeated(found: list[Figures], records: list[FrameRecord]) -> Iterator[Figures]:
    """What was measured in each frame, once more for each of its repeats."""
    for figures, record in zip(found, records, strict=True) if found else ():
        yield from (figures,) * (1 + len(record.repeats))


def _shown(kind: tuple[str, int, int]) -> str:
    return f"{kind[1]}x{kind[2]} {kind[0]!r}"
