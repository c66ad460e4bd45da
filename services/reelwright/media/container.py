"""Opening a source so that nothing but the file itself is ever read.

Three locks, each enough by itself: libavformat gets an open file, or one that a store serves by ranges, and no name to
resolve, every further file or address that a demuxer asks for is refused, and only demuxers of real containers may run
(so no playlist, concatenation script, session description or image sequence).
"""

from __future__ import annotations

import errno
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from reelwright.store.location import open_location
from reelwright.store.source import Source, open_ranged
from reelwright.titles.errors import InputError, OneLineError

_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "mpegts",
    "mpeg",
    "mpegvideo",
    "asf",
    "flv",
    "ogg",
    "nut",
    "mxf",
    "gxf",
    "dv",
    "ivf",
    "yuv4mpegpipe",
    # Sound alone: opened to say so.
    "wav",
    "mp3",
    "flac",
    "aac",
    "aiff",
)
# Large enough that reading through Python costs nothing; a power of two near what demuxers seek by.
_READ_BYTES = 256 << 10
# Packets of the video streams that are looked at to tell a film from a poster.
_PEEK = 200
_STILL_BRANDS = {"avif", "heic", "heix", "mif1"}
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a still image"),
    (b"\xff\xd8\xff", "a still image"),
    (b"GIF8", "a still image"),
    (b"BM", "a still image"),
    (b"II*\0", "a still image"),
    (b"MM\0*", "a still image"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"v=0", "a session description (SDP)"),
    (b"<", "a text or playlist file"),
)


def open_bytes(location: str) -> io.BufferedReader:
    """Opens the bytes of a file for reading: a local one, or one in a store, which is read by ranges.

    Raises:
        InputError: missing, not a file or unreadable.
        UnavailableError: its store does not answer.
    """
    place = open_location(location, InputError)
    return _local(Path(place.path), location) if place.local else io.BufferedReader(open_ranged(place))


@contextmanager
def open_file(location: str) -> Iterator[io.BufferedReader]:
    """Opens the bytes of a source.

    Raises:
        InputError: see `open_bytes`; also an empty file.
        UnavailableError: its store does not answer.
    """
    with open_bytes(location) as handle:
        if not handle.read(1):
            raise InputError("the file is empty", location, "copy the film again")
        handle.seek(0)
        yield handle


def _local(path: Path, location: str) -> io.BufferedReader:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError("a folder, not a film", location, "name one film file in it")
        if not stat.S_ISREG(mode):
            # Opening a pipe would wait for its writer, and a device may have no end.
            raise InputError("not a regular file", location, "copy the film to a disk first")
        return path.open("rb")
    except FileNotFoundError:
        raise InputError("no such file", location, "check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be opened"
        raise InputError(reason.lower(), location, "check the file and its permissions") from None


@contextmanager
def open_source(location: str, beside: io.BufferedReader | None = None) -> Iterator[InputContainer]:
    """Opens a source's container.

    Args:
        location: where it lies.
        beside: the same file, opened before; of a store's file what one has read the other need not fetch.

    Raises:
        InputError: see `open_file`; also what is no film container, or one without a readable header. Reading it later
            may raise this when the file is removed or changes meanwhile.
        UnavailableError: the store that it lies in does not answer; reading it later may raise this too.
    """
    with _twin(beside) or open_file(location) as handle:
        head = handle.read(512)
        handle.seek(0)
        source = _Bytes(handle)
        with source.honest():
            try:
                container = av.open(
                    source,
                    "r",
                    container_options={"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "none"},
                    metadata_errors="replace",
                    buffer_size=_READ_BYTES,
                    io_open=_refuse,
                )
            except (av.FFmpegError, OSError, ValueError, RuntimeError):
                raise _unreadable(location, head) from None
            with container:
                _refuse_stills(container, location)
                yield container


def _twin(beside: io.BufferedReader | None) -> io.BufferedReader | None:
    if beside is None or not isinstance(beside.raw, Source):
        return None
    return io.BufferedReader(beside.raw.reopen())


def video_stream(container: InputContainer, location: str) -> VideoStream:
    """The stream that is the film: of those that move, the one marked default, else the first.

    Raises:
        InputError: no such stream, or one that no decoder here reads.
    """
    streams = film_streams(container)
    if not streams:
        raise InputError("there is no picture in it, only sound or data", location, "give a file with a video stream")
    still = single_pictures(streams, location)
    moving = [stream for stream in streams if stream.index not in still] or streams
    stream = next((s for s in moving if s.disposition & Disposition.default), moving[0])
    if cast("object", stream.codec_context) is None:
        raise InputError("its video codec is not known here", location, "convert it to H.264 or FFV1 first")
    return stream


def film_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams that are not marked as cover pictures."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def single_pictures(streams: list[VideoStream], location: str) -> set[int]:
    """Indices of the streams that hold one picture, such as a poster; none where all do, or where there is one stream.

    Where the container does not count frames, the file's first packets are looked at.

    Raises:
        InputError: see `open_source`.
    """
    if len(streams) < 2:
        return set()
    counts = {stream.index: stream.frames or _counted(stream) for stream in streams}
    if not all(counts.values()):
        with open_source(location) as container:
            seen = dict.fromkeys(counts, 0)
            chosen = [container.streams[index] for index in counts]
            for number, packet in enumerate(container.demux(chosen)):
                if number == _PEEK or all(count > 1 for count in seen.values()):
                    break
                seen[packet.stream.index] += bool(packet.size)
        counts = {index: count or seen[index] for index, count in counts.items()}
    return {index for index, count in counts.items() if count == 1} if max(counts.values()) > 1 else set()


def _counted(stream: VideoStream) -> int:
    """Frames by Matroska's statistics tags; 0 when there are none."""
    tags = (value for key, value in stream.metadata.items() if key.startswith("NUMBER_OF_FRAMES"))
    return next((int(value) for value in tags if value.isdigit()), 0)


def packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The stream's packets that hold something, from where the container stands.

    Raises:
        av.FFmpegError: the container cannot be read on; calling again reads what comes after.
    """
    while True:
        try:
            yield from (packet for packet in container.demux(stream) if packet.size)
        except IndexError:
            # PyAV trips over the first packet of a stream that the header did not announce; it is not ours.
            continue
        return


class _Bytes:
    """A file as libavformat reads it.

    A seek to nowhere, which damaged files ask for, is answered by an error number: PyAV would keep an exception for
    some later, unrelated call, and print it when there is one already. A store that fails is another matter:
    libavformat may take that for the end of the file, so the error is raised, once, and PyAV passes it on at the end of
    the very call that reads. From then on there is nothing to read, and whatever comes of that, `honest` tells why.
    """

    def __init__(self, handle: io.BufferedReader) -> None:
        self._handle = handle
        self._failure: OneLineError | None = None
        self.name, self.tell = handle.name, handle.tell

    def read(self, size: int) -> bytes:
        """The next bytes; none after a failure."""
        if self._failure is not None:
            return b""
        try:
            return self._handle.read(size)
        except OneLineError as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or a negative error number."""
        try:
            return self._handle.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL

    @contextmanager
    def honest(self) -> Iterator[None]:
        """Raises the failure to read in place of what it looked like, and where it looked like nothing."""
        try:
            yield
        except Exception:
            if self._failure is not None:
                raise self._failure from None
            raise
        if self._failure is not None:
            raise self._failure


def _refuse(url: str, _flags: int, _options: object) -> NoReturn:
    raise PermissionError(f"a media file must not open {url}")


def _refuse_stills(container: InputContainer, location: str) -> None:
    brand = container.metadata.get("major_brand", "").strip()
    if brand in _STILL_BRANDS:
        raise InputError("a still image, not a film", location, "give a film file")


def _unreadable(location: str, head: bytes) -> InputError:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, kind in _HEADS:
        if start.startswith(mark):
            return InputError(f"{kind}, not a film", location, "give the film file itself")
    if head[4:8] == b"ftyp":
        return InputError(
            "the MP4 has no readable index (moov); it was cut off or never finished",
            location,
            "copy the whole file again, or rebuild its index with a repair tool",
        )
    if _is_text(head):
        return InputError("a text file, not a film", location, "give the film file itself")
    return InputError(
        "not a film container this program reads, or its header is damaged",
        location,
        "give an MP4, MOV, MKV, AVI, MPEG, TS, MXF or WebM file",
    )


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
