"""One segment under way: batches in, encoded file and record out."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import frame_from_wire
from reelwright.encoder.reassembly import Reassembly
from reelwright.ledger.records import SegmentRecord, TitleRecord
from reelwright.ledger.run_ledger import RunLedger, file_sha256
from reelwright.media.bars import put_back
from reelwright.media.encode import SegmentEncoder, film_format
from reelwright.media.film import jpeg
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.media.transport import decode_payload
from reelwright.media.types import FrameRecord
from reelwright.store.scratch import scratch_folder
from reelwright.telemetry import metrics
from reelwright.titles.errors import CorruptPayload
from reelwright.wire.frames_pb2 import RestoredBatch

PREVIEW_WIDTH = 1280


class SegmentBuilder:
    """Encodes one segment as its batches come and commits it when the last is in. Used by one thread at a time.

    Args:
        number: the segment.
        title: the run it belongs to.
        ledger: the run's ledger.
        claims: where payloads are that were too large for a message.
        scratch: folder for the file under way.

    Raises:
        OutputError: the scratch folder cannot be written.
        UnavailableError: it has no room.
    """

    def __init__(
        self,
        number: int,
        title: TitleRecord,
        ledger: RunLedger,
        claims: ClaimCheck,
        scratch: Path | None,
    ) -> None:
        self._number, self._title, self._ledger, self._claims = number, title, ledger, claims
        self._open = ExitStack()
        self._path = self._open.enter_context(scratch_folder("segment", scratch)) / f"{number:06d}.mkv"
        film = film_format(title.source.video, title.out_width, title.out_height, title.out_pix_fmt)
        self._encoder = SegmentEncoder(self._path, profile_spec(title.request.recipe.profile), film)
        self._order = Reassembly()
        self._frames: list[FrameRecord] = []
        self._digests: list[str] = []
        self._first_frame = 0
        self._engine = ""
        self._seconds = {"restoration": 0.0, "encode": 0.0}

    def add(self, batch: RestoredBatch) -> SegmentRecord | None:
        """Encodes what is now in order; the record once the segment is committed.

        Raises:
            CorruptPayload: the bytes of the batch that comes next are damaged or gone; nothing of it was used, and
                another copy of it is awaited.
            OutputError: the scratch folder or the ledger cannot be written; the work must be closed.
            UnavailableError: they have no room or do not answer; the work must be closed.
        """
        self._order.add(batch)
        while (ready := self._order.peek()) is not None:
            try:
                pictures = self._pictures(ready)
            except CorruptPayload:
                self._order.refuse()
                raise
            self._encode(ready, pictures)
            self._order.advance()
        return self._commit() if self._order.complete else None

    def close(self) -> None:
        """Drops what is under way; harmless after a commit."""
        self._encoder.abort()
        self._open.close()

    def _pictures(self, batch: RestoredBatch) -> list[Picture]:
        pictures = decode_payload(batch.payload, self._claims.load(batch.payload))
        if len(pictures) != len(batch.frames):
            raise CorruptPayload(f"{len(pictures)} pictures for {len(batch.frames)} frames")
        return pictures

    def _encode(self, batch: RestoredBatch, pictures: list[Picture]) -> None:
        started = time.perf_counter()
        if not self._frames:
            self._first_frame = batch.first_frame
        for info, picture in zip(batch.frames, pictures, strict=True):
            self._add(frame_from_wire(info), picture)
        self._engine = batch.engine
        self._seconds["restoration"] += batch.seconds
        elapsed = time.perf_counter() - started
        self._seconds["encode"] += elapsed
        metrics.STAGE_SECONDS.labels(stage="encode").inc(elapsed)
        metrics.FRAMES_ENCODED.inc(len(pictures))

    def _add(self, record: FrameRecord, restored: Picture) -> None:
        recipe, video = self._title.request.recipe, self._title.source.video
        picture = put_back(restored, video, recipe)
        self._encoder.add(picture)
        if record.preview:
            image = jpeg(restored, video.colour, PREVIEW_WIDTH)
            self._ledger.put_restored_preview(self._number, len(self._frames), image)
        self._frames.append(record)
        self._digests.append(picture.digest())

    def _commit(self) -> SegmentRecord:
        started = time.perf_counter()
        self._encoder.finish()
        self._seconds["encode"] += time.perf_counter() - started
        record = SegmentRecord(
            segment=self._number,
            first_frame=self._first_frame,
            frames=tuple(self._frames),
            frame_digests=tuple(self._digests),
            file_sha256=file_sha256(self._path),
            file_bytes=self._path.stat().st_size,
            engine=self._engine,
            seconds=self._seconds,
        )
        # Object first, then record: a record in the ledger promises that its file is whole.
        self._ledger.put_segment_file(self._number, self._path)
        self._ledger.commit(record)
        metrics.SEGMENTS_COMMITTED.inc()
        return record
