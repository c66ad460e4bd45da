"""Remakes docs/quality.md: `python -m training.quality`, or `make quality`.

With MODEL it measures another file of networks, a safetensors file of `training.export` or a checkpoint of
`training.train`, whose averaged weights count. Pieces and peers that are not on this machine are left out.
The page goes to docs when all of it is measured with its defaults, to a folder in training/runs otherwise; --docs names
another one.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from reelwright.restoration.models import resolve_model
from reelwright.restoration.processor import instruction_set
from training import material
from training.peers.environment import PeerMissing, vapoursynth_python
from training.quality.jobs import Job, measure
from training.quality.methods import OURS, OURS_WITHOUT_DETAIL
from training.quality.page import Results, best_peer, page
from training.quality.sheets import write_sheet
from training.quality.vapoursynth_filters import check

_ROOT = Path(__file__).resolve().parents[2]
# Arguments that decide on what is measured.
_MEASURED = ("model", "frames", "pieces", "treatments", "scales", "no_peers")
# Scales, treatments and pieces of the sheets, and where their part begins, in pixels of the truth.
SHEETS = {
    (2, "film", "chaplin"): (60, 230),
    (2, "film", "city"): (100, 200),
    (2, "area", "bikes"): (40, 250),
    (4, "film", "run"): (120, 300),
}


def collect(jobs: list[Job], processes: int, sheets: Path, progress: Callable[[Results], None]) -> None:
    """Does all jobs, writes the sheets into a folder, and tells after each job what there is by then."""
    results, context = Results(), get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        for job, found in zip(jobs, pool.map(measure, jobs), strict=True):
            print(f"x{job.scale} {job.treatment or 'dirt, grain, alignment, tint'} {job.piece.name}", flush=True)
            if found is None:
                continue
            name, case = job.piece.name, (job.scale, job.treatment)
            if job.treatment:
                results.figures.setdefault(case, {})[name] = found.figures
            else:
                results.grain[name], results.alignment[name] = found.grain, found.alignment
                results.tint = {method: max(results.tint.get(method, 0), tint) for method, tint in found.tint.items()}
                for method, dirt in found.dirt.items():
                    results.dirt.setdefault(method, {})[name] = dirt
            if found.sheet:
                file = f"{job.treatment}-x{job.scale}-{name}.jpg"
                peers = best_peer({name: found.figures})
                shown = {which: found.sheet[which] for which in ("bicubic", *peers, OURS_WITHOUT_DETAIL, OURS, "truth")}
                write_sheet(sheets / file, shown, SHEETS[*case, name])
                results.sheets[file] = f"x{job.scale}, {job.treatment}, {name}: {', '.join(shown)}"
            progress(results)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with the folder of the page in `docs`."""
    parser = argparse.ArgumentParser(description=__doc__)
    packaged = _ROOT / "services/reelwright/restoration/weights/reel-s.safetensors"
    parser.add_argument("model", type=Path, nargs="?", default=packaged)
    parser.add_argument("--frames", type=int, default=3, help="adjacent frames of each piece")
    parser.add_argument("--pieces", nargs="+", default=[piece.name for piece in material.PIECES])
    parser.add_argument("--treatments", nargs="+", choices=material.TREATMENTS, default=list(material.TREATMENTS))
    parser.add_argument("--scales", nargs="+", type=int, help="enlargements; all of the file's networks by default")
    parser.add_argument("--no-peers", action="store_true", help="bicubic and the networks of the file alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--docs", type=Path, help="folder of the page and its images")
    found = parser.parse_args(given)
    if found.docs is None:
        found.model = found.model.resolve()
        # Anything else than the whole page of the default model would replace that by a part, or by another model's.
        other = any(getattr(found, name) != parser.get_default(name) for name in _MEASURED)
        found.docs = _ROOT / "training/runs" / f"quality-{found.model.stem}" if other else _ROOT / "docs"
    return found


def main() -> None:
    """Reads the command line and writes the page."""
    given = arguments()
    print(f"writes {given.docs / 'quality.md'}", flush=True)
    pieces = [piece for piece in material.PIECES if piece.name in given.pieces]
    scales = given.scales or resolve_model(str(given.model)).scales
    vapoursynth = None if given.no_peers else _vapoursynth()
    # What is measured apart from the treatments needs no second scale.
    cases = [(scales[0], ""), *((scale, treatment) for treatment in given.treatments for scale in scales)]
    jobs = [
        Job(given.model, piece, given.frames, *case, (*case, piece.name) in SHEETS, not given.no_peers, vapoursynth)
        for case in cases
        for piece in pieces
    ]

    def write(results: Results) -> None:
        measured = {name for figures in results.figures.values() for name in figures}
        intro = _intro(given.model.stem, given.frames, sorted(measured))
        if vapoursynth:
            intro = f"{intro}\n\n{_VAPOURSYNTH}"
        (given.docs / "quality.md").write_text(page(results, intro))

    given.docs.mkdir(parents=True, exist_ok=True)
    collect(jobs, given.processes, given.docs / "images/quality", write)


def _vapoursynth() -> Path | None:
    try:
        python = vapoursynth_python()
    except PeerMissing as missing:
        print(f"left out: {missing}", flush=True)
        return None
    check(python)
    return python


_VAPOURSYNTH = """\
`MVTools` is VapourSynth's, from PyPI: the mean of nine motion-compensated frames (Degrain4, blocks of 16 pixels that
are refined to 8, motion searched on a blurred copy), told the strength of the grain. Against dirt, DeScratch removes
scratches, then the median of five motion-compensated frames replaces what differs from it by more than 10 levels.
Versions are in `training/peers/requirements.txt`, settings in `training/peers/filter_clip.py`. The settings were the
best on three of these pieces (bikes, chaplin, and sintel or city), so that they are a little flattered."""


def _intro(model: str, frames: int, pieces: list[str]) -> str:
    machine = f"{os.cpu_count()} cores ({platform.machine()}, {instruction_set()})"
    return f"""\
`make quality` writes this page; `--treatments` and `--pieces` choose a part of it. Means over {len(pieces)} moving
pieces that no weight was trained on ({", ".join(pieces)}), {frames} adjacent frames of each, with 95 % confidence
intervals over the pieces (bootstrap). PSNR-Y, SSIM, VMAF and XPSNR are differences to bicubic. Flicker is the change
between adjacent frames along the motion of the truth, root mean square in levels of 255. Detail is the share of the
truth's fine detail that is there, at its place. `ours` is `{model}` without grain put back (`grain.keep` 0). Each of
FFmpeg's denoisers is told the strength of the grain. Networks run on luma.
Made on {machine}, without a GPU."""


if __name__ == "__main__":
    main()
