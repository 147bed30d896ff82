"""Power over time, and where the energy went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch

from hetsim.plots.style import HATCH, NEUTRAL, figure, label, legend, nothing, palette, scale_of, styled
from hetsim.power import over_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hetsim.spans import Trace

_CATEGORIES = ("compute", "array", "dac", "adc", "digital", "buffer", "link", "memory", "program")
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
    """Energy of each component and link, stacked by category: with static energy, and beside it without."""
    parts: dict[str, dict[str, float]] = {name: {} for name in (*trace.components, *trace.links)}
    for (place, category), joules in trace.energy.items():
        if joules:
            parts[place][category] = joules
    parts = {name: part for name, part in parts.items() if part}
    static = any("static" in part for part in parts.values())
    dynamic = any(category != "static" for part in parts.values() for category in part)
    panels = 2 if static and dynamic else 1
    plot, axes = figure(1.3 + 0.3 * len(parts), 1, panels, sharey=True)
    if not parts:
        nothing(axes[0], _EMPTY)
        return plot
    tint = _category_colours(c for part in parts.values() for c in part)
    _bars(axes[0], parts, tint, "energy")
    if panels == 2:
        bare = {place: {c: j for c, j in part.items() if c != "static"} for place, part in parts.items()}
        _bars(axes[1], bare, tint, "without static")
    axes[0].set_yticks(range(len(parts)), list(parts))
    axes[0].invert_yaxis()
    handles: dict[str, Any] = {c: colour for c, colour in tint.items() if c != "static"}
    legend(plot, handles | ({"static": Patch(facecolor=NEUTRAL, hatch=HATCH)} if static else {}))
    return plot


def _category_colours(present: Iterable[str]) -> dict[str, str]:
    """Colours of the categories of energy: the usual ones in a fixed order, then what else there is."""
    found = dict.fromkeys(present)
    order = [c for c in _CATEGORIES if c in found]
    tint = palette([*order, *(c for c in found if c not in _CATEGORIES and c != "static")])
    return tint | ({"static": NEUTRAL} if "static" in found else {})


def _bars(axes: Axes, parts: Mapping[str, Mapping[str, float]], tint: Mapping[str, str], name: str) -> None:
    totals = [sum(part.values()) for part in parts.values()]
    factor, unit = scale_of(max(totals), "J")
    for row, part in enumerate(parts.values()):
        left = 0.0
        for category in (c for c in tint if c in part):
            length = part[category] / factor
            hatch = HATCH if category == "static" else None
            axes.barh(row, length, left=left, height=0.65, color=tint[category], hatch=hatch, linewidth=0)
            left += length
        axes.annotate(label(totals[row], "J"), (left, row), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xlabel=f"{name} ({unit})", xlim=(0, 1.3 * max(totals) / factor))
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(axis="y", length=0)
