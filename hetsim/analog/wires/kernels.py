"""The compiled sweeps and conjugate gradients of a crossbar's circuit; imported late, for it imports Numba.

Everything is float64 and runs in one thread: the same circuit gives the same bytes. The unknowns are the voltages w of
the bit lines' nodes. Word lines are eliminated, which leaves ``(B + D) w - D (L + D)**-1 D w = r``: B and L are the
wires and what ends them, D the cells. Both ``(B + D)**-1``, which preconditions, and ``(L + D)**-1`` are a sweep along
all lines and one back, with factors that stay finite for wires of no resistance and for open ones.

A circuit is the tuple ``(cells [rows, columns], word share, word reach, bit share, bit reach)``, see `factor`; those of
word lines are [groups, columns, LANES], each group as many neighbouring rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

# of the energy that cells would take without wires: parts that hang on nothing are left with residuals of rounding
_NOISE = 1e-28
LANES = 8  # what is computed side by side: rows for one vector, vectors for many


def _compiled(**options: Any) -> Callable[[F], F]:
    # errors as in NumPy: with Python's, a division is a branch, and no loop that has one is vectorised
    fast = {"contract", "nsz"}
    return cast("Callable[[F], F]", numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fast, **options))


@_compiled()
def factor(shunts: Any, ohms: Any, opened: Any, first: int, share: Any, reach: Any) -> None:
    """Factors of the lines from number ``first`` on, whose nodes have ``shunts`` [nodes, lines] siemens to ground.

    ``ohms`` [nodes + 1] lead from ground to a line's first node, from each node to the next, and from the last to
    ground: 0 and infinity are meant. ``opened`` [n, 2]: line and segment of those that are open on top of that. Of a
    current that has come to a node, ``share`` goes on to the next; the rest lifts the node by ``reach`` ohms.
    """
    nodes, lines = shunts.shape
    level, ahead = np.zeros(lines), np.empty(lines)  # siemens to ground seen backwards, ohms of the segment ahead
    for k in range(-1, nodes):
        ahead[:] = ohms[k + 1]
        for n in range(opened.shape[0]):
            if opened[n, 1] == k + 1 and 0 <= opened[n, 0] - first < lines:
                ahead[opened[n, 0] - first] = np.inf
        if k < 0:
            level[:] = 1.0 / ahead
            continue
        for j in range(lines):
            here = level[j] + shunts[k, j]
            product = ahead[j] * here
            finite = product < np.inf
            part = 1.0 / (1.0 + product)
            share[k, j] = part if finite else 0.0
            reach[k, j] = ahead[j] * part if finite else (1.0 / here if here > 0.0 else 0.0)
            level[j] = here * part if finite else 1.0 / ahead[j]


@_compiled()
def factor_words(cells: Any, ohms: Any, opened: Any, share: Any, reach: Any) -> None:
    """`factor` for the word lines of ``cells`` [rows, columns], in groups."""
    rows, columns = cells.shape
    shunts = np.zeros((columns, LANES))
    for group in range(share.shape[0]):
        first = group * LANES
        for k in range(min(LANES, rows - first)):
            for j in range(columns):
                shunts[j, k] = cells[first + k, j]
        factor(shunts, ohms, opened, first, share[group], reach[group])


# --- one right-hand side ---


@_compiled()
def _sweep_words(share: Any, reach: Any, buffer: Any) -> None:
    """``buffer`` [columns, LANES], currents into a group of word lines, becomes their voltages."""
    last = buffer.shape[0] - 1
    for j in range(1, last + 1):
        for k in range(LANES):
            buffer[j, k] += share[j - 1, k] * buffer[j - 1, k]
    for k in range(LANES):
        buffer[last, k] *= reach[last, k]
    for j in range(last - 1, -1, -1):
        for k in range(LANES):
            buffer[j, k] = reach[j, k] * buffer[j, k] + share[j, k] * buffer[j + 1, k]


@_compiled()
def _word_voltages(circuit: Any, currents: Any, voltages: Any, buffer: Any) -> None:
    """``voltages`` [rows, columns] = (L + D)**-1 ``currents``."""
    _, share, reach, _, _ = circuit
    for first in range(0, currents.shape[0], LANES):
        rows = min(LANES, currents.shape[0] - first)
        for k in range(rows):
            for j in range(currents.shape[1]):
                buffer[j, k] = currents[first + k, j]
        _sweep_words(share[first // LANES], reach[first // LANES], buffer)
        for k in range(rows):
            for j in range(currents.shape[1]):
                voltages[first + k, j] = buffer[j, k]


@_compiled()
def _advance(circuit: Any, alpha: float, vectors: Any) -> float:
    """A step of ``alpha`` along p, whose image z holds, to new w and r; then ``z = (B + D)**-1 r``, and their product.

    ``vectors``: w, r, z, p and ``(B + D) p``, each [rows, columns].
    """
    _, _, _, share, reach = circuit
    w, r, z, p, _ = vectors
    rows, columns = r.shape
    sums, last = np.zeros(columns), rows - 1
    for i in range(rows):
        for j in range(columns):
            w[i, j] += alpha * p[i, j]
            r[i, j] -= alpha * z[i, j]
            z[i, j] = r[i, j]
        if i > 0:
            for j in range(columns):
                z[i, j] += share[i - 1, j] * z[i - 1, j]
    for j in range(columns):
        z[last, j] *= reach[last, j]
        sums[j] = r[last, j] * z[last, j]
    for i in range(last - 1, -1, -1):
        for j in range(columns):
            z[i, j] = reach[i, j] * z[i, j] + share[i, j] * z[i + 1, j]
            sums[j] += r[i, j] * z[i, j]
    return float(sums.sum())


@_compiled()
def _turn(circuit: Any, beta: float, vectors: Any, buffer: Any) -> float:
    """The next direction p, and in z its image; returns their product.

    ``(B + D) p`` is kept beside p: B, which may be infinite, is never applied.
    """
    cells, share, reach, _, _ = circuit
    _, r, z, p, pressed = vectors
    columns = cells.shape[1]
    sums = np.zeros(columns)
    for first in range(0, cells.shape[0], LANES):
        rows = min(LANES, cells.shape[0] - first)
        for k in range(rows):
            i = first + k
            for j in range(columns):
                p[i, j] = z[i, j] + beta * p[i, j]
                pressed[i, j] = r[i, j] + beta * pressed[i, j]
                buffer[j, k] = cells[i, j] * p[i, j]
        _sweep_words(share[first // LANES], reach[first // LANES], buffer)
        for k in range(rows):
            i = first + k
            for j in range(columns):
                z[i, j] = pressed[i, j] - cells[i, j] * buffer[j, k]
                sums[j] += p[i, j] * z[i, j]
    return float(sums.sum())


@_compiled()
def solve(circuit: Any, currents: Any, tolerance: float, limit: int, work: Any) -> int:
    """The circuit with all ends of its lines at ground and ``currents`` [rows, columns] from word to bit line through
    each cell besides what voltages drive; the total of both takes their place.

    ``work`` [5, rows, columns]: its first two become the voltages of the bit lines' and of the word lines' nodes.
    Returns the iterations taken, -1 if ``limit`` were not enough for an error of ``tolerance`` in the energy norm.
    """
    cells, buffer = circuit[0], np.zeros((currents.shape[1], LANES))
    w, u, r, p = work[0], work[1], work[2], work[3]
    energy = np.zeros(cells.shape[1])
    _word_voltages(circuit, currents, u, buffer)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            energy[j] += currents[i, j] ** 2 / cells[i, j] if cells[i, j] > 0.0 else 0.0
            r[i, j] = currents[i, j] - cells[i, j] * u[i, j]
            w[i, j], u[i, j], p[i, j], work[4, i, j] = 0.0, 0.0, 0.0, 0.0
    vectors = (w, r, u, p, work[4])
    taken, alpha, before, goal = -1, 0.0, 1.0, 0.0
    for step in range(limit + 1):
        product = _advance(circuit, alpha, vectors)
        goal = max(product * tolerance**2, energy.sum() * _NOISE) if step == 0 else goal
        if product <= goal:
            taken = step
            break
        alpha = product / _turn(circuit, product / before, vectors, buffer)
        before = product
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            r[i, j] = cells[i, j] * w[i, j] - currents[i, j]
    _word_voltages(circuit, r, u, buffer)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            currents[i, j] += cells[i, j] * (u[i, j] - w[i, j])
    return taken


# --- LANES right-hand sides ---


@_compiled()
def _sweep_word(share: Any, reach: Any, row: int, buffer: Any) -> None:
    """As `_sweep_words`, of one row for all lanes."""
    group, which, last = row // LANES, row % LANES, buffer.shape[0] - 1
    for j in range(1, last + 1):
        for k in range(LANES):
            buffer[j, k] += share[group, j - 1, which] * buffer[j - 1, k]
    for k in range(LANES):
        buffer[last, k] *= reach[group, last, which]
    for j in range(last - 1, -1, -1):
        for k in range(LANES):
            buffer[j, k] = reach[group, j, which] * buffer[j, k] + share[group, j, which] * buffer[j + 1, k]


@_compiled()
def _advance_lanes(circuit: Any, alpha: Any, vectors: Any, sums: Any, product: Any) -> None:
    _, _, _, share, reach = circuit
    w, r, z, p, _ = vectors
    rows, columns = share.shape
    last = rows - 1
    for i in range(rows):
        for j in range(columns):
            for k in range(LANES):
                w[i, j, k] += alpha[k] * p[i, j, k]
                r[i, j, k] -= alpha[k] * z[i, j, k]
                z[i, j, k] = r[i, j, k]
        if i > 0:
            for j in range(columns):
                for k in range(LANES):
                    z[i, j, k] += share[i - 1, j] * z[i - 1, j, k]
    for j in range(columns):
        for k in range(LANES):
            z[last, j, k] *= reach[last, j]
            sums[j, k] = r[last, j, k] * z[last, j, k]
    for i in range(last - 1, -1, -1):
        for j in range(columns):
            for k in range(LANES):
                z[i, j, k] = reach[i, j] * z[i, j, k] + share[i, j] * z[i + 1, j, k]
                sums[j, k] += r[i, j, k] * z[i, j, k]
    product[:] = sums.sum(axis=0)


@_compiled()
def _turn_lanes(circuit: Any, beta: Any, vectors: Any, buffer: Any, sums: Any, product: Any) -> None:
    cells, share, reach, _, _ = circuit
    _, r, z, p, pressed = vectors
    sums[:] = 0.0
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            for k in range(LANES):
                p[i, j, k] = z[i, j, k] + beta[k] * p[i, j, k]
                pressed[i, j, k] = r[i, j, k] + beta[k] * pressed[i, j, k]
                buffer[j, k] = cells[i, j] * p[i, j, k]
        _sweep_word(share, reach, i, buffer)
        for j in range(cells.shape[1]):
            for k in range(LANES):
                z[i, j, k] = pressed[i, j, k] - cells[i, j] * buffer[j, k]
                sums[j, k] += p[i, j, k] * z[i, j, k]
    product[:] = sums.sum(axis=0)


@_compiled()
def _start_lanes(circuit: Any, ports: Any, r: Any, buffer: Any, energy: Any) -> None:
    cells, share, reach, _, _ = circuit
    words, bits, pushed = ports
    rows, columns = cells.shape
    energy[:] = 0.0
    for i in range(rows):
        for j in range(columns):
            for k in range(LANES):
                volts = words[i, k] - bits[j, k]
                buffer[j, k] = cells[i, j] * volts
                r[i, j, k] = buffer[j, k]
                energy[j, k] += buffer[j, k] * volts
        _sweep_word(share, reach, i, buffer)
        for j in range(columns):
            for k in range(LANES):
                r[i, j, k] -= cells[i, j] * buffer[j, k]
    for j in range(columns):
        for k in range(LANES):
            r[rows - 1, j, k] += pushed[j, k]


@_compiled()
def _sum_lanes(circuit: Any, ports: Any, weights: Any, w: Any, buffer: Any, sums: Any) -> None:
    """Currents through the cells of each row and column, and squares of the cells' voltages by row."""
    cells, share, reach, _, _ = circuit
    words, bits, _ = ports
    of_rows, of_columns, squares = sums
    of_rows[:], of_columns[:], squares[:] = 0.0, 0.0, 0.0
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            for k in range(LANES):
                buffer[j, k] = cells[i, j] * (w[i, j, k] + bits[j, k] - words[i, k])
        _sweep_word(share, reach, i, buffer)
        for j in range(cells.shape[1]):
            for k in range(LANES):
                across = words[i, k] + buffer[j, k] - bits[j, k] - w[i, j, k]
                of_rows[i, k] += cells[i, j] * across
                of_columns[j, k] += cells[i, j] * across
                squares[i, k] += weights[i, j] * across * across


@_compiled()
def solve_lanes(circuit: Any, ports: Any, weights: Any, tolerance: float, limit: int, work: Any, sums: Any) -> int:
    """`solve` for `LANES` states of the ends of the lines.

    ``ports``: volts at the ends of word lines [rows, LANES] and of bit lines [columns, LANES], and amperes pushed into
    the bit lines' last nodes [columns, LANES]. ``work`` [5, rows, columns, LANES]; its first becomes the voltages of
    bit lines above their ends. ``sums``: currents through the cells of each row [rows, LANES] and of each column
    [columns, LANES], and the squares of the cells' voltages by row, times ``weights`` [rows, columns].
    """
    w, r, z, p, pressed = work[0], work[1], work[2], work[3], work[4]
    columns = circuit[0].shape[1]
    buffer, parts = np.empty((columns, LANES)), np.empty((columns, LANES))
    now, before, goal, image = np.zeros(LANES), np.ones(LANES), np.zeros(LANES), np.zeros(LANES)
    alpha, taken = np.zeros(LANES), -1
    w[:], z[:], p[:], pressed[:] = 0.0, 0.0, 0.0, 0.0
    _start_lanes(circuit, ports, r, buffer, parts)
    noise = parts.sum(axis=0) * _NOISE
    for step in range(limit + 1):
        _advance_lanes(circuit, alpha, (w, r, z, p, pressed), parts, now)
        if step == 0:
            goal[:] = np.maximum(now * tolerance**2, noise)
        if (now <= goal).all():
            taken = step
            break
        _turn_lanes(circuit, now / before, (w, r, z, p, pressed), buffer, parts, image)
        for k in range(LANES):
            alpha[k] = now[k] / image[k] if image[k] > 0.0 else 0.0
            before[k] = now[k] if now[k] > 0.0 else 1.0
    _sum_lanes(circuit, ports, weights, w, buffer, sums)
    return taken
