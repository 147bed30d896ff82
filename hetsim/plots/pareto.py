"""The Pareto front: what else could have been chosen, and what none of the others beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from hetsim.plots.style import NEUTRAL, PALETTE, figure, legend, nothing, scale_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COSTS = (("energy", "J"), ("latency", "s"))
_LOGARITHMIC = 5  # costs that spread over more than this factor are drawn logarithmically


@styled
def pareto(points: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy against energy and against mean latency; without accuracies latency against energy.

    A point has ``energy`` (J), ``latency`` (s) and maybe ``accuracy``, whether it is on the ``front`` (no other is
    nowhere worse and somewhere better in all of them) and whether it was ``chosen``.
    """
    scored = [point for point in points if "accuracy" in point]
    if not points:
        plot, (axes,) = figure(2.8)
        nothing(axes, "nothing was weighed")
        return plot
    if scored:
        plot, panels = figure(3.0, 1, 2, sharey=True)
        for axes, (cost, unit) in zip(panels, _COSTS, strict=True):
            _panel(axes, scored, (cost, unit), ("accuracy", ""))
        panels[0].set_ylabel("accuracy on calibration data")
    else:
        plot, panels = figure(3.0)
        _panel(panels[0], points, *_COSTS)
    entries = {"front": _mark("o", PALETTE[0]), "beaten by another": _mark("o", NEUTRAL)}
    legend(plot, entries | {"chosen": _mark("*", PALETTE[5], 9)})
    return plot


def _mark(marker: str, colour: str, size: float = 5) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=colour, markersize=size)


def _panel(axes: Axes, points: Sequence[Mapping[str, Any]], across: tuple[str, str], up: tuple[str, str]) -> None:
    scales = {}
    for place, (name, unit) in (("x", across), ("y", up)):
        values = [point[name] for point in points]
        scales[name], shown = scale_of(max(values), unit) if unit else (1.0, "")
        axes.set(**{f"{place}label": f"{name} ({shown})" if shown else ""})
        if unit and min(values) > 0 and max(values) > _LOGARITHMIC * min(values):
            axes.set(**{f"{place}scale": "log"})
            axis = axes.xaxis if place == "x" else axes.yaxis
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
    for front, colour, above in ((False, NEUTRAL, 2), (True, PALETTE[0], 3)):
        mine = [p for p in points if p["front"] == front]
        x, y = ([p[name] / scales[name] for p in mine] for name in (across[0], up[0]))
        axes.plot(x, y, linestyle="", marker="o", color=colour, markersize=5, zorder=above, clip_on=False)
    for p in points:
        if p["chosen"]:
            at = p[across[0]] / scales[across[0]], p[up[0]] / scales[up[0]]
            axes.plot(*at, marker="*", color=PALETTE[5], markersize=10, zorder=4, clip_on=False)
    axes.grid(color="#E4E4E4", linewidth=0.6)
