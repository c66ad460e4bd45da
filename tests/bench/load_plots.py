"""Draws the plots of the load bench for the documentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.bench.load import Figures

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
Reading = Callable[[Figures], float]


def draw_plot(
    name: str,
    label: str,
    quantity: Reading,
    runs: dict[str, Sequence[Figures]],
    figures: dict[str, Reading],
    logarithmic: bool = True,
) -> None:
    """Draws figures of several runs as functions of one quantity, and writes `docs/images/NAME.svg`.

    Args:
        name: name of the file, without suffix.
        label: label of the horizontal axis.
        quantity: the value of a run on the horizontal axis.
        runs: the curves by their name in the legend.
        figures: the values on the vertical axis, one panel each, by the label of the axis.
        logarithmic: whether the horizontal axis is logarithmic with base 2.
    """
    figure = Figure(figsize=(4.2 * len(figures), 3.2), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(figures), squeeze=False)[0])
    for panel, (panel_label, read) in zip(axes, figures.items(), strict=True):
        for legend, each in runs.items():
            panel.plot([quantity(run) for run in each], [read(run) for run in each], marker="o", label=legend)
        panel.set_xlabel(label)
        panel.set_ylabel(panel_label)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        if logarithmic:
            panel.set_xscale("log", base=2)
    if len(runs) > 1:
        axes[0].legend()
    FigureCanvasSVG(figure).print_svg(IMAGES / f"{name}.svg", metadata={"Date": None})  # type: ignore[no-untyped-call]
