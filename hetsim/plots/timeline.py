"""The timeline: what ran where and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import colors

from hetsim.plots.style import (
    NEUTRAL,
    OTHER,
    PALETTE,
    SOFT,
    figure,
    label,
    legend,
    lighter,
    nothing,
    palette,
    scale_of,
    styled,
)
from hetsim.spans import TICKS_PER_SECOND, lanes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hetsim.spans import Trace

_BARS = 120  # more than so many spans are not told apart in one timeline
_TRANSFER = ""  # stands for an op's name on links


@dataclass(frozen=True, slots=True)
class _Row:
    """The bars of a component or link, in ticks."""

    name: str
    start: list[int]
    end: list[int]
    op: list[str]
    request: list[int]
    lane: list[int]

    @property
    def height(self) -> float:
        """One for the first lane, half for each further one, up to where they have to share."""
        return 1 + 0.55 * min(max(self.lane), 6)


@styled
def timeline(trace: Trace, window: tuple[float, float] | None = None) -> Figure:
    """Gantt chart: a row each component and link that worked, bars coloured by op, shaded by request.

    ``window`` in seconds; by default the whole run, or its beginning when it is long.
    """
    first, last = _window(trace, window)
    rows = [*_rows(trace, first, last)]
    plot, (axes,) = figure(1.1 + 0.34 * sum(row.height for row in rows))
    if not rows:
        nothing(axes, "nothing ran")
        return plot
    tint = _op_colours(trace) | {_TRANSFER: NEUTRAL}
    factor, unit = scale_of((last - first) / TICKS_PER_SECOND, "s")
    scale, top, centres = TICKS_PER_SECOND * factor, 0.0, []
    for row in rows:
        _bars(axes, row, top, tint, scale, (last - first) / scale)
        centres.append(top + row.height / 2)
        top += row.height
    axes.set(ylim=(top, 0), xlim=(first / scale, last / scale), xlabel=f"time ({unit})")
    axes.set_yticks(centres, [row.name for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(_shown(trace, rows, first, last), loc="left", color=SOFT, fontsize=8)
    legend(plot, _entries(rows, tint))
    return plot


def _window(trace: Trace, window: tuple[float, float] | None) -> tuple[int, int]:
    """The window in ticks: as asked for, else as much of the beginning as can be told apart."""
    if window is not None:
        return round(window[0] * TICKS_PER_SECOND), round(window[1] * TICKS_PER_SECOND)
    starts = sorted([*trace.spans["start"], *trace.transfers["start"]])
    if len(starts) <= _BARS:
        return 0, max(trace.end, 1)
    return 0, max(starts[_BARS], 1)


def _rows(trace: Trace, first: int, last: int) -> Iterator[_Row]:
    """The components and links with work in the window, in the scenario's order."""
    for names, columns, place in (
        (trace.components, trace.spans, "component"),
        (trace.links, trace.transfers, "link"),
    ):
        found: list[list[int]] = [[] for _ in names]
        for i, (where, start, end) in enumerate(zip(columns[place], columns["start"], columns["end"], strict=True)):
            if start < last and (end > first or start >= first):
                found[where].append(i)
        for name, mine in zip(names, found, strict=True):
            if mine:
                start, end, request = ([columns[c][i] for i in mine] for c in ("start", "end", "request"))
                request = [r // max(1, len(trace.tenants)) for r in request]  # a tenant's own numbers alternate
                ops = [_op(trace, i) for i in mine] if place == "component" else [_TRANSFER] * len(mine)
                yield _Row(name, start, end, ops, request, lanes(start, end))


def _op(trace: Trace, i: int) -> str:
    graph: int = trace.spans["graph"][i]
    op: int = trace.spans["op"][i]
    return trace.graphs[graph].ops[op]


def _op_colours(trace: Trace) -> dict[str, str]:
    """Colours of the ops in order of the graph: those that take most time get one of their own."""
    busy: dict[str, int] = {op: 0 for graph in trace.graphs for op in graph.ops}
    columns = (trace.spans[name] for name in ("graph", "op", "start", "end"))
    for graph, op, start, end in zip(*columns, strict=True):
        busy[trace.graphs[graph].ops[op]] += end - start
    top = set(sorted(busy, key=lambda name: -busy[name])[: len(PALETTE)])
    tint = palette(name for name in busy if name in top)
    return {name: tint.get(name, OTHER) for name in busy}


def _bars(axes: Axes, row: _Row, top: float, tint: Mapping[str, str], scale: float, width: float) -> None:
    """Draw a row's bars, each lane a strip; white edges only where a bar is wide enough to bear them."""
    strip = (row.height - 0.25) / (max(row.lane) + 1)
    for lane in range(max(row.lane) + 1):
        mine = [i for i, at in enumerate(row.lane) if at == lane]
        bars = [(row.start[i] / scale, (row.end[i] - row.start[i]) / scale) for i in mine]
        shades = [lighter(tint[row.op[i]]) if row.request[i] % 2 else colors.to_rgb(tint[row.op[i]]) for i in mine]
        edges = ["white" if length > width / 120 else shade for (_, length), shade in zip(bars, shades, strict=True)]
        at = (top + 0.125 + lane * strip, strip)
        axes.broken_barh(bars, at, facecolors=shades, edgecolors=edges, linewidth=0.5)
        for i, (left, length), shade in zip(mine, bars, shades, strict=True):
            if row.op[i] and length > width * (0.012 * len(row.op[i]) + 0.012):
                _name(axes, row.op[i], (left + length / 2, at[0] + strip / 2), shade)


def _name(axes: Axes, name: str, centre: tuple[float, float], colour: tuple[float, float, float]) -> None:
    """Write an op's name into its bar, in black or white, whichever is seen better."""
    red, green, blue = colour
    ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"
    axes.text(*centre, name, ha="center", va="center", fontsize=7, color=ink, clip_on=True)


def _shown(trace: Trace, rows: list[_Row], first: int, last: int) -> str:
    """What part of the run is shown, in words."""
    requests = {request for row in rows for request in row.request}
    said = ["shades alternate by request"] if len(requests) > 1 else []
    if (first, last) != (0, max(trace.end, 1)):
        length = f"{label((last - first) / TICKS_PER_SECOND, 's')} of {label(trace.seconds, 's')}"
        said.insert(0, f"{'the first ' if first == 0 else ''}{length}")
    return "; ".join(said)


def _entries(rows: list[_Row], tint: Mapping[str, str]) -> dict[str, str]:
    seen = {name for row in rows for name in row.op}
    entries = {name: tint[name] for name in tint if name in seen and name != _TRANSFER and tint[name] != OTHER}
    if any(tint[name] == OTHER for name in seen):
        entries["other ops"] = OTHER
    if _TRANSFER in seen:
        entries["transfers"] = NEUTRAL
    return entries
