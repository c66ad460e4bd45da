"""What a network does for moving film that training never saw: `python -m training.quality MODEL [--peers]`.

MODEL is a safetensors file of `training.export` or a checkpoint of `training.train`, whose averaged weights count. The
pieces are made smaller by the network's scale.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reelwright.restoration.alignment import align
from reelwright.restoration.engine import Engine
from reelwright.restoration.engine_factory import create_engine
from reelwright.restoration.enlarge import add_detail
from reelwright.restoration.models import resolve_model
from reelwright.restoration.weight_sets import mix, split_sets
from reelwright.restoration.window import PreparedWindow, prepare
from reelwright.restoration.window_network import FRAMES, MIDDLE
from reelwright.restoration.window_torch import WindowNet
from training import material
from training.export import read
from training.metrics import psnr, ssim

Codes = NDArray[np.uint8]
Luma = NDArray[np.float32]
Restore = Callable[[Codes], Luma]

_WEIGHTS = material.SHARED.parent / "weights"
_PAD = 16
# A dust pixel counts where it changed the film by more than this; it is repaired where no more than this is left.
_SEEN = 12.0
_SEED = 5


def load(path: Path) -> list[WindowNet]:
    """The networks of a safetensors file's weight sets, or of a checkpoint's averaged weights."""
    network, weights = read(path)
    nets = [WindowNet(network).eval() for _ in split_sets(weights)]
    for net, tensors in zip(nets, split_sets(weights), strict=True):
        net.load_state_dict(tensors)
    return nets


def restore_window(window: Codes, detail: Callable[[PreparedWindow], Luma]) -> Luma:
    """The middle frame of a window, restored and enlarged.

    Args:
        window: see `window.prepare`.
        detail: the network: what it adds to the bicubic enlargement, (scale * H, scale * W) float32.

    Returns:
        (scale * H, scale * W) float32, 0 black to 1 white; it may leave that range a little.
    """
    prepared = prepare(window)
    added = detail(prepared)
    middle = prepared.frames[MIDDLE].astype(np.float32) / np.float32(255)
    return add_detail(middle, added, added.shape[0] // middle.shape[0])


def detail_of(nets: Sequence[WindowNet]) -> Callable[[PreparedWindow], Luma]:
    """The networks of a file as a step of `restore_window`; the picture is mirrored beyond its rim."""

    def tensor(planes: Codes, pad: int) -> torch.Tensor:
        mirrored = np.pad(planes, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
        return torch.from_numpy(mirrored[None].astype(np.float32) / np.float32(255))

    def by_one(net: WindowNet, window: PreparedWindow) -> Luma:
        found = window.measurement
        maps = np.stack([found.dust, found.scratch])
        with torch.inference_mode():
            values = torch.from_numpy(found.figures())[None]
            agreement = tensor(window.agreement, _PAD // 2)
            result = net(tensor(window.frames, _PAD), tensor(maps, _PAD), agreement, values)
        edge = _PAD * net.network.scale
        return np.asarray(result.numpy()[0, 0, edge:-edge, edge:-edge], np.float32)

    def detail(window: PreparedWindow) -> Luma:
        return mix([partial(by_one, net, window) for net in nets], window.measurement.figures())

    return detail


def single(engine: Engine) -> Restore:
    """A network on one frame, as a method for windows."""
    return lambda window: np.asarray(engine.upscale(window[MIDDLE].astype(np.float32) / np.float32(255)), np.float32)


def bicubic(scale: int) -> Restore:
    """The enlargement by OpenCV's bicubic kernel that every gain is measured from."""

    def restore(window: Codes) -> Luma:
        middle = window[MIDDLE].astype(np.float32) / np.float32(255)
        return np.asarray(cv2.resize(middle, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)

    return restore


def windows(frames: Codes, count: int) -> list[tuple[int, Codes]]:
    """`count` windows spread over a piece, each with the number of its middle frame."""
    middles = np.linspace(MIDDLE, len(frames) - 1 - MIDDLE, count + 2).round().astype(int)[1:-1]
    return [(int(m), np.ascontiguousarray(frames[m - MIDDLE : m - MIDDLE + FRAMES])) for m in middles]


def compare(methods: dict[str, Restore], count: int, scale: int) -> None:
    """Prints PSNR-Y and SSIM of each method above bicubic, piece by piece and treatment by treatment."""
    for treatment, treat in material.TREATMENTS.items():
        print(f"\n{treatment:10}{'bicubic':>14}" + "".join(f"{name:>16}" for name in methods if name != "bicubic"))
        gains: dict[str, list[float]] = {}
        for piece in material.PIECES:
            clip = material.read_piece(piece, 2 * scale)
            if clip is None:
                continue
            figures_of = _figures(methods, treat(clip, _SEED, scale), clip, count)
            base = figures_of.pop("bicubic")
            line = f"{piece.name:10}{base[0]:8.2f} {base[1]:.3f}"
            for name, (decibels, likeness) in figures_of.items():
                gains.setdefault(name, []).append(decibels - base[0])
                line += f"{decibels - base[0]:+9.2f} {likeness - base[1]:+.3f}"
            print(line, flush=True)
        print(f"{'mean':24}" + "".join(f"{np.mean(found):+9.2f}{'':7}" for found in gains.values()), flush=True)


def alignment(count: int, scale: int) -> None:
    """Prints how near grainy film comes to the truth at its own size by averaging five frames, without a network."""
    print(f"\n{'alignment':10}{'one frame':>12}{'unaligned':>12}{'aligned':>12}")
    for piece in material.PIECES:
        clip = material.read_piece(piece, 2 * scale)
        if clip is None:
            continue
        errors = []
        for middle, window in windows(material.grainy(clip, _SEED, scale), count):
            aligned, truth = align(window), _reduced(clip[middle], scale) * 255
            weights = [cv2.resize(shares, truth.shape[::-1]).astype(np.float32) for shares in aligned.agreement]
            weights.insert(MIDDLE, np.full(truth.shape, 255, np.float32))
            mean = (np.stack(weights) * aligned.frames).sum(axis=0) / np.sum(weights, axis=0)
            errors.append([np.square(f - truth).mean() / 255**2 for f in (window[MIDDLE], window.mean(axis=0), mean)])
        print(f"{piece.name:10}" + "".join(f"{psnr(float(e)):12.2f}" for e in np.mean(errors, axis=0)), flush=True)


def dirt(restore: Restore, count: int, scale: int) -> None:
    """Prints what becomes of known dust and scratches, and of the pixels beside them, piece by piece."""
    print(f"\n{'dirt':10}{'dust repaired':>15}{'clean changed':>15}{'scratch energy gone':>21}")
    rows = []
    for piece in material.PIECES:
        clip = material.read_piece(piece, 2 * scale)
        if clip is None:
            continue
        film = material.dirtied(clip, _SEED, scale)
        clean = [(m, w, restore(w)) for m, w in windows(film.clean, count)]
        found = np.array(
            [_dirt_of(restore, film, middle=m, clean=w, restored=restored, scale=scale) for m, w, restored in clean]
        )
        rows.append(np.nanmean(found, axis=0))
        print(f"{piece.name:10}{rows[-1][0]:15.1%}{rows[-1][1]:15.3%}{rows[-1][2]:21.1%}", flush=True)
    mean = np.nanmean(rows, axis=0)
    print(f"{'mean':10}{mean[0]:15.1%}{mean[1]:15.3%}{mean[2]:21.1%}")


def _dirt_of(
    restore: Restore, film: material.Dirtied, *, middle: int, clean: Codes, restored: Luma, scale: int
) -> list[float]:
    here = slice(middle - MIDDLE, middle - MIDDLE + FRAMES)
    source, dusty = film.clean[middle].astype(np.float32), film.dusty[here]
    left = _reduced(restore(dusty) - restored, scale) * 255
    hit = np.abs(dusty[MIDDLE] - source) > _SEEN
    repaired = float((np.abs(left[hit]) <= _SEEN).mean()) if hit.any() else np.nan
    # Beside the dust, and on the film that has none, the repair must leave the picture alone.
    changed = float((np.abs(prepare(clean).frames[MIDDLE] - source) > 4).mean())
    lines = film.scratched[here]
    remains = _reduced(restore(lines) - restored, scale) * 255
    line = film.scratches[middle] > 2
    before = np.square(lines[MIDDLE].astype(np.float32) - source)[line].sum()
    gone = 1 - float(np.square(remains)[line].sum() / before) if line.any() else np.nan
    return [repaired, changed, gone]


def _reduced(field: Luma, scale: int) -> Luma:
    size = (field.shape[1] // scale, field.shape[0] // scale)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA), np.float32)


def _figures(methods: dict[str, Restore], source: Codes, clip: Luma, count: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, restore in methods.items():
        errors, likenesses = [], []
        for middle, window in windows(source, count):
            restored = np.clip(restore(window), 0, 1)
            errors.append(float(np.square(restored - clip[middle]).mean()))
            likenesses.append(ssim(restored, clip[middle]))
        found[name] = [psnr(float(np.mean(errors))), float(np.mean(likenesses))]
    return found


def main() -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--peers", action="store_true", help="also SPAN")
    parser.add_argument("--windows", type=int, default=3, help="in each piece of 24 frames")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(1)
    nets = load(given.model)
    detail, scale = detail_of(nets), nets[0].network.scale

    def ours(window: Codes) -> Luma:
        return restore_window(window, detail)

    methods: dict[str, Restore] = {"bicubic": bicubic(scale), "ours": ours}
    if given.peers:
        span = _WEIGHTS / f"span_x{scale}_ch48.safetensors"
        if not span.exists():
            parser.error(f"--peers needs {span}, which is not here")
        methods["SPAN"] = single(
            create_engine("torch", resolve_model(str(span)), threads=given.threads, precision="fp32")
        )
    alignment(given.windows, scale)
    compare(methods, given.windows, scale)
    dirt(ours, given.windows, scale)


if __name__ == "__main__":
    main()
