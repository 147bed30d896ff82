"""Power over time, and where the energy went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch

from hetsim.plots.style import HATCH, NEUTRAL, OTHER, figure, label, legend, mosaic, nothing, palette, scale_of, styled
from hetsim.power import over_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hetsim.spans import Trace

_CATEGORIES = {
    "compute": "#0072B2", "array": "#D55E00", "dac": "#56B4E9", "adc": "#E69F00", "digital": "#009E73",
    "buffer": "#F0E442", "memory": "#CC79A7", "link": "#404040", "program": "#882255",
}  # fmt: skip
_FINE, _COARSE = 400, 120  # bins: coarse ones keep a long periodic run from beating against them
_EMPTY = "no energy figures in this scenario"


@styled
def power(trace: Trace, bins: int | None = None) -> Figure:
    """Power over time, stacked by component and link: with static power, and below it the dynamic part alone.

    The area under the stack is the energy, exactly, whatever the width of the bins.
    """
    edges, dynamic, static = over_time(trace, bins or (_FINE if len(trace.spans) <= _FINE else _COARSE))
    tint = palette(name for name in dynamic if dynamic[name].any() or static[name])
    moving = {name: dynamic[name] for name in tint if dynamic[name].any()}
    panels = 2 if any(static.values()) and moving else 1
    plot, axes = figure(1.2 + 1.5 * panels, panels, sharex=True)
    if not tint:
        nothing(axes[0], _EMPTY)
        return plot
    factor, unit = scale_of(trace.seconds, "s")
    _stack(axes[0], edges / factor, {name: dynamic[name] + static[name] for name in tint}, tint, "power")
    if panels == 2:
        _stack(axes[1], edges / factor, moving, tint, "without static")
    axes[-1].set(xlabel=f"time ({unit})", xlim=(0, edges[-1] / factor))
    plot.align_ylabels()
    legend(plot, tint)
    return plot


def _stack(axes: Axes, edges: Any, parts: Mapping[str, Any], tint: Mapping[str, str], name: str) -> None:
    top: Any = sum(parts.values())
    factor, unit = scale_of(top.max(), "W")
    # from the top down to zero, each over the one before, so that no seams show between them
    for part, watts in reversed(list(parts.items())):
        axes.stairs(top / factor, edges, fill=True, color=tint[part], linewidth=0)
        top = top - watts
    axes.set_ylabel(f"{name} ({unit})")
    axes.set_ylim(bottom=0)


@styled
def energy(trace: Trace) -> Figure:
    """Energy of each component and link, stacked by category.

    With static energy and beside it without; below, shares of the dynamic energy where it has several parts.
    """
    parts = _parts(trace)
    bare = {name: {c: j for c, j in part.items() if c != "static"} for name, part in parts.items()}
    mixed = {name: part for name, part in bare.items() if len(part) > 1}
    if not parts:
        empty, (axes,) = figure(1.3)
        nothing(axes, _EMPTY)
        return empty
    tint = _category_colours(c for part in parts.values() for c in part)
    static = "static" in tint and any(bare.values())
    plot, panels = _panels(len(parts), len(mixed), static)
    _bars(panels["all"], parts, tint, "energy")
    if static:
        _bars(panels["bare"], bare, tint, "without static")
        panels["bare"].tick_params(labelleft=False)
    if mixed:
        _shares(panels["shares"], mixed, tint)
    handles: dict[str, Any] = {c: colour for c, colour in tint.items() if c != "static"}
    legend(plot, handles | ({"static": Patch(facecolor=NEUTRAL, hatch=HATCH)} if "static" in tint else {}))
    return plot


def _parts(trace: Trace) -> dict[str, dict[str, float]]:
    """Joules by category of each component and link that took any, in the scenario's order."""
    parts: dict[str, dict[str, float]] = {name: {} for name in (*trace.components, *trace.links)}
    for (place, category), joules in trace.energy.items():
        if joules:
            parts[place][category] = joules
    return {name: part for name, part in parts.items() if part}


def _panels(rows: int, mixed: int, static: bool) -> tuple[Figure, dict[str, Axes]]:
    """Absolute bars on top, beside them those without static; shares below, over the whole width."""
    top, below = 0.55 + 0.3 * rows, 0.55 + 0.3 * mixed
    layout = [["all", "bare"] if static else ["all", "all"]]
    if mixed:
        layout.append(["shares", "shares"])
    return mosaic(0.5 + top + below * bool(mixed), layout, height_ratios=[top, below][: len(layout)])


def _category_colours(present: Iterable[str]) -> dict[str, str]:
    """Colours of the categories of energy, in a fixed order: the usual ones, what else there is, static."""
    found = dict.fromkeys(present)
    tint = {c: colour for c, colour in _CATEGORIES.items() if c in found}
    tint |= {c: OTHER for c in found if c not in _CATEGORIES and c != "static"}
    return tint | ({"static": NEUTRAL} if "static" in found else {})


def _bars(axes: Axes, parts: Mapping[str, Mapping[str, float]], tint: Mapping[str, str], name: str) -> None:
    totals = [sum(part.values()) for part in parts.values()]
    factor, unit = scale_of(max(totals), "J")
    _stacked(axes, {n: {c: j / factor for c, j in part.items()} for n, part in parts.items()}, tint)
    for row, total in enumerate(totals):
        place = (total / factor, row)
        axes.annotate(label(total, "J"), place, (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xlabel=f"{name} ({unit})", xlim=(0, 1.3 * max(totals) / factor))
    axes.locator_params(axis="x", nbins=5)


def _shares(axes: Axes, parts: Mapping[str, Mapping[str, float]], tint: Mapping[str, str]) -> None:
    totals = {name: sum(part.values()) for name, part in parts.items()}
    shares = {n: {c: 100 * j / totals[n] for c, j in part.items()} for n, part in parts.items()}
    _stacked(axes, shares, tint)
    axes.set(xlabel="share of energy without static (%)", xlim=(0, 100))


def _stacked(axes: Axes, parts: Mapping[str, Mapping[str, float]], tint: Mapping[str, str]) -> None:
    """Horizontal bars, the first on top, each a stack in the order of the colours."""
    for row, part in enumerate(parts.values()):
        left = 0.0
        for category in (c for c in tint if c in part):
            hatch = HATCH if category == "static" else None
            axes.barh(row, part[category], left=left, height=0.65, color=tint[category], hatch=hatch, linewidth=0)
            left += part[category]
    axes.set_yticks(range(len(parts)), list(parts))
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
