"""Requests: how many were completed by when, and how long each took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from hetsim.figures import rate
from hetsim.plots.style import SOFT, figure, label, legend, nothing, palette, scale_of, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hetsim.spans import Trace


@styled
def throughput(trace: Trace) -> Figure:
    """Completed requests over time, and the cumulative distribution of their latency; a line for each tenant."""
    plot, (left, right) = figure(2.8, 1, 2)
    if not len(trace.requests):
        nothing(left, "no request was completed")
        right.set_axis_off()
        return plot
    lines = _lines(trace)
    tint = palette(lines)
    _completed(left, {name: ended for name, (ended, _) in lines.items()}, trace.seconds, tint)
    _latency(right, {name: spent for name, (_, spent) in lines.items()}, tint)
    legend(plot, tint if trace.tenants else {})
    return plot


def _lines(trace: Trace) -> dict[str, tuple[Any, Any]]:
    """By tenant when its requests ended and how long they took, in seconds, each in order."""
    import numpy as np

    number, arrival, end = (trace.requests.numpy(name) for name in ("request", "arrival", "end"))
    names = trace.tenants or [""]
    mine = {name: number % len(names) == k for k, name in enumerate(names)}
    return {name: (np.sort(end[on]) / 1e12, np.sort(end[on] - arrival[on]) / 1e12) for name, on in mine.items()}


def _completed(axes: Axes, lines: Mapping[str, Any], seconds: float, tint: Mapping[str, str]) -> None:
    import numpy as np

    factor, unit = scale_of(seconds, "s")
    for name, ended in lines.items():
        times = np.concatenate([[0.0], ended, [seconds]]) / factor
        counts = np.concatenate([[0], np.arange(1, len(ended) + 1), [len(ended)]])
        axes.plot(times, counts, drawstyle="steps-post", color=tint[name])
    mean = rate(sum(map(len, lines.values())) / seconds if seconds else None)
    axes.set_title(f"mean {mean}", loc="left", color=SOFT, fontsize=8)
    axes.set(xlabel=f"time ({unit})", ylabel="completed requests", xlim=(0, 1.02 * seconds / factor or 1), ylim=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _latency(axes: Axes, lines: Mapping[str, Any], tint: Mapping[str, str]) -> None:
    import numpy as np

    latency = np.sort(np.concatenate(list(lines.values())))
    factor, unit = scale_of(latency[-1], "s")
    for name, spent in lines.items():
        share = np.arange(len(spent) + 1) / max(len(spent), 1)
        times = np.concatenate([spent[:1], spent]) / factor
        axes.plot(times, share[: len(times)], drawstyle="steps-post", color=tint[name])
    p50, p95, p99 = np.percentile(latency, [50, 95, 99])
    said = "  ".join(f"p{q} {label(v, 's')}" for q, v in ((50, p50), (95, p95), (99, p99)))
    axes.set_title(said if len(latency) > 1 else label(p50, "s"), loc="left", color=SOFT, fontsize=8)
    axes.set(xlabel=f"latency ({unit})", ylabel="share of requests", ylim=(0, 1.02))
    if not _narrow(latency):
        axes.set_xlim(0, 1.02 * latency[-1] / factor or 1)


def _narrow(latency: Any) -> bool:
    """Whether the distribution has a width, but one too small to be seen on an axis that starts at zero."""
    return bool(0.02 * latency[-1] < latency[-1] - latency[0] < 0.5 * latency[-1])
