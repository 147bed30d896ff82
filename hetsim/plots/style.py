"""How plots look: figures without pyplot (no window, no global state), colours, axes with units, legends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hetsim.figures import engineering, prefix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")

DPI = 150
WIDTH = 6.4  # inches: a page's text width, still readable at half of it
# Okabe and Ito's palette, yellow last because it is weak on white
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHER, NEUTRAL, SOFT = "#8C8C8C", "#C8C8C8", "#666666"
_LINE = 92  # characters of a legend that fit into a figure's width
HATCH = "////"
_INK = "#333333"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "hatch.color": "#808080",
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator of a function that draws: inside it, and only there, matplotlib has our style."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **options: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **options)

    return drawn


class Plot(Figure):
    """A figure that a notebook shows as it is."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        write(self, buffer)
        return buffer.getvalue()


def write(plot: Figure, target: str | Path | BytesIO) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    with matplotlib.rc_context(STYLE):
        plot.savefig(target, dpi=DPI, format="png", metadata={"Software": None})


def figure(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Plot, list[Axes]]:
    """An empty figure so many inches high, and its axes row by row."""
    made = Plot(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(rows, columns, squeeze=False, **options)
    return made, list(axes.flat)


def mosaic(height: float, layout: list[list[str]], **options: Any) -> tuple[Plot, dict[str, Axes]]:
    """An empty figure so many inches high, with axes laid out and named by ``layout``."""
    made = Plot(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(made)
    axes: dict[str, Axes] = made.subplot_mosaic(layout, **options)  # type: ignore[arg-type]  # its stub is too narrow
    return made, axes


def palette(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: the first seven get one of their own, the rest share a grey."""
    distinct = dict.fromkeys(names)
    return {name: PALETTE[i] if i < len(PALETTE) else OTHER for i, name in enumerate(distinct)}


def lighter(colour: str, share: float = 0.45) -> tuple[float, float, float]:
    """The colour mixed with so much white."""
    r, g, b = colors.to_rgb(colour)
    return (r + (1 - r) * share, g + (1 - g) * share, b + (1 - b) * share)


def scale_of(largest: float, unit: str) -> tuple[float, str]:
    """Factor and label of an axis in a unit, e.g. (1e-6, "µs"); rates never get a small prefix (mB/s)."""
    factor, letter = prefix(largest)
    if factor < 1 and unit.endswith("/s"):
        factor, letter = 1.0, ""
    return factor, (letter.replace("u", "µ") + unit).strip()


def label(value: float, unit: str) -> str:
    """A value with its unit, as plots write it."""
    return engineering(value, unit).replace(" u", " µ")


def legend(plot: Figure, entries: Mapping[str, Any]) -> None:
    """One legend for the whole figure, in rows above the axes; an entry is a colour or something drawn."""
    if not entries:
        return
    handles = [Patch(facecolor=entry) if isinstance(entry, str) else entry for entry in entries.values()]
    widths = [len(name) + 6 for name in entries]  # characters, the patch included
    columns = len(entries) if sum(widths) <= _LINE else max(1, _LINE // max(widths))
    plot.legend(handles, list(entries), loc="outside upper left", ncols=columns, handlelength=1.2, columnspacing=1.4)


def nothing(axes: Axes, text: str) -> None:
    """Say in words that there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
