"""With real weights, tiling and threads change no pixel, and the two engines agree."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.media.picture import Picture
from reelwright.restoration.engine import Precision
from reelwright.restoration.engine_factory import create_engine, engine_identity
from reelwright.restoration.frame_windows import FrameWindows
from reelwright.restoration.models import ModelFile, resolve_model
from reelwright.restoration.openvino_engine import OpenVinoEngine
from reelwright.restoration.repair import repair_luma
from reelwright.restoration.restore import Restorer
from reelwright.restoration.window import prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE, NetworkInput
from reelwright.titles.errors import ModelError
from tests.support.optional import optional
from tests.support.scenes import scene
from tests.support.windows import codes, decibels, grainy, panned

Luma = NDArray[np.float32]

REEL_S, REEL_M = resolve_model("reel-s"), resolve_model("reel-m")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
SPAN = Path(__file__).resolve().parents[3] / "shared" / "weights" / "span_x2_ch48.safetensors"
PICKLE = SPAN.with_name("realesr-animevideov3.pth")


@cache
def film(width: int, height: int, first: int) -> tuple[Picture, ...]:
    """Five frames of a moving scene with grain."""
    pictures = []
    for index in range(first, first + FRAMES):
        luma = scene(index, "gray", width, height).planes[0]
        noise = np.random.default_rng(index).normal(0, 10, luma.shape)
        pictures.append(Picture("gray", width, height, (np.clip(np.rint(luma + noise), 0, 255).astype(np.uint8),)))
    return tuple(pictures)


def frame(width: int = 200, height: int = 150, index: int = 0) -> tuple[Luma, NetworkInput]:
    """The middle frame of a film, (height, width) in [0, 1], and what its window shows beside it."""
    pictures = film(width, height, index)
    window = FrameWindows(pictures, MIDDLE, [False]).window(0)
    prepared = prepare(window.codes, window.motion)
    luma = pictures[MIDDLE].planes[0].astype(np.float32) / np.float32(255)
    return repair_luma(luma, window.codes[MIDDLE], prepared.frames[MIDDLE]), prepared.network_input()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [(200, 150), (161, 121)])
@pytest.mark.parametrize("model", [REEL_S, REEL_M])
def test_tiles_change_no_pixel(model: ModelFile, precision: Precision, size: tuple[int, int]) -> None:
    """Tiles of several sizes give the same bits as one tile over the frame, with mirrored copies too."""
    inputs = frame(*size)
    whole = OpenVinoEngine(model, threads=1, streams=1, precision=precision).upscale(*inputs, 2)
    for largest in ((64, 72), (96, 1344), (100, 90)):
        tiled = OpenVinoEngine(model, threads=1, streams=1, precision=precision, largest=largest).upscale(*inputs, 2)
        assert np.array_equal(tiled, whole), largest


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_and_parallel_frames_change_no_pixel(precision: Precision) -> None:
    """The numbers of threads, streams and concurrent frames do not change the result."""
    frames = [frame(index=index) for index in range(6)]
    one = OpenVinoEngine(REEL_S, threads=1, streams=1, precision=precision)
    wanted = [one.upscale(*inputs, 2) for inputs in frames]
    for threads, streams in ((2, 1), (2, 2), (4, 3)):
        engine = OpenVinoEngine(REEL_S, threads=threads, streams=streams, precision=precision)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda inputs: engine.upscale(inputs[0], inputs[1], 2), frames))  # noqa: B023 - within its turn
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True)), (threads, streams)


def test_many_frame_sizes_in_turn_give_correct_results() -> None:
    """Results stay correct when more frame sizes alternate than compiled networks are kept."""
    sizes = [(32 + 8 * number, 40) for number in range(7)]
    engine = OpenVinoEngine(REEL_S, threads=2, streams=2, precision="fp32")
    wanted = [
        OpenVinoEngine(REEL_S, threads=1, streams=1, precision="fp32").upscale(*frame(*size), 2) for size in sizes
    ]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda size: engine.upscale(*frame(*size), 2), sizes * 2))
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted * 2, strict=True))


def test_bf16_differs_by_less_than_three_levels() -> None:
    """bf16 changes no sample by three 8-bit levels, and the mean sample by less than a quarter."""
    inputs = frame()
    exact, fast = (
        OpenVinoEngine(REEL_S, threads=2, streams=1, precision=precision).upscale(*inputs, 2)
        for precision in PRECISIONS
    )
    deviation = np.abs(fast - exact) * 255
    assert deviation.max() < 3
    assert deviation.mean() < 0.25


def test_the_network_restores_better_than_bicubic() -> None:
    """On a moving grainy scene with a known original, the packaged network is at least 2 dB better than bicubic."""
    truth = panned((3, 1), rows=240, columns=320)
    small = np.stack([cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA) for picture in truth])
    noisy = codes(grainy(small, 8))
    bicubic = cv2.resize(noisy[MIDDLE], (320, 240), interpolation=cv2.INTER_CUBIC)
    pictures = [Picture("gray", 160, 120, (plane,)) for plane in noisy]
    engine = OpenVinoEngine(REEL_S, threads=2, streams=1, precision="fp32")
    window = FrameWindows(pictures, MIDDLE, [False]).window(0)
    restored = Restorer(engine, 2, 0.0).restore(pictures[MIDDLE], "gray", window=window).picture.planes[0]
    assert decibels(restored, truth[MIDDLE]) - decibels(bicubic, truth[MIDDLE]) > 2


@pytest.mark.parametrize(("blur", "sigma"), [(0.0, 0.0), (3.0, 0.0), (3.0, 2.0), (0.0, 8.0)])
def test_x4_restores_better_than_bicubic(blur: float, sigma: float) -> None:
    """The packaged network x4 is better than bicubic on a moving scene, sharp or not, with and without grain."""
    truth = panned((6, 2), rows=256, columns=384)
    if blur:
        truth = np.stack([cv2.GaussianBlur(picture, (0, 0), blur) for picture in truth])
    small = np.stack([cv2.resize(picture, (96, 64), interpolation=cv2.INTER_AREA) for picture in truth])
    film = codes(grainy(small, sigma) if sigma else small)
    pictures = [Picture("gray", 96, 64, (plane,)) for plane in film]
    engine = OpenVinoEngine(REEL_S, threads=2, streams=1, precision="fp32")
    window = FrameWindows(pictures, MIDDLE, [False]).window(0)
    restored = Restorer(engine, 4, 0.0).restore(pictures[MIDDLE], "gray", window=window).picture.planes[0]
    bicubic = cv2.resize(film[MIDDLE], (384, 256), interpolation=cv2.INTER_CUBIC)
    assert decibels(restored, truth[MIDDLE], rim=32) > decibels(bicubic, truth[MIDDLE], rim=32)


def test_an_engines_identity_is_known_before_it_is_created() -> None:
    """`engine_identity` and the created engine agree; the identity has precision and model."""
    for precision in PRECISIONS:
        engine = create_engine("openvino", REEL_S, precision=precision)
        assert engine.identity == engine_identity("openvino", REEL_S, precision)
        assert REEL_S.sha256[:12] in engine.identity
    assert engine_identity("openvino", REEL_S, "fp32").split()[1] == "fp32"


def test_torch_and_openvino_agree_within_a_level_of_ten_bits() -> None:
    """With fp32 the torch engine and the OpenVINO engine differ by less than a 10-bit level."""
    optional("torch")
    inputs = frame()
    reference = create_engine("torch", REEL_S, threads=2, precision="fp32")
    difference = np.abs(
        reference.upscale(*inputs, 2)
        - OpenVinoEngine(REEL_S, threads=2, streams=1, precision="fp32").upscale(*inputs, 2)
    )
    assert difference.max() * 1023 < 1
    assert reference.identity == engine_identity("torch", REEL_S, "fp32")
    restored = [
        Restorer(engine, 2, 0.4).restore(scene(0, "yuv420p10le"), "yuv420p10le").picture.planes
        for engine in (reference, OpenVinoEngine(REEL_S, threads=2, streams=1, precision="fp32"))
    ]
    for a, b in itertools.chain(zip(*restored, strict=True)):
        assert np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_a_network_of_another_family_restores_through_torch() -> None:
    """A network of another family, here SPAN, enlarges luma, and chroma stays neutral."""
    optional("torch")
    optional("spandrel")
    if not SPAN.exists():
        pytest.skip("the weights are not on this machine")
    model = resolve_model(str(SPAN))
    assert not model.networks
    with pytest.raises(ModelError, match="--engine torch"):
        create_engine("openvino", model)
    engine = create_engine("auto", model, threads=2)
    assert engine.identity.startswith("torch-")
    picture = scene(0, "gray", 64, 48)
    found = Restorer(engine, 2, 0.0).restore(picture, "yuv420p").picture
    bicubic = cv2.resize(picture.planes[0], (128, 96), interpolation=cv2.INTER_CUBIC)
    assert np.abs(found.planes[0].astype(int) - bicubic).mean() < 8
    assert all((plane == 128).all() for plane in found.planes[1:])
    assert Picture("yuv420p", 128, 96, found.planes).digest() == found.digest()


def test_a_safetensors_file_without_a_network_is_refused_in_one_line(tmp_path: Path) -> None:
    """A file that spandrel cannot load raises a ModelError of one line."""
    optional("torch")
    optional("spandrel")
    from safetensors.numpy import save_file  # noqa: PLC0415 - next to its use

    path = tmp_path / "other.safetensors"
    save_file({"body.weight": np.zeros((2, 2), np.float32)}, str(path))
    with pytest.raises(ModelError) as caught:
        create_engine("auto", resolve_model(str(path)))
    assert "spandrel cannot load it" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickled_network_is_refused() -> None:
    """A .pth file is refused and not unpickled."""
    if not PICKLE.exists():
        pytest.skip("the weights are not on this machine")
    with pytest.raises(ModelError, match="a pickle can run code"):
        resolve_model(str(PICKLE))
