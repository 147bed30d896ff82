"""Energy over time: each span's joules spread evenly over its duration, and static power all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from hetsim.spans import Trace

    Numbers = np.ndarray[Any, np.dtype[Any]]


def binned(start: Numbers, end: Numbers, joules: Numbers, edges: Numbers) -> Numbers:
    """Joules in each bin between ``edges`` (equal widths, same unit as ``start`` and ``end``), exactly.

    A span outside the edges counts only with the part that lies inside; one without duration counts whole in
    its bin, in the last one when it lies on the last edge.
    """
    import numpy as np

    bins, first, last = len(edges) - 1, edges[0], edges[-1]
    width = (last - first) / bins
    length = (end - start).astype(float)
    a, b = np.clip(start, first, last), np.clip(end, first, last)
    inside = (a < b) | ((length == 0) & (start >= first) & (start <= last))
    a, b, joules, length = a[inside], b[inside], joules[inside], length[inside]
    per = np.divide(joules, length, out=np.zeros_like(joules), where=length > 0)
    i, k = (np.clip(((t - first) / width).astype(np.int64), 0, bins - 1) for t in (a, b))
    alone = i == k
    part = np.where(length > 0, per * (b - a), joules)
    total = np.zeros(bins)
    total += np.bincount(i[alone], weights=part[alone], minlength=bins)
    i, k, a, b, per = i[~alone], k[~alone], a[~alone], b[~alone], per[~alone]
    total += np.bincount(i, weights=per * (edges[i + 1] - a), minlength=bins)
    total += np.bincount(k, weights=per * (b - edges[k]), minlength=bins)
    # whole bins in between, as a running sum of what begins and what ends
    rise = np.bincount(i + 1, weights=per, minlength=bins + 1) - np.bincount(k, weights=per, minlength=bins + 1)
    crossing = np.bincount(i + 1, minlength=bins + 1) - np.bincount(k, minlength=bins + 1)
    busy = np.cumsum(crossing)[:bins] > 0
    return total + np.where(busy, np.cumsum(rise)[:bins] * width, 0.0)


def over_time(trace: Trace, bins: int = 400) -> tuple[Numbers, dict[str, Numbers], dict[str, float]]:
    """Return bin edges in seconds, dynamic power (W) of each component and link by bin, static power of each.

    The area under all of them is the run's energy. What a part pays for another's op (a shared DRAM) appears
    at the component that ran the op.
    """
    import numpy as np

    edges = np.linspace(0, max(trace.end, 1), bins + 1)
    seconds = edges / 1e12
    width = seconds[-1] / bins
    dynamic: dict[str, Numbers] = {}
    for names, columns, key in (
        (trace.components, trace.spans, "component"),
        (trace.links, trace.transfers, "link"),
    ):
        place, joules = columns.numpy(key), columns.numpy("joules")
        start, end = columns.numpy("start"), columns.numpy("end")
        for index, name in enumerate(names):
            mine = place == index
            dynamic[name] = binned(start[mine], end[mine], joules[mine], edges) / width
    return seconds, dynamic, {name: trace.static_power(name) for name in dynamic}
