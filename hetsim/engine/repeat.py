"""The same question asked of several chips: derived seeds, means and intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hetsim.keys import key

# two-sided 95 % quantiles of Student's t for 1 … 30 degrees of freedom
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def seeds(seed: int, count: int) -> list[int]:
    """The seeds of ``count`` chips; the first is the scenario's own."""
    return [seed] + [key(seed, "repeat", n) >> 1 for n in range(1, count)]


def summarise(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means of the metrics over several results, and under ``repeats`` each one's values and 95 % interval."""
    names = documents[0]["metrics"]
    table = {name: [d["metrics"][name] for d in documents if name in d["metrics"]] for name in names}
    return {
        "metrics": {name: statistics.fmean(values) for name, values in table.items()},
        "repeats": {
            "seeds": [d["seed"] for d in documents],
            "metrics": {
                name: {"mean": statistics.fmean(values), "ci95": interval(values), "values": values}
                for name, values in table.items()
            },
        },
    }


def averaged(tenants: Mapping[str, dict[str, Any]], metrics: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """The tenants' parts of a result with the means of their metrics, which bear the tenants' names in ``metrics``."""
    return {
        tenant: {**part, "metrics": {name: metrics[f"{tenant}.{name}"] for name in part["metrics"]}}
        for tenant, part in tenants.items()
    }


def interval(values: Sequence[float]) -> list[float]:
    """The 95 % confidence interval of the mean (Student's t)."""
    mean, n = statistics.fmean(values), len(values)
    if n < 2:
        return [mean, mean]
    t = _T[n - 2] if n - 2 < len(_T) else 1.96 + 2.4 / (n - 1)
    half = t * statistics.stdev(values) / math.sqrt(n)
    return [mean - half, mean + half]
