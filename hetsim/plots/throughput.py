"""Requests: how many were completed by when, and how long each took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from hetsim.figures import rate
from hetsim.plots.style import PALETTE, SOFT, figure, label, nothing, scale_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hetsim.spans import Trace


@styled
def throughput(trace: Trace) -> Figure:
    """Completed requests over time, and the cumulative distribution of their latency."""
    import numpy as np

    plot, (left, right) = figure(2.8, 1, 2)
    if not len(trace.requests):
        nothing(left, "no request was completed")
        right.set_axis_off()
        return plot
    ended = np.sort(trace.requests.numpy("end")) / 1e12
    latency = np.sort(trace.requests.numpy("end") - trace.requests.numpy("arrival")) / 1e12
    _completed(left, ended, trace.seconds)
    _latency(right, latency)
    return plot


def _completed(axes: Axes, ended: Any, seconds: float) -> None:
    import numpy as np

    factor, unit = scale_of(seconds, "s")
    times = np.concatenate([[0.0], ended, [seconds]]) / factor
    counts = np.concatenate([[0], np.arange(1, len(ended) + 1), [len(ended)]])
    axes.plot(times, counts, drawstyle="steps-post", color=PALETTE[0])
    mean = rate(len(ended) / seconds if seconds else None)
    axes.set_title(f"mean {mean}", loc="left", color=SOFT, fontsize=8)
    axes.set(xlabel=f"time ({unit})", ylabel="completed requests", xlim=(0, 1.02 * seconds / factor or 1), ylim=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _latency(axes: Axes, latency: Any) -> None:
    import numpy as np

    factor, unit = scale_of(latency[-1], "s")
    share = np.arange(1, len(latency) + 1) / len(latency)
    axes.plot(
        np.concatenate([latency[:1], latency]) / factor,
        np.concatenate([[0], share]),
        drawstyle="steps-post",
        color=PALETTE[0],
    )
    p50, p95, p99 = np.percentile(latency, [50, 95, 99])
    said = "  ".join(f"p{q} {label(v, 's')}" for q, v in ((50, p50), (95, p95), (99, p99)))
    axes.set_title(said if len(latency) > 1 else label(p50, "s"), loc="left", color=SOFT, fontsize=8)
    axes.set(xlabel=f"latency ({unit})", ylabel="share of requests", ylim=(0, 1.02))
    if not _narrow(latency):
        axes.set_xlim(0, 1.02 * latency[-1] / factor or 1)


def _narrow(latency: Any) -> bool:
    """Whether the distribution has a width, but one too small to be seen on an axis that starts at zero."""
    return bool(0.02 * latency[-1] < latency[-1] - latency[0] < 0.5 * latency[-1])
