"""Decodes one title: publishes its batches, segment by segment, and writes its plan to the ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby

import reelwright
from reelwright.bus.claim_check import ClaimCheck
from reelwright.bus.conversion import correction_to_wire, frame_to_wire
from reelwright.bus.events import publish_event
from reelwright.bus.messages import publish_message
from reelwright.bus.protocol import Bus
from reelwright.bus.topics import FRAMES, segment_key
from reelwright.decoder.fading import with_fading
from reelwright.decoder.guarded_frames import guarded_frames, sought_frames
from reelwright.decoder.in_flight_window import InFlightWindow
from reelwright.decoder.look_ahead import look_ahead
from reelwright.decoder.segmenter import BatchFrames, batches, lengths
from reelwright.decoder.settings import DecoderSettings
from reelwright.decoder.takeover import Takeover, decoder_identity, find_takeover
from reelwright.decoder.tone_curves import with_tone
from reelwright.ledger.crash_guard import CrashGuard
from reelwright.ledger.records import PlanEnd, SegmentPlan, SourceProbe, TitleRecord
from reelwright.ledger.run_ledger import RunLedger
from reelwright.media.bars import output_size
from reelwright.media.clock_joins import with_recordings
from reelwright.media.colour import RANGE_FULL
from reelwright.media.fingerprint import check_held_source
from reelwright.media.held_files import held
from reelwright.media.jpeg import PREVIEW_WIDTH, jpeg
from reelwright.media.picture import pixel_format, without_chroma, without_neutral_chroma
from reelwright.media.probe import probe
from reelwright.media.profiles import out_pix_fmt
from reelwright.media.reader import FrameReader
from reelwright.media.repeats import restored_frames, unfolded
from reelwright.media.seeking import SeekFailed
from reelwright.media.toolchain import toolchain_identity
from reelwright.media.transport import encode_payload
from reelwright.media.types import DecodedFrame, FrameRecord, SourceInfo
from reelwright.telemetry import metrics
from reelwright.telemetry.logs import get_logger
from reelwright.telemetry.tracing import span
from reelwright.telemetry.watchdog import heartbeat
from reelwright.titles.errors import LedgerError
from reelwright.titles.identity import grain_seed
from reelwright.titles.recipe import Recipe
from reelwright.titles.request import RunRequest
from reelwright.wire.frames_pb2 import FrameBatch, LimitsInfo, Work
from reelwright.wire.titles_pb2 import Event, SegmentWanted, TitlePlanned

log = get_logger(__name__)


def decode_title(
    request: RunRequest,
    ledger: RunLedger,
    *,
    bus: Bus,
    claims: ClaimCheck,
    window: InFlightWindow,
    settings: DecoderSettings,
    guard: CrashGuard,
    may_seek: bool = True,
) -> int | None:
    """Publishes every segment of a title that is not committed yet and writes the title's plan.

    Args:
        request: the title.
        ledger: its ledger.
        bus: where batches and events are published.
        claims: stores payloads that are too large for a message.
        window: limits the segments in flight; the pass stops when it is closed.
        settings: the decoder's.
        guard: of this process, against frames that kill it.
        may_seek: the reading may begin at a later frame than the first.

    Returns:
        How many segments the title has, 0 if its film is copied; None, without a plan end, when the window was closed
        before the last one.

    Raises:
        InputError: the source must not be read, cannot be used, or is not the one that was submitted.
        OutputError: the output must not be written.
        RestorationFailed: opening or decoding it has killed too many decoders.
        LedgerError: the plan in the ledger is not this source's.
        SeekFailed: the reading did not begin at the first frame and was not proven to be the same.
        UnavailableError: the source's store does not answer, or the ledger's store does not and the retries have ended.
    """
    # Before hours of work; the encoder checks again before it delivers.
    ledger.check_locations(request)
    if ledger.adopted_film():
        # An encoder copies it. No frame is decoded, unless it cannot be used.
        publish_event(bus, Event(run=request.run, attempt=request.attempt, title_planned=TitlePlanned()))
        return 0
    with held(request.source, request.fingerprint):
        title = _opened_title(request, ledger, settings, guard)
        publisher = SegmentPublisher(title, ledger, bus=bus, claims=claims, window=window, codec=settings.codec)
        takeover = find_takeover(ledger, window.committed, decoder_identity(title)) if may_seek else None
        if takeover:
            log.info("reading from a later frame", frame=takeover.point.index, segment=takeover.segment)
        end = _publish_segments(title, publisher, takeover, ledger=ledger, window=window, guard=guard)
        if end is None:
            return None
        # The assembler opens the source again; a plan is complete only for a source that is still there.
        check_held_source(request.source)
    ledger.put_plan_end(end)
    planned = TitlePlanned(segments=end.segments, frames=end.frames)
    publish_event(bus, Event(run=request.run, attempt=request.attempt, title_planned=planned))
    return end.segments


def _opened_title(request: RunRequest, ledger: RunLedger, settings: DecoderSettings, guard: CrashGuard) -> TitleRecord:
    with guard.begin(ledger, "open", "opening of the source") as opening, opening.call():
        check_held_source(request.source)
        source = with_recordings(_source_info(request, ledger, settings))
    title = describe_title(request, source)
    ledger.put_title(title)
    return title


def _publish_segments(
    title: TitleRecord,
    publisher: SegmentPublisher,
    takeover: Takeover | None,
    *,
    ledger: RunLedger,
    window: InFlightWindow,
    guard: CrashGuard,
) -> PlanEnd | None:
    """Publishes the segments of a title, from `takeover` on; the plan's totals, or None when the window was closed."""
    reader = FrameReader(title.source, title.request.recipe, start=takeover.point if takeover else None)
    seconds = {"decode": 0.0}
    segments, frames = (takeover.segment, takeover.first_frame) if takeover else (0, 0)
    source = sought_frames(reader, ledger, guard) if takeover else reader
    with closing(guarded_frames(source, ledger, guard, takeover.point.index if takeover else 0)) as decoded:
        halo_frames = title.request.halo_frames
        video = title.source.video
        frame_bytes = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
        recipe, full_range = title.request.recipe, video.colour.range == RANGE_FULL
        steadied = look_ahead(restored_frames(_measured(decoded, seconds), recipe), recipe, frame_bytes)
        even = with_fading(steadied, recipe, frame_bytes, full_range=full_range)
        toned = with_tone(even, recipe, frame_bytes, full_range=full_range)
        stream = batches(
            toned,
            *segment_and_batch_length(title),
            halo_frames,
            segment=takeover.point_segment if takeover else 0,
            in_segment=takeover.point_offset if takeover else 0,
        )
        for number, segment in groupby(stream, key=lambda batch: batch.segment):
            if window.closed:
                return None
            if takeover and number < takeover.segment:
                continue
            with span("decode segment", run=title.request.run, segment=number), _unproven(takeover):
                count = publisher.publish_segment(number, segment, reader)
            if window.closed:
                return None
            if takeover and number == takeover.segment:
                # Its plan was found again.
                metrics.FRAMES_SOUGHT_PAST.inc(takeover.point.index)
            segments, frames = number + 1, frames + count
    notes, cut = tuple(reader.notes), reader.truncated_at
    return PlanEnd(segments=segments, frames=frames, truncated_at=cut, notes=notes, seconds=seconds)


@contextmanager
def _unproven(takeover: Takeover | None) -> Iterator[None]:
    """Has a reading that took over, and differs from the ledger, made from the start."""
    try:
        yield
    except LedgerError as error:
        if takeover is None:
            raise
        raise SeekFailed(str(error)) from error


def describe_title(request: RunRequest, source: SourceInfo) -> TitleRecord:
    """The ledger's record of a title whose source was probed."""
    width, height = output_size(source.video, request.recipe)
    return TitleRecord(
        request=request,
        source=source,
        version=reelwright.__version__,
        toolchain=toolchain_identity(request.recipe.profile),
        out_pix_fmt=out_pix_fmt(request.recipe.profile, source.video.pix_fmt),
        out_width=width,
        out_height=height,
    )


def work_of(title: TitleRecord, recipe: Recipe) -> Work:
    """How frames of a title are restored.

    Args:
        title: the title.
        recipe: the title's, or that of a shot that has one for itself.
    """
    return Work(
        scale=recipe.scale,
        model=recipe.model,
        model_sha256=title.request.model_sha256,
        grain_keep=recipe.grain.keep,
        grain_mode=recipe.grain.mode,
        grain_seed=grain_seed(title.request.fingerprint),
        limits=LimitsInfo(**recipe.limits.model_dump()),
        detail=recipe.detail,
        recipe_keys=recipe.changed_keys(),
        pix_fmt=title.out_pix_fmt,
        full_range=title.source.video.colour.range == RANGE_FULL,
        chroma_x=title.source.video.chroma_siting[0],
        chroma_y=title.source.video.chroma_siting[1],
    )


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
        pictures = [frame.picture for frame in (*batch.before, *batch.frames, *batch.after)]
        # The chroma of halo frames is not used, so it must not decide.
        if all(without_neutral_chroma(frame.picture).format.planes == 1 for frame in batch.frames):
            pictures = [without_chroma(picture) for picture in pictures]
        payload = encode_payload(pictures, self._codec)
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


def _source_info(request: RunRequest, ledger: RunLedger, settings: DecoderSettings) -> SourceInfo:
    """What the source holds: from the ledger if the same versions have probed it before, else by probing it."""
    versions = (reelwright.__version__, toolchain_identity(request.recipe.profile))
    readers: tuple[Callable[[], TitleRecord | SourceProbe | None], ...] = (ledger.title, ledger.probe)
    for read in readers:
        known = read()
        if known is not None and (known.version, known.toolchain) == versions:
            # Another process may have probed it, with other limits.
            settings.limits.check_size(known.source.video.width, known.source.video.height, request.source)
            return known.source.model_copy(update={"location": request.source})
    return probe(request.source, settings.limits)


def segment_and_batch_length(title: TitleRecord) -> tuple[int, int]:
    """The largest numbers of frames per segment and per batch of a title."""
    video = title.source.video
    source_bytes = pixel_format(video.pix_fmt).frame_bytes(video.width, video.height)
    restored_bytes = pixel_format(title.out_pix_fmt).frame_bytes(title.out_width, title.out_height)
    return lengths(source_bytes, restored_bytes)


def _measured(frames: Iterable[DecodedFrame], seconds: dict[str, float]) -> Iterator[DecodedFrame]:
    """Yields the frames and adds the time that reading them takes to `seconds["decode"]`."""
    started = time.perf_counter()
    for frame in frames:
        heartbeat()
        elapsed = time.perf_counter() - started
        seconds["decode"] += elapsed
        metrics.STAGE_SECONDS.labels(stage="decode").inc(elapsed)
        metrics.FRAMES_DECODED.inc()
        yield frame
        started = time.perf_counter()
