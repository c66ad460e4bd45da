"""AV1 film grain beside the grain that was removed: `python -m tests.bench.bench_film_grain [FOLDER]`.

Real films are aged by the simulator, restored without their grain, encoded by the profile `av1`, given film grain that
was fitted to the removed grain, and decoded by dav1d. What dav1d adds is made small again and compared with the removed
grain where the picture is flat. With a folder, a part of a frame of each is written there: source, decoded without and
with grain.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.media.av1_film_grain import write_film_grain
from reelwright.media.encode import SegmentEncoder
from reelwright.media.film_format import film_format
from reelwright.media.film_grain_fit import GrainyFrame, film_grain_of
from reelwright.media.picture import Picture
from reelwright.media.profiles import profile_spec
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.grain import GrainWanted, reduced
from reelwright.restoration.grain_model import flat_parts, measure_grain_model
from reelwright.restoration.models import resolve_model
from reelwright.restoration.synthetic_grain import frame_grain
from tests.support.grain import band_energies
from tests.support.grainy_films import aged_frames, restored
from tests.support.ledgers import video_of

Luma = NDArray[np.float32]

_FIRST, _FRAMES = 100, 12
_FILMS = ("chaplin", "sintel_with_14_chapters", "bikes")


def main() -> None:
    """Prints the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print("| film | scale | octaves: finest, middle, coarse | fit, measuring a frame, ms | bytes with and without |")
    for film in _FILMS:
        for preset in ("print-1940", "print-1910"):
            for scale in (2, 3):
                print(_row(film, preset, scale, folder), flush=True)


def _row(film: str, preset: str, scale: int, folder: Path | None) -> str:
    engine = create_engine("auto", resolve_model("reel-s"), threads=1)
    frames = list(aged_frames(film, preset, _FIRST, _FRAMES))
    clean = [restored(engine, scale, frame, GrainWanted(0)) for frame in frames]
    grainy = [restored(engine, scale, frame, GrainWanted(1)) for frame in frames]
    shape = frames[0].picture.planes[0].shape
    small = [reduced(each, shape) for each in clean]
    removed = [reduced(each, shape) - without for each, without in zip(grainy, small, strict=True)]
    started = time.process_time()
    models = [frame_grain(measure_grain_model(each, without)) for each, without in zip(removed, small, strict=True)]
    measured = time.process_time()
    fitted = film_grain_of(
        [GrainyFrame(False, each, 1.0) for each in models], scale, seed=1, first_frame=_FIRST, black=None
    )
    seconds = time.process_time() - measured, (measured - started) / len(models)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "a.mkv"
        _encode(path, clean)
        before = path.stat().st_size
        write_film_grain(path, fitted)
        after = path.stat().st_size
        plain, shown = (_decoded(path, grain=each) for each in (False, True))
    ratios = []
    for without, with_it, own, level in zip(plain, shown, removed, small, strict=True):
        flat = flat_parts(level)
        ratios.append((band_energies(reduced(with_it - without, shape), flat), band_energies(own, flat)))
    found, wanted = np.mean(ratios, axis=0)
    if folder:
        _draw(folder / f"{film}-{preset}-{scale}.png", frames[0].picture.planes[0], plain[0], shown[0])
    octaves = ", ".join(f"{each:.0%}" for each in found / wanted)
    name, fit, measuring = film.split("_", maxsplit=1)[0], *(1000 * each for each in seconds)
    return f"| {name}, `{preset}` | {scale} | {octaves} | {fit:.1f}, {measuring:.1f} | {after} and {before} |"


def _encode(path: Path, frames: list[Luma]) -> None:
    rows, columns = frames[0].shape
    encoder = SegmentEncoder(
        path, profile_spec("av1"), film_format(video_of(columns, rows), columns, rows, "yuv420p10le")
    )
    chroma = np.full(((rows + 1) // 2, (columns + 1) // 2), 512, np.uint16)
    for frame in frames:
        luma = np.clip(np.rint(frame * 1023), 0, 1023).astype(np.uint16)
        encoder.add(Picture("yuv420p10le", columns, rows, (luma, chroma, chroma)))
    encoder.finish()


def _decoded(path: Path, *, grain: bool) -> list[Luma]:
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        if not grain:
            stream.codec_context.options = {"filmgrain": "0"}
        return [
            frame.to_ndarray()[: stream.height, : stream.width].astype(np.float32) / np.float32(1023)
            for frame in film.decode(stream)
        ]


def _draw(path: Path, source: NDArray[np.generic], *pictures: Luma) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = pictures[0].shape[::-1]
    large = np.asarray(
        cv2.resize(np.asarray(source, np.float32), size, interpolation=cv2.INTER_CUBIC) / 255, np.float32
    )
    rows, columns = (side // 2 - 200 for side in large.shape)
    parts = [each[rows : rows + 400, columns : columns + 400] for each in (large, *pictures)]
    cv2.imwrite(str(path), np.clip(np.hstack(parts) * 255, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
