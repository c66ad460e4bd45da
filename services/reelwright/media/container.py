"""Opens a source so that only the file itself can be read.

A media file can name other files and addresses. Three measures keep them closed, and each is enough alone:

- libavformat gets an open file (a local one, or one that a store serves by ranges), and no name that it could resolve.
- Each further file or address that a demuxer asks for is refused.
- Only demuxers of containers are allowed: no playlist, concatenation script, session description or image sequence.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from reelwright.media.source_file import open_file
from reelwright.store.source import Source
from reelwright.titles.errors import InputError, OneLineError

StreamT = TypeVar("StreamT", bound=Stream)
"""A kind of stream."""

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
    # Containers for sound: opened so that the error can say that there is no picture.
    "wav",
    "mp3",
    "flac",
    "aac",
    "aiff",
)
# So large that the cost of a call of Python is small; a power of two near the distance by which demuxers seek.
_READ_BYTES = 256 << 10
# Sound that begins late in a transport or program stream is looked for in 48 MiB and 100 seconds, in microseconds.
_LATE_SOUND = {"probesize": str(48 << 20), "analyzeduration": "100000000", "scan_all_pmts": "1"}
_STILL_BRANDS = {"avif", "heic", "heix", "mif1"}
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a still image"),
    (b"\xff\xd8\xff", "a still image"),
    (b"BM", "a still image"),
    (b"II*\0", "a still image"),
    (b"MM\0*", "a still image"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"v=0", "a session description (SDP)"),
    (b"<", "a text or playlist file"),
)


class ReadBound:
    """Bounds the bytes that a demuxer reads without finding a packet; after that it finds the end of the file.

    If an index is wrong, FFmpeg's Matroska and AVI demuxers search for the next packet byte by byte, in a gap of
    gigabytes too, and once more for each seek.

    Args:
        most: bytes that are read between two calls of `renew`.
    """

    def __init__(self, most: int) -> None:
        self._most, self._read = most, 0

    @property
    def reached(self) -> bool:
        """Whether the bound was reached; from then on nothing is read."""
        return self._read > self._most

    def count(self, size: int) -> None:
        """Counts bytes that were read."""
        self._read += size

    def renew(self) -> None:
        """A packet was found."""
        if not self.reached:
            self._read = 0


@contextmanager
def open_source(
    location: str, beside: io.BufferedReader | None = None, *, edits: bool = True, bound: ReadBound | None = None
) -> Iterator[InputContainer]:
    """Opens a source's container.

    Args:
        location: a path, or the address of an object in a store.
        beside: the same file, opened before. Both share the ranges that were fetched from a store.
        edits: the demuxer follows the edit lists of a MOV or MP4 file; otherwise it gives whole tracks.
        bound: of what is read; None for no bound.

    Raises:
        InputError: see `open_file`; also if the file is not a film container, or has no readable header. Reading later
            may raise this too, if the file is removed or changed.
        UnavailableError: the file's store does not answer; reading later may raise this too.
    """
    with _twin(beside) or open_file(location) as handle:
        head = handle.read(512)
        handle.seek(0)
        source = _Bytes(handle, bound)
        options = {
            "format_whitelist": ",".join(_CONTAINERS),
            "protocol_whitelist": "none",
            "ignore_editlist": "0" if edits else "1",
        }
        with source.raise_failure():
            try:
                container = _opened(source, options)
                if any(not stream.sample_rate for stream in container.streams.audio):
                    container.close()
                    handle.seek(0)
                    container = _opened(source, {**options, **_LATE_SOUND})
            except (av.FFmpegError, OSError, ValueError, RuntimeError):
                raise _unreadable(location, head) from None
            if bound:
                bound.renew()
            with container:
                _refuse_stills(container, location)
                yield container


def _opened(source: _Bytes, options: dict[str, str]) -> InputContainer:
    return av.open(
        source,
        "r",
        container_options=options,
        metadata_errors="replace",
        buffer_size=_READ_BYTES,
        io_open=_refuse,
    )


def _twin(beside: io.BufferedReader | None) -> io.BufferedReader | None:
    if beside is None or not isinstance(beside.raw, Source):
        return None
    return io.BufferedReader(beside.raw.reopen())


def packets(container: InputContainer, *streams: StreamT) -> Iterator[Packet[StreamT]]:
    """The streams' packets with data, from the container's present position.

    Raises:
        av.FFmpegError: the container cannot be read at this position; a further call continues after it.
    """
    while True:
        try:
            found = cast("Iterator[Packet[StreamT]]", container.demux(streams))
            yield from (packet for packet in found if packet.size)
        except IndexError:
            # PyAV raises this at the first packet of a stream that the header does not list. Such a stream is not read.
            continue
        return


class _Bytes:
    """A file as libavformat reads it.

    A damaged file can cause a seek to a position that does not exist. Such a seek returns an error number: PyAV would
    store an exception and raise it in a later, unrelated call, or print it if it has stored one already.

    If the store fails, libavformat may take that for the end of the file. So `read` raises the error once, and PyAV
    raises it at the end of the call that reads. Later reads return no bytes, and `raise_failure` raises the stored
    error in place of the errors that follow from that.
    """

    def __init__(self, handle: io.BufferedReader, bound: ReadBound | None) -> None:
        self._handle, self._bound = handle, bound
        self._failure: OneLineError | None = None
        self.name, self.tell = handle.name, handle.tell

    def read(self, size: int) -> bytes:
        """The next bytes; no bytes after a failure, and behind the bound."""
        if self._failure is not None or (self._bound and self._bound.reached):
            return b""
        try:
            data = self._handle.read(size)
        except OneLineError as error:
            self._failure = error
            raise
        if self._bound:
            self._bound.count(len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or a negative error number."""
        try:
            return self._handle.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL

    @contextmanager
    def raise_failure(self) -> Iterator[None]:
        """At its end raises the stored failure, if there is one, in place of any other error."""
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
    if start.startswith(b"GIF8") or (start.startswith(b"\x89PNG") and b"acTL" in head):
        return InputError("GIF and animated PNG files are not read", location, "convert it to an MKV or MP4 file")
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
