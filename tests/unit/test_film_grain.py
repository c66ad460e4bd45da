"""Film grain is written into encoded AV1, and a decoder makes grain of it that is like the measured grain."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import av.logging
import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from hypothesis import given
from numpy.typing import NDArray

from reelwright.media.av1_bits import FRAME, SEQUENCE_HEADER, BitReader, packed, units, with_bits
from reelwright.media.av1_film_grain import FilmGrain, write_film_grain
from reelwright.media.av1_headers import HeaderReader
from reelwright.media.av1_sequence import Sequence, read_sequence
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import film_format
from reelwright.media.film_grain_fit import GrainyFrame, film_grain_of, fit_film_grain
from reelwright.media.frame_grain import OCTAVE_UNIT, FrameGrain
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.restoration.grain_model import measure_grain_model
from reelwright.restoration.synthetic_grain import frame_grain
from reelwright.titles.errors import InternalError
from tests.support.grain import band_energies
from tests.support.ledgers import video_of
from tests.support.scenes import scene

Luma = NDArray[np.float32]

FRAMES = 36
SEQUENCE = Sequence(
    width=640,
    height=480,
    large_blocks=True,
    warped_motion=True,
    reference_mvs=True,
    screen_content=2,
    integer_mv=2,
    hint_bits=7,
    superres=False,
    cdef=True,
    restoration=True,
    planes=3,
    subsampled=True,
    separate_delta=False,
    grain_position=0,
)
WHITE = FilmGrain(
    seed=5, points=((0, 64), (255, 64)), scaling_shift=10, coefficients=(0,) * 24, coefficient_shift=6, noise_shift=0
)


def encoded(path: Path, width: int, height: int, *, moves: bool = True) -> Path:
    """A segment in the profile `av1`: a scene that moves, or grey."""
    film = film_format(video_of(width, height), width, height, "yuv420p10le")
    encoder = SegmentEncoder(path, profile_spec("av1"), film)
    grey = tuple(np.full((height // size, width // size), 512, np.uint16) for size in (1, 2, 2))
    for number in range(FRAMES):
        still = Picture("yuv420p10le", width, height, grey)
        encoder.add(scene(number, "yuv420p10le", width, height) if moves else still)
    encoder.finish()
    return path


def decoded(path: Path, *, grain: bool) -> list[Luma]:
    """Luma of the frames in 10 bits, as a player shows them, or as they are coded."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        if not grain:
            stream.codec_context.options = {"filmgrain": "0"}
        assert stream.codec_context.name == "libdav1d"
        return [frame.to_ndarray()[: stream.height].astype(np.float32) for frame in film.decode(stream)]


@pytest.mark.parametrize("size", [(64, 48), (480, 360), (1280, 720), (66, 50)])
def test_headers_are_read_as_ffmpeg_reads_them(size: tuple[int, int], tmp_path: Path) -> None:
    """The end of each frame's header is where FFmpeg finds it."""
    found, wanted = [], []
    av.logging.set_level(av.logging.INFO)
    with av.logging.Capture() as logs, av.open(str(encoded(tmp_path / "a.mkv", *size))) as film:
        stream = film.streams.video[0]
        trace, reader = BitStreamFilterContext("trace_headers", stream), None
        for packet in film.demux(stream):
            if not packet.size:
                continue
            for kind, _, payload in units(bytes(packet)):
                if kind == SEQUENCE_HEADER:
                    reader = HeaderReader(read_sequence(payload))
                if kind == FRAME:
                    assert reader is not None
                    found.append(reader.read(payload).end)
            trace.filter(packet)
    av.logging.set_level(av.logging.ERROR)
    start = 0
    lines = [line for _, _, text in logs for line in text.splitlines()]
    for before, line in pairwise(lines):
        if "show_existing_frame" in line:
            start, shows = int(line.split()[0]), line.split()[-1] == "1"
        if line.startswith(("Tile Group",)) and not shows:
            wanted.append(int(before.split()[0]) + 1 - start)
    assert len(found) == len(wanted) == FRAMES
    # FFmpeg's last line is one of the bits that fill up the last byte, if there are any.
    assert [-(-end // 8) for end in found] == [-(-end // 8) for end in wanted]


@pytest.mark.parametrize("size", [(64, 48), (480, 360)])
def test_pictures_stay_and_players_add_grain(size: tuple[int, int], tmp_path: Path) -> None:
    """Without their grain the frames are the same to the bit; with it they have the strength that was asked for."""
    path = encoded(tmp_path / "a.mkv", *size)
    before = decoded(path, grain=False)
    write_film_grain(path, [replace(WHITE, seed=number) for number in range(FRAMES)])
    after, shown = decoded(path, grain=False), decoded(path, grain=True)
    assert len(after) == len(shown) == FRAMES
    assert all(np.array_equal(*each) for each in zip(before, after, strict=True))
    # Scaled by 64 / 2^10, the specification's noise of 128 levels is 8 at 10 bits.
    grains = np.array([with_it - without for with_it, without in zip(shown, after, strict=True)])
    assert float(grains.std()) == pytest.approx(8, rel=0.05)
    assert abs(np.corrcoef(grains[3].ravel(), grains[4].ravel())[0, 1]) < 0.1


def test_frames_have_their_own_grain(tmp_path: Path) -> None:
    """Grain goes by the order of display: one frame without grain stays as it is, all others change."""
    path = encoded(tmp_path / "a.mkv", 64, 48)
    none = replace(WHITE, points=((0, 0), (255, 0)))
    write_film_grain(path, [none if number == 13 else WHITE for number in range(FRAMES)])
    pairs = zip(decoded(path, grain=False), decoded(path, grain=True), strict=True)
    assert [number for number, each in enumerate(pairs) if np.array_equal(*each)] == [13]


def test_the_same_grain_gives_the_same_bytes(tmp_path: Path) -> None:
    """Segments that are encoded again are the same files."""
    paths = [encoded(tmp_path / f"{name}.mkv", 64, 48) for name in "ab"]
    for path in paths:
        write_film_grain(path, [WHITE] * FRAMES)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_another_codec_is_refused(tmp_path: Path) -> None:
    """What is no AV1 of the profile is an error of ours, and the file stays."""
    path = tmp_path / "a.mkv"
    film = film_format(video_of(64, 48), 64, 48, "yuv420p")
    encoder = SegmentEncoder(path, profile_spec("web"), film)
    encoder.add(scene(0, "yuv420p", 64, 48))
    encoder.finish()
    before = path.read_bytes()
    with pytest.raises(InternalError, match=r"a\.mkv"):
        write_film_grain(path, [WHITE])
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0.5, 1.0])
def test_a_decoders_grain_has_the_measured_energy(size: float, tmp_path: Path) -> None:
    """Enlarged by two, decoded by dav1d and made small again: within 10 % in each of three octaves."""
    rng, level = np.random.default_rng(1), np.full((180, 240), 0.5, np.float32)
    noise = [cv2.GaussianBlur(rng.standard_normal(level.shape), (0, 0), size) for _ in range(8)]
    grains = [np.asarray(grain / np.std(grain) * 8 / 255, np.float32) for grain in noise]
    fitted = fit_film_grain([frame_grain(measure_grain_model(grain, level)) for grain in grains], 2, 1.0)
    path = encoded(tmp_path / "a.mkv", 480, 360, moves=False)
    write_film_grain(path, [replace(fitted, seed=977 * number) for number in range(FRAMES)])
    pairs = zip(decoded(path, grain=False), decoded(path, grain=True), strict=True)
    shown = [cv2.resize((grain - plain) / 1023, (240, 180), interpolation=cv2.INTER_AREA) for plain, grain in pairs]
    wanted = np.mean([band_energies(grain) for grain in grains], axis=0)
    assert np.mean([band_energies(np.asarray(each, np.float32)) for each in shown], axis=0) == pytest.approx(
        wanted, rel=0.1
    )


def grain_of(strength: int, octaves: tuple[int, int, int] = (400_000, 95_000, 28_000)) -> FrameGrain:
    """Grain of one strength at all levels."""
    return FrameGrain(strength=(strength,) * 12, octaves=octaves)


def test_each_shot_has_its_grain_and_each_frame_its_seed() -> None:
    """Frames of a shot share the parameters of its mean. No seed is 0, and none depends on the segment."""
    shots = [GrainyFrame(number in {0, 3}, grain_of(500 if number < 3 else 2000), 1.0) for number in range(6)]
    found = film_grain_of(shots, 2, seed=7, first_frame=100, black=None)
    alike = [replace(each, seed=0) for each in found]
    assert alike[0] == alike[2] != alike[3] == alike[5]
    assert len({each.seed for each in found}) == 6
    assert all(each.seed for each in found)
    later = film_grain_of(shots[3:], 2, seed=7, first_frame=103, black=None)
    assert later == found[3:]


def test_no_grain_gives_none() -> None:
    """Where nothing was measured, or nothing is kept, players add nothing."""
    assert fit_film_grain([grain_of(0)], 2, 1.0).bits(is_inter=True) == "0"
    assert fit_film_grain([grain_of(900)], 2, 0.0).bits(is_inter=True) == "0"


def test_bars_get_no_grain() -> None:
    """The first point is the bars' level, with none."""
    points = fit_film_grain([grain_of(900)], 2, 1.0, black=18).points
    assert points[0] == (18, 0)
    assert points[1][1] > 0


@given(st.integers(0, 65535), st.integers(1, OCTAVE_UNIT), st.integers(1, OCTAVE_UNIT), st.sampled_from([2, 3]))
def test_any_grain_can_be_written(strength: int, fine: int, coarse: int, scale: int) -> None:
    """Whatever was measured, each parameter is within what its bits hold."""
    fitted = fit_film_grain([grain_of(strength, (fine, 90_000, coarse))], scale, 1.0)
    levels = [level for level, _ in fitted.points]
    assert levels == sorted(set(levels))
    assert all(0 <= each <= 255 for point in fitted.points for each in point)
    assert all(-128 <= each <= 127 for each in fitted.coefficients)
    assert (6 <= fitted.coefficient_shift <= 9, 8 <= fitted.scaling_shift <= 11, 0 <= fitted.noise_shift <= 3) == (
        True,
        True,
        True,
    )


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0)), min_size=1), st.binary(max_size=300))
def test_bits_come_back(fields: list[tuple[int, int]], tiles: bytes) -> None:
    """Bits that are added to a header are read behind it, tiles follow at a whole byte, and units have their size."""
    wanted = [(width, value % (1 << width)) for width, value in fields]
    text = "".join(f"{value:0{width}b}" for width, value in wanted)
    payload = with_bits(b"\xa8" + tiles, 5, text)
    assert len(payload) == -(-(5 + len(text)) // 8) + len(tiles)
    ((kind, header, found),) = units(packed(bytes([FRAME << 3 | 2]), payload))
    assert (kind, header, found) == (FRAME, bytes([FRAME << 3 | 2]), payload)
    reader = BitReader(found)
    assert reader.read(5) == 0b10101
    assert [(width, reader.read(width)) for width, _ in wanted] == wanted
    assert found.endswith(tiles)


@pytest.mark.parametrize("payload", [b"", b"\x18", b"\xff" * 40, b"\x20" + b"\x00" * 30])
def test_unknown_sequence_headers_are_refused(payload: bytes) -> None:
    """Still pictures, other profiles and headers that end early are none of the profile's."""
    with pytest.raises(ValueError, match=r"AV1 header|ends early"):
        read_sequence(payload)


@given(st.binary(max_size=60))
def test_no_frame_header_hangs_or_ends_otherwise(payload: bytes) -> None:
    """Any bytes are read as a header within their length, or refused."""
    reader = HeaderReader(SEQUENCE)
    with suppress(ValueError):
        assert reader.read(payload).end <= 8 * len(payload)
