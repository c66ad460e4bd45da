"""Writes docs/quality.md from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from training.quality.dirt import Dirt
from training.quality.measures import BANDS, Figures
from training.quality.methods import BASE, OURS, OURS_WITHOUT_DETAIL
from training.quality.statistics import mean

Case = tuple[int, str]
"""A scale and the name of a treatment."""

_TREATMENTS = {
    "film": "Film: blur 1.2, grain of 8 levels, JPEG 80",
    "light": "Lightly worn film: blur 0.8, grain of 4 levels, JPEG 90",
    "heavy": "Badly worn film: blur 1.6, grain of 14 levels, JPEG 60",
    "area": "Undamaged, made smaller by area averaging",
    "bicubic": "Undamaged, made smaller by a bicubic kernel",
    "codec": "H.264 of crf 26 alone, made smaller by area averaging",
}


@dataclass
class Results:
    """Everything that was measured; by piece where several are.

    Attributes:
        figures: by case, piece and method.
        dirt: by method and piece.
        grain: shares of the source's grain by piece, one for each of `measures.BANDS`.
        tint: levels, by method.
        alignment: by piece: one frame, unaligned mean, aligned mean; dB.
        sheets: file names and captions.
    """

    figures: dict[Case, dict[str, dict[str, Figures]]] = field(default_factory=dict)
    dirt: dict[str, dict[str, Dirt]] = field(default_factory=dict)
    grain: dict[str, list[float]] = field(default_factory=dict)
    tint: dict[str, float] = field(default_factory=dict)
    alignment: dict[str, list[float]] = field(default_factory=dict)
    sheets: dict[str, str] = field(default_factory=dict)


def page(results: Results, intro: str) -> str:
    """The page as Markdown.

    Args:
        results: what was measured.
        intro: how and on what machine.
    """
    parts = [f"# Quality\n\n{intro}\n"]
    for (scale, treatment), pieces in sorted(results.figures.items(), key=lambda case: case[0][0]):
        parts.append(f"## x{scale}. {_TREATMENTS[treatment]}\n\n{_means(pieces)}\n\n{_by_piece(pieces)}\n")
    if results.dirt:
        parts.append(f"## Dust and scratches\n\n{_DIRT}\n\n{_dirt(results.dirt)}\n")
    parts.append(f"## Grain that is kept\n\n{_GRAIN}\n\n{_grain(results.grain)}\n")
    parts.append(f"## Tint\n\n{_TINT}\n\n{_table(('', 'levels'), _tint_rows(results.tint))}\n")
    names = ("piece", "one frame", "mean of five, unaligned", "mean of five, aligned and weighted")
    rows = [(piece, *(f"{value:.2f}" for value in found)) for piece, found in results.alignment.items()]
    parts.append(f"## Alignment alone\n\n{_ALIGNMENT}\n\n{_table(names, rows)}\n")
    sheets = [f"{caption}\n\n![{caption}](images/quality/{file})\n" for file, caption in results.sheets.items()]
    parts.append("\n".join([f"## Sheets\n\n{_SHEETS}\n", *sheets]))
    return "\n".join(parts)


_DIRT = """\
Film with grain of 4 levels, JPEG 90, and dust or scratches at known places, eight frames of each piece, every second
one: dust is rare, and on three adjacent frames one speck would decide. Repaired are dust pixels (changed by more than
12 levels) of which at most 12 levels are left. Changed are pixels of film without dust that a repair moves by
more than 4 levels. Gone is the energy of scratches that is missing afterwards. The dust classifier learnt from other
shots and from clips of photographs; what is asked of its score was chosen on film around these pieces, too."""
_GRAIN = """\
Film with blur 0.8 and grain of 8 levels, restored with `grain.keep` 1 and made smaller again: the energy of the grain
as a share of the source's, by band of spatial frequency in cycles per pixel of the source."""
_TINT = """\
Grey film, the worst frame. Ours: the largest difference of chroma from neutral in the restored film. Networks on RGB:
the largest difference between their channels. Through `reelwright` they are run on luma, which cannot tint."""
_ALIGNMENT = """\
Grain of 8 levels and JPEG 80, at the source's size, without a network: PSNR in dB of the middle frame, of the plain
mean of five frames, and of the aligned frames' mean weighted by agreement."""
_SHEETS = """\
Parts at 1:1, from left to right: bicubic, the peer with the highest PSNR-Y there, ours with
`detail` 0, ours, the truth."""


def best_peer(pieces: Mapping[str, Mapping[str, Figures]]) -> list[str]:
    """The method other than bicubic and ours with the highest mean PSNR over the pieces; none without peers."""
    names = [name for name in next(iter(pieces.values())) if name not in {BASE, OURS, OURS_WITHOUT_DETAIL}]
    return sorted(names, key=lambda name: sum(found[name].psnr for found in pieces.values()))[-1:]


def _means(pieces: Mapping[str, Mapping[str, Figures]]) -> str:
    rows = []
    for name in next(iter(pieces.values())):
        pairs = [(found[name], found[BASE]) for found in pieces.values()]
        own = [mine for mine, _ in pairs]
        rows.append(
            (
                name,
                f"{mean([mine.psnr - base.psnr for mine, base in pairs]):+.2f}",
                f"{mean([mine.ssim - base.ssim for mine, base in pairs]):+.3f}",
                f"{mean([mine.vmaf - base.vmaf for mine, base in pairs]):+.1f}",
                f"{mean([mine.xpsnr - base.xpsnr for mine, base in pairs]):+.2f}",
                f"{mean([mine.flicker for mine in own]):.2f}",
                f"{mean([mine.detail for mine in own]):.2f}",
            )
        )
    return _table(("", "PSNR-Y, dB", "SSIM", "VMAF", "XPSNR, dB", "flicker, levels", "detail"), rows)


def _by_piece(pieces: Mapping[str, Mapping[str, Figures]]) -> str:
    methods = list(next(iter(pieces.values())))
    rows = []
    for piece, found in pieces.items():
        base = found[BASE]
        rows.append((piece, f"{base.psnr:.2f}", *(f"{found[name].psnr - base.psnr:+.2f}" for name in methods[1:])))
    return _table(("PSNR-Y by piece", "bicubic, dB", *methods[1:]), rows)


def _dirt(found: Mapping[str, Mapping[str, Dirt]]) -> str:
    ours = found[OURS]
    rows = [(piece, f"{d.repaired:.1%}", f"{d.changed:.3%}", f"{d.gone:.1%}") for piece, d in ours.items()]
    for name, pieces in found.items():
        repaired, changed, gone = (
            mean(known) if (known := [value for value in values if not isnan(value)]) else None
            for values in zip(*pieces.values(), strict=True)
        )
        shares = [f"{share:.1%}" if share else "" for share in (repaired, gone)]
        rows.append((f"mean, {name}", shares[0], f"{changed:.3%}" if changed else "", shares[1]))
    return _table(("ours", "dust repaired", "clean pixels changed", "scratch energy gone"), rows)


def _grain(found: Mapping[str, Sequence[float]]) -> str:
    bands = [f"{low:g} to {high:g}" for low, high in BANDS]
    return _table(
        ("piece", *bands), [(piece, *(f"{share:.2f}" for share in shares)) for piece, shares in found.items()]
    )


def _tint_rows(found: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, f"{levels:g}" if levels < 1 else f"{levels:.1f}") for name, levels in found.items()]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
