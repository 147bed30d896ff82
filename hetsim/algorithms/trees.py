"""Decision trees by impurity [Breiman 1984; Breiman 2001]: grown before t = 0, and written as boxes of intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hetsim.workload import Array


@dataclass(frozen=True, slots=True)
class Node:
    """A question, whether a feature is below a threshold (then ``below``); at a leaf the ``shares`` of the classes."""

    shares: Array
    feature: int = -1
    threshold: float = 0.0
    below: Node | None = None
    above: Node | None = None


def grow(x: Array, y: Array, classes: int, depth: int, features: int, random: np.random.Generator) -> Node:
    """A tree of so many levels of questions; each looks at as many ``features``, drawn anew, for the purest split."""
    counts = np.bincount(y, minlength=classes)
    shares = counts / len(y)
    if depth == 0 or counts.max() == len(y):
        return Node(shares)
    tried = random.permutation(x.shape[1])[:features]
    splits = [(*split, int(f)) for f in tried if (split := _best(x[:, f], y, classes)) is not None]
    if not splits:
        return Node(shares)
    _, threshold, feature = min(splits)
    lower = x[:, feature] < np.float32(threshold)
    parts = [grow(x[p], y[p], classes, depth - 1, features, random) for p in (lower, ~lower)]
    return Node(shares, feature, threshold, parts[0], parts[1])


def _best(values: Array, y: Array, classes: int) -> tuple[float, float] | None:
    """The weighted Gini impurity of the best split of one feature, and its threshold; None if all values are equal."""
    order = np.argsort(values, kind="stable")
    ordered, hot = values[order], np.eye(classes)[y[order]]
    below = np.cumsum(hot, axis=0)[:-1]
    above = below[-1] + hot[-1] - below
    n = np.arange(1, len(y))
    impurity = len(y) - (below**2).sum(axis=1) / n - (above**2).sum(axis=1) / n[::-1]
    impurity[ordered[1:] == ordered[:-1]] = np.inf
    at = int(impurity.argmin())
    if not np.isfinite(impurity[at]):
        return None
    middle = np.float32((float(ordered[at]) + float(ordered[at + 1])) / 2)
    return float(impurity[at]), float(middle if middle > ordered[at] else ordered[at + 1])


def walked(tree: Node, x: Array) -> Array:
    """The shares of the classes at the leaf of each sample, float64 [m, classes]."""
    if tree.below is None or tree.above is None:
        return np.broadcast_to(tree.shares, (len(x), len(tree.shares)))
    lower = x[:, tree.feature] < np.float32(tree.threshold)
    out = np.empty((len(x), len(tree.shares)))
    out[lower], out[~lower] = walked(tree.below, x[lower]), walked(tree.above, x[~lower])
    return out


def boxes(tree: Node, features: int) -> tuple[Array, Array, Array]:
    """A box for each leaf: float32 bounds ``low`` and ``high`` [leaves, features], and its shares of the classes."""
    low, high = np.full(features, -np.inf, "float32"), np.full(features, np.inf, "float32")
    found: list[tuple[Array, Array, Array]] = []
    waiting = [(tree, low, high)]
    while waiting:
        node, low, high = waiting.pop()
        if node.below is None or node.above is None:
            found.append((low, high, node.shares))
            continue
        middle = np.float32(node.threshold)
        left, right = high.copy(), low.copy()
        left[node.feature], right[node.feature] = min(high[node.feature], middle), max(low[node.feature], middle)
        waiting += [(node.below, low, left), (node.above, right, high)]
    lows, highs, shares = zip(*found, strict=True)
    return np.array(lows), np.array(highs), np.array(shares)
