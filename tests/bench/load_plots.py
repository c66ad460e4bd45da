"""The load bench's curves as pictures for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.bench.load import Figures

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
Reading = Callable[[Figures], float]


def curves(
    name: str,
    label: str,
    place: Reading,
    runs: dict[str, Sequence[Figures]],
    readings: dict[str, Reading],
    logarithmic: bool = True,
) -> None:
    """Draws readings of runs over a quantity, a panel for each, and writes them as `name`.svg.

    Args:
        name: of the file.
        label: what the quantity is.
        place: the quantity of a run.
        runs: the curves, by their legend.
        readings: the panels, by their axis' label.
        logarithmic: whether the quantity is on a scale of doublings.
    """
    figure = Figure(figsize=(4.2 * len(readings), 3.2), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(readings), squeeze=False)[0])
    for panel, (what, read) in zip(axes, readings.items(), strict=True):
        for legend, each in runs.items():
            panel.plot([place(run) for run in each], [read(run) for run in each], marker="o", label=legend)
        panel.set_xlabel(label)
        panel.set_ylabel(what)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        if logarithmic:
            panel.set_xscale("log", base=2)
    if len(runs) > 1:
        axes[0].legend()
    FigureCanvasSVG(figure).print_svg(IMAGES / f"{name}.svg", metadata={"Date": None})
