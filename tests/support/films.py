"""Real films, shortened so that tests are fast: from `shared/clips` if it exists, else the clip of the demo."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from safetensors.numpy import save_file

from reelwright.media.picture import Picture
from reelwright.media.probe import probe
from reelwright.media.reader import FrameReader
from reelwright.restoration.window_network import WindowNetwork, networks_to_metadata
from reelwright.titles.recipe import Recipe
from scripts.demo import fetch_clip
from tests.support import clips
from tests.support.clipmaker import Film, write_film
from tests.support.scenes import SHOT_FRAMES, scene
from tests.support.windows import texture

SHARED_CLIPS = Path(__file__).resolve().parents[3] / "shared" / "clips"
_SECONDS = 1.0
REAL = ("chaplin", "sintel_with_14_chapters", "bikes")


@cache
def whole_film(name: str) -> Path:
    """A complete real film: the shared one of that name, or the clip of the demo if there is none."""
    shared = SHARED_CLIPS / f"{name}.mp4"
    return shared if shared.exists() else fetch_clip()


@cache
def real_film(name: str) -> Path:
    """The first second of a real film, with its packets copied."""
    path = clips.clip_folder() / f"real-{name}.mp4"
    with av.open(str(whole_film(name))) as source, av.open(str(path), "w") as target:
        kept = [s for s in source.streams if s.type in {"video", "audio"}]
        streams = {s.index: target.add_stream_from_template(s) for s in kept}
        for packet in source.demux(kept):
            if packet.dts is not None and packet.dts * packet.time_base < _SECONDS:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return path


@cache
def gray_in_colour() -> Path:
    """A black-and-white film stored as 4:2:0 with neutral chroma, like most such films."""
    path = clips.clip_folder() / "gray-in-colour.mp4"
    pictures = [scene(i) for i in range(48)]
    gray = [
        Picture(p.pix_fmt, p.width, p.height, (p.planes[0], *(np.full_like(c, 128) for c in p.planes[1:])))
        for p in pictures
    ]
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(gray)]))
    return path


@cache
def small_film(frames: int, width: int = 64, height: int = 48) -> Path:
    """A film with sound and a new shot every 24 frames; it has many segments and is fast to restore."""
    path = clips.clip_folder() / f"small-{frames}-{width}x{height}.mp4"
    write_film(path, Film([(clips.F(i, 25), scene(i, "yuv420p", width, height)) for i in range(frames)], audio="aac"))
    return path


@cache
def uneven_film(*shots: int) -> Path:
    """A grainy film of 64x48 with sound and shots of these lengths; no shot looks like the next."""
    path = clips.clip_folder() / f"uneven-{'-'.join(map(str, shots))}.mkv"
    pictures = []
    for number, length in enumerate(shots):
        for index in range(length):
            picture = scene(number * SHOT_FRAMES + index % SHOT_FRAMES, "yuv420p", 64, 48)
            noise = np.random.default_rng((number, index)).normal(0, 5, picture.planes[0].shape)
            luma = np.clip(np.rint(picture.planes[0] + noise), 16, 235).astype(np.uint8)
            pictures.append(Picture("yuv420p", 64, 48, (luma, *picture.planes[1:])))
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(pictures)], codec="ffv1", audio="aac"))
    return path


def remuxed(film: Path, path: Path) -> Path:
    """The picture of a film in another container."""
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


@cache
def small_network() -> Path:
    """A `reel` network that runs 30 times as fast as `reel-s`, for tests to which only the way of a frame matters."""
    network, path = WindowNetwork(channels=8, layers=3), clips.clip_folder() / "small.safetensors"
    rng = np.random.default_rng(0)
    tensors = {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in network.shapes().items()}
    save_file(tensors, path, networks_to_metadata({"": network}))
    return path


@cache
def unsteady_film(frames: int) -> Path:
    """A still shot of 64x48 in colour, with flicker of 5 % and weave of half a pixel, new in each frame."""
    path = clips.clip_folder() / f"unsteady-{frames}.mkv"
    still = scene(0, "yuv420p", 64, 48)
    rng = np.random.default_rng(5)
    pictures = []
    for _ in range(frames):
        right, down = rng.normal(0, 0.5, 2)
        moved = cv2.warpAffine(
            still.planes[0].astype(np.float32),
            np.array([[1, 0, right], [0, 1, down]]),
            (64, 48),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        luma = np.clip(np.rint(moved * rng.normal(1, 0.05)), 0, 255).astype(np.uint8)
        pictures.append(Picture("yuv420p", 64, 48, (luma, *still.planes[1:])))
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(pictures)], codec="ffv1", audio="aac"))
    return path


@cache
def turning_film(frames: int) -> Path:
    """A still shot of 144x96 in colour that turns by 0.15 degrees and weaves by half a pixel, new in each frame."""
    path = clips.clip_folder() / f"turning-{frames}.mkv"
    still = 30 + texture(96, 144, 3) * np.float32(0.6)
    chroma = scene(0, "yuv420p", 144, 96).planes[1:]
    rng = np.random.default_rng(9)
    pictures = []
    for _ in range(frames):
        move = np.array(cv2.getRotationMatrix2D((71.5, 47.5), rng.normal(0, 0.15), 1.0), np.float64)
        move[:, 2] += rng.normal(0, 0.5, 2)
        moved = cv2.warpAffine(still, move, (144, 96), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        luma = np.clip(np.rint(moved), 0, 255).astype(np.uint8)
        pictures.append(Picture("yuv420p", 144, 96, (luma, *chroma)))
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(pictures)], codec="ffv1"))
    return path


def one_sided_film(frames: int, *, added: bool = False) -> Path:
    """A still shot of 144x96 in colour, of which the right side flickers against the left one by 5 %, or 5 levels."""
    path = clips.clip_folder() / f"one-sided-{frames}-{added}.mkv"
    still = 30 + texture(96, 144, 3) * np.float32(0.6)
    chroma = tuple(np.full((48, 72), code, np.uint8) for code in (118, 140))
    rng = np.random.default_rng(6)
    pictures = []
    for _ in range(frames):
        slope = rng.normal(0, 0.05) * np.linspace(-1, 1, 144, dtype=np.float32)
        luma = np.clip(np.rint(still + (100 if added else still) * slope), 0, 255).astype(np.uint8)
        pictures.append(Picture("yuv420p", 144, 96, (luma, *chroma)))
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(pictures)], codec="ffv1"))
    return path


@cache
def locally_flickering_film(name: str, deviation: float) -> Path:
    """The luma of `real_film`, whose parts flicker by this share of the light while the mean of each frame stays."""
    path = clips.clip_folder() / f"locally-flickering-{name}-{deviation}.mkv"
    rng, pictures = np.random.default_rng(8), []
    for frame in FrameReader(probe(str(real_film(name))), Recipe()):
        luma = frame.picture.planes[0] - 16.0
        y, x = (np.linspace(-(1.5**0.5), 1.5**0.5, count) for count in luma.shape)
        lit = luma * (1 + deviation * (rng.normal() * y[:, None] + rng.normal() * x))
        lit = 16 + lit * (luma.mean() / lit.mean())
        pictures.append(
            Picture("gray", luma.shape[1], luma.shape[0], (np.clip(np.rint(lit), 0, 255).astype(np.uint8),))
        )
    write_film(path, Film([(clips.F(i, 25), picture) for i, picture in enumerate(pictures)], codec="ffv1"))
    return path
