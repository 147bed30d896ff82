"""A study: a metric against an axis, a line for each combination of the other axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from hetsim.plots.style import PALETTE, figure, legend, nothing, scale_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vP*X"
_ROOM = 84  # characters of tick labels in a figure's width
_TICKS = 12  # more places than these get matplotlib's own ticks
_LOGARITHMIC = 20  # an axis that spans more than this factor is drawn logarithmically


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis: a name, one entry a point; numbers in an SI unit, or words."""

    name: str
    values: Sequence[float | str]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """The vertical axis: a name, one entry a point (None where the point failed), its unit.

    ``intervals`` are drawn as error bars: (low, high) of each point, None where there is none.
    """

    name: str
    values: Sequence[float | None]
    unit: str = ""
    intervals: Sequence[tuple[float, float] | None] = ()


@styled
def against(axis: Axis, measures: Sequence[Measure], series: Sequence[str]) -> Figure:
    """Draw measures side by side against the axis, a line for all points of equal ``series``."""
    plot, panels = figure(3.0 if len(measures) == 1 else 2.8, 1, len(measures))
    lines: dict[str, Line2D] = {}
    for axes, measure in zip(panels, measures, strict=True):
        lines |= _panel(axes, axis, measure, series, _ROOM // len(measures))
    legend(plot, lines if len(lines) > 1 else {})
    return plot


def _panel(axes: Axes, axis: Axis, measure: Measure, series: Sequence[str], room: int) -> dict[str, Line2D]:
    known = [value for value in measure.values if value is not None]
    if not known:
        nothing(axes, f"no point has {measure.name}")
        return {}
    places, unit = _horizontal(axes, axis, room)
    up, up_unit = scale_of(max(map(abs, known)), measure.unit) if measure.unit else (1.0, "")
    lines: dict[str, Line2D] = {}
    for number, name in enumerate(dict.fromkeys(series)):
        points = zip(places, measure.values, series, strict=True)
        mine = sorted((x, y / up) for x, y, s in points if s == name and y is not None)
        colour = PALETTE[number % len(PALETTE)]
        (lines[name],) = axes.plot(
            [x for x, _ in mine],
            [y for _, y in mine],
            color=colour,
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle="-" if number < len(PALETTE) else "--",
            clip_on=False,
        )
        for i, interval in enumerate(measure.intervals):
            if interval is not None and series[i] == name:
                axes.vlines(places[i], interval[0] / up, interval[1] / up, color=colour, linewidth=1)
    axes.set_xlabel(f"{axis.name} ({unit})" if unit else axis.name)
    axes.set_ylabel(f"{measure.name} ({up_unit})" if up_unit else measure.name)
    # what has a unit starts at zero unless it hardly changes; a score such as accuracy is looked at closely
    if measure.unit and min(known) >= 0 and not 0.5 * max(known) < min(known) < 0.98 * max(known):
        axes.set_ylim(0, 1.08 * max(known) / up or 1)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    return lines


def _horizontal(axes: Axes, axis: Axis, room: int) -> tuple[list[float], str]:
    """Set up the horizontal axis; return each point's place on it, and its unit.

    ``room`` is how many characters of labels stand side by side without touching.
    """
    if any(isinstance(value, str) for value in axis.values):
        words = list(dict.fromkeys(map(str, axis.values)))
        axes.set_xticks(range(len(words)), words)
        axes.set_xlim(-0.4, len(words) - 0.6)
        return [float(words.index(str(value))) for value in axis.values], ""
    numbers = [float(value) for value in axis.values]
    logarithmic = min(numbers) > 0 and max(numbers) >= _LOGARITHMIC * min(numbers)
    middle = math.sqrt(min(numbers) * max(numbers)) if logarithmic else max(map(abs, numbers))
    factor, unit = scale_of(middle, axis.unit) if axis.unit else (1.0, "")
    places = [number / factor for number in numbers]
    distinct = sorted(set(places))
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xticks([], minor=True)
    if len(distinct) <= _TICKS:
        labels = [f"{place:.4g}" for place in distinct]
        step = -(-sum(len(text) + 2 for text in labels) // room)
        axes.set_xticks(distinct, [text if i % step == 0 else "" for i, text in enumerate(labels)])
    return places, unit
