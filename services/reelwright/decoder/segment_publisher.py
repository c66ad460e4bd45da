"""Publishes a title's segments, batch by batch, and writes each one's plan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import frame_to_wire
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.segmenter import BatchFrames
from reelwright.ledger.records import SegmentPlan, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.colour import RANGE_FULL
from reelwright.media.film import jpeg
from reelwright.media.picture import Picture, without_neutral_chroma
from reelwright.media.transport import encode_payload
from reelwright.media.types import FrameRecord
from reelwright.wire.frames_pb2 import FrameBatch, Work

PREVIEW_WIDTH = 1280


class SegmentPublisher:
    """Publishes what the ledger does not hold yet.

    Args:
        title: the run as the ledger knows it.
        ledger: its ledger.
        bus: where batches go.
        claims: where payloads go that are too large for a message.
        window: the title's backpressure.
        codec: transport codec of frames.
    """

    def __init__(
        self,
        title: TitleRecord,
        ledger: RunLedger,
        bus: Bus,
        claims: ClaimCheck,
        window: InFlightWindow,
        codec: str,
    ) -> None:
        self._title, self._ledger, self._bus, self._claims = title, ledger, bus, claims
        self._window, self._codec = window, codec
        request, recipe = title.request, title.request.recipe
        self._topic = FRAMES[request.priority_class]
        # Beside the message and not in it: a batch is a function of source and recipe alone.
        self._headers = {"deadline": f"{request.deadline:.0f}"} if request.deadline else {}
        self._work = Work(
            scale=recipe.scale,
            model=recipe.model,
            model_sha256=request.model_sha256,
            grain_keep=recipe.grain.keep,
            pix_fmt=title.out_pix_fmt,
            full_range=title.source.video.colour.range == RANGE_FULL,
            chroma_x=title.source.video.chroma_siting[0],
            chroma_y=title.source.video.chroma_siting[1],
        )

    def segment(self, number: int, stream: Iterator[BatchFrames]) -> int:
        """Publishes a segment and writes its plan; a committed one is only read, to keep the plan's thread.

        Returns:
            The number of frames in it; meaningless when the window ended meanwhile.

        Raises:
            LedgerError: the ledger holds another plan for this segment.
            UnavailableError: the store does not answer.
        """
        publish = self._window.enter(number)
        sha = hashlib.sha256()
        frames: list[FrameRecord] = []
        first = 0
        for batch in stream:
            if self._window.ended:
                break
            first = first if frames else batch.frames[0].index
            for frame in batch.frames:
                for plane in frame.picture.planes:
                    sha.update(plane.data)
                if frame.record.preview and publish:
                    self._put_preview(number, len(frames), frame.picture)
                frames.append(frame.record)
            if batch.last:
                # Written before the segment can be complete, so that a committed segment always has its plan.
                self._put_plan(number, first, frames, sha.hexdigest())
            if publish:
                self._publish(batch)
        return len(frames)

    def _put_plan(self, number: int, first: int, frames: list[FrameRecord], digest: str) -> None:
        plan = SegmentPlan(segment=number, first_frame=first, frames=tuple(frames), source_digest=digest)
        self._ledger.put_plan(plan)

    def _put_preview(self, segment: int, offset: int, picture: Picture) -> None:
        image = jpeg(picture, self._title.source.video.colour, PREVIEW_WIDTH)
        self._ledger.put_source_preview(segment, offset, image)

    def _publish(self, batch: BatchFrames) -> None:
        pictures = [frame.picture for frame in batch.frames]
        gray = [without_neutral_chroma(picture) for picture in pictures]
        if all(picture.format.planes == 1 for picture in gray):
            pictures = gray
        payload = encode_payload(pictures, self._codec)
        run = self._title.request.run
        message = FrameBatch(
            run=run,
            segment=batch.segment,
            batch=batch.number,
            first_frame=batch.frames[0].index,
            frames=[frame_to_wire(frame.record) for frame in batch.frames],
            last=batch.last,
            work=self._work,
            payload=self._claims.store_if_large(payload, run, batch.segment),
        )
        publish_message(self._bus, self._topic, segment_key(run, batch.segment), message, headers=self._headers)
