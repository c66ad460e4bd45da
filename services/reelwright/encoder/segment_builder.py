"""Builds one segment: encodes the frames of its batches in order, and commits file and record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import (
    frame_from_wire,
)
from reelwright.encoder.batch_check import check_restored_batch
from reelwright.encoder.encoder_budget import EncoderBudget
from reelwright.encoder.engine_binding import check_engine
from reelwright.encoder.grain_table import write_grain_table
from reelwright.encoder.reorder_buffer import ReorderBuffer
from reelwright.encoder.segment_account import BatchFigures, SegmentAccount
from reelwright.encoder.shown_frames import ShownFrames, worst_of, worst_payloads
from reelwright.ledger.crash_guard import GuardedWork
from reelwright.ledger.records import SegmentRecord, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.bars import put_back
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import film_format
from reelwright.media.frame_record import DecodedFrame, FrameRecord
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.media.repeats import unfolded
from reelwright.media.transport import decode_payload
from reelwright.media.worst_frame import WorstFrame
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry import metrics
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.frames_pb2 import RestoredBatch


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
        check_restored_batch(batch, self._title)
        check_engine(batch.engine, self.engine)
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
        self._account = SegmentAccount(self._title)
        self._shown = ShownFrames(self._title, partial(self._ledger.pictures.put_shown, self._number))

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
                    with metrics.timed("transport"):
                        pictures = decode_payload(ready.payload, content)
                    figures = BatchFigures.of(ready)
                    records = [frame_from_wire(info) for info in ready.frames]
                    worst = worst_of(ready, self._claims)
                except CorruptPayload:
                    self._buffer.discard_next()
                    raise
                found = {
                    index: (each, figures.fidelity[index].departure)
                    for index, each in worst.items()
                    if figures.fidelity
                }
                with metrics.timed("encode", self._account.seconds):
                    self._encode_pictures(ready, records, pictures, found)
            self._account.add_figures(records, figures)
            self._buffer.mark_used()
        return self._commit() if self._buffer.complete else None

    def _encode_pictures(
        self,
        batch: RestoredBatch,
        records: list[FrameRecord],
        pictures: list[Picture],
        worst: Mapping[int, tuple[WorstFrame, float]],
    ) -> None:
        account, encoder = self._account, self._open_encoder()
        recipe, video = self._title.request.recipe, self._title.source.video
        if not account.frames:
            account.first_frame = batch.first_frame
        for number, (record, restored) in enumerate(zip(records, pictures, strict=True)):
            picture, offset = put_back(restored, video, recipe), len(account.frames)
            if record.preview:
                self._ledger.pictures.put_restored(self._number, offset, jpeg(restored, video.colour, PREVIEW_WIDTH))
            frame = DecodedFrame(account.first_frame + offset, record, restored)
            self._shown.add(offset, frame, worst.get(number))
            for _ in unfolded(record):
                encoder.add(picture)
            account.add_frame(record, restored, picture.digest())
        self._shown.release()
        account.seconds["restoration"] += batch.seconds
        account.cost += batch.cost
        metrics.FRAMES_ENCODED.inc(sum(1 + len(record.repeats) for record in records))

    def _commit(self) -> SegmentRecord:
        account = self._account
        # A codec that looks ahead encodes most of a segment here.
        with self._work.call(), metrics.timed("encode", account.seconds):
            self._shown.end()
            self._open_encoder().finish()
            # The grain that the recipe leaves to players.
            if grainy := account.grainy_frames():
                write_grain_table(self._path, self._title, grainy, account.first_frame)
        record = account.record(self._number, self._path, self.engine)
        # The file before the record: a record in the ledger promises that its file is complete.
        self._ledger.put_segment_file(self._number, self._path)
        committed = self._ledger.commit_segment(record)
        self._committed = True
        metrics.note_commit()
        return committed
