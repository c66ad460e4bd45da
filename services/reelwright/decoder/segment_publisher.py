"""Publishes the batches of a segment, and writes its plan to the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import correction_to_wire, frame_to_wire
from reelwright.bus.events import publish_event
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.segmenter import BatchFrames
from reelwright.decoder.takeover import decoder_identity
from reelwright.decoder.title_description import work_of
from reelwright.ledger.records import SegmentPlan, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.frame_record import FrameRecord
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.reader import FrameReader
from reelwright.media.repeats import unfolded
from reelwright.media.transport import encode_payload
from reelwright.telemetry import metrics
from reelwright.wire.frames_pb2 import FrameBatch
from reelwright.wire.titles_pb2 import Event, SegmentWanted


class SegmentPublisher:
    """Publishes the segments of a title that are not committed.

    Args:
        title: the ledger's record of the title.
        ledger: its ledger.
        bus: where batches are published.
        claims: stores payloads that are too large for a message.
        window: limits the segments in flight.
        codec: transport codec of the frames.
    """

    def __init__(
        self,
        title: TitleRecord,
        ledger: RunLedger,
        *,
        bus: Bus,
        claims: ClaimCheck,
        window: InFlightWindow,
        codec: str,
    ) -> None:
        self._title, self._ledger, self._bus, self._claims = title, ledger, bus, claims
        self._window, self._codec = window, codec
        request, recipe = title.request, title.request.recipe
        self._topic = FRAMES[request.priority_class]
        # Headers and not fields, because a batch depends on source and recipe alone.
        self._headers = {"deadline": f"{request.deadline:.0f}"} if request.deadline else {}
        self._engine = ""
        self._work = work_of(title, recipe)
        self._identity = decoder_identity(title)

    def publish_segment(self, number: int, stream: Iterator[BatchFrames], reader: FrameReader) -> int:
        """Publishes a segment and writes its plan. Of a committed segment only the plan is written.

        Args:
            number: of the segment.
            stream: its batches; all of them are read.
            reader: of the title's frames; it tells whether another reading may begin at the segment.

        Returns:
            The number of frames in it; not all of them when the window was closed meanwhile.

        Raises:
            LedgerError: the ledger holds another plan for this segment.
            UnavailableError: the store does not answer.
        """
        publish = self._window.acquire(number)
        if publish and not self._engine:
            self._engine = self._ledger.engine()
        sha = hashlib.sha256()
        frames: list[FrameRecord] = []
        first = 0
        for batch in stream:
            if self._window.closed:
                break
            first = first if frames else batch.frames[0].index
            for frame in batch.frames:
                for plane in frame.picture.planes:
                    sha.update(plane.data)
                if publish and frame.record.preview:
                    image = jpeg(frame.picture, self._title.source.video.colour, PREVIEW_WIDTH)
                    self._ledger.pictures.put_source(number, len(frames), image)
                frames += unfolded(frame.record)
            if batch.last:
                # Written before the last batch is published, so that a committed segment always has its plan.
                plan = SegmentPlan(
                    segment=number,
                    first_frame=first,
                    frames=tuple(frames),
                    source_digest=sha.hexdigest(),
                    seekable_by=self._identity if reader.seekable else "",
                )
                self._ledger.put_plan(plan)
                if not publish and not self._ledger.agrees_with_adopted(plan):
                    self._reject_adopted(number)
            if publish:
                self._publish_batch(batch)
        return len(frames)

    def _reject_adopted(self, number: int) -> None:
        """Has a segment made again that an earlier attempt had made of other pictures."""
        self._ledger.discard_segment(number)
        wanted = SegmentWanted(segment=number, reason="an earlier attempt read other pictures from the source")
        publish_event(self._bus, Event(run=self._ledger.run, attempt=self._ledger.attempt, segment_wanted=wanted))

    def _publish_batch(self, batch: BatchFrames) -> None:
        with metrics.timed("transport"):
            payload = encode_payload(batch.pictures(), self._codec)
        run, attempt = self._title.request.run, self._title.request.attempt
        message = FrameBatch(
            run=run,
            attempt=attempt,
            segment=batch.segment,
            batch=batch.number,
            first_frame=batch.frames[0].index,
            frames=[frame_to_wire(frame.record) for frame in batch.frames],
            last=batch.last,
            work=self._work,
            payload=self._claims.store_if_large(payload, run, batch.segment, attempt),
            halo_before=len(batch.before),
            halo_after=len(batch.after),
            halo_corrections=[
                correction_to_wire(frame.record.correction)
                for frame in (*batch.before, *batch.after)
                if frame.record.correction is not None
            ],
        )
        engine = self._engine or self._title.request.engine
        headers = {**self._headers, **({"engine": engine} if engine else {})}
        publish_message(self._bus, self._topic, segment_key(run, batch.segment), message, headers=headers)
