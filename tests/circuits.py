"""Crossbars as lists of resistors between nodes, and the nodal analysis of any such list."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix

from hetsim.analog.wires.sheet import Wires

Array = np.ndarray[Any, np.dtype[np.float64]]
Resistor = tuple[str, str, float]


def resistors(cells: Array, wires: Wires, floating: bool = False) -> Iterator[Resistor]:
    """Every resistor of a crossbar: nodes and ohms, zero and infinity included.

    Nodes ``w{i}_{j}`` lie on word lines and ``b{i}_{j}`` on bit lines, ``a{i}_{j}`` between a cell and its transistor;
    ``d{i}`` are the drivers, ``s{j}`` the sense amplifiers (``t{j}`` at the other end).
    """
    rows, columns = cells.shape
    for i, j in np.ndindex(rows, columns):
        yield f"w{i}_{j}", f"a{i}_{j}", float(1 / cells[i, j]) if cells[i, j] else math.inf
        yield f"a{i}_{j}", f"b{i}_{j}", wires.access
    for i in range(rows):
        ends = [wires.source, *[wires.word_line] * (columns - 1), wires.source]
        if wires.drive == "one_sided":
            ends[-1] = math.inf
        nodes = [f"d{i}", *(f"w{i}_{j}" for j in range(columns)), f"d{i}"]
        for k, ohms in enumerate(ends):
            yield nodes[k], nodes[k + 1], math.inf if (i, k) in wires.open_word_lines else ohms
    sense = math.inf if floating else wires.sense
    for j in range(columns):
        ends = [sense, *[wires.bit_line] * (rows - 1), sense]
        if wires.sensing == "one_sided":
            ends[0] = math.inf
        nodes = [f"t{j}", *(f"b{i}_{j}" for i in range(rows)), f"s{j}"]
        for k, ohms in enumerate(ends):
            yield nodes[k], nodes[k + 1], math.inf if (j, k) in wires.open_bit_lines else ohms


class Nodal:
    """Kirchhoff's current law at every node of a list of resistors, in which the ``fixed`` nodes have given volts.

    Nodes without resistance between them are one node. ``matrix @ volts = amperes`` for the nodes that are not fixed.
    """

    def __init__(self, parts: Sequence[Resistor], fixed: Mapping[str, float]) -> None:
        self._fixed, self._merged = fixed, dict[str, str]()
        for a, b, ohms in parts:
            x, y = self._node(a), self._node(b)
            if ohms == 0 and x != y:
                kept, gone = (x, y) if x in fixed else (y, x)
                assert fixed.get(gone) in (None, fixed.get(kept)), "two sources would be in parallel"
                self._merged[gone] = kept
        self._number: dict[str, int] = {}
        entries, amperes = [], dict[int, float]()
        for a, b, ohms in parts:
            ends = self._node(a), self._node(b)
            if ohms in (0, math.inf) or ends[0] == ends[1]:
                continue
            for here, there in (ends, ends[::-1]):
                if here in fixed:
                    continue
                entries.append((1 / ohms, self._of(here), self._of(here)))
                if there in fixed:
                    amperes[self._of(here)] = amperes.get(self._of(here), 0.0) + fixed[there] / ohms
                else:
                    entries.append((-1 / ohms, self._of(here), self._of(there)))
        size = len(self._number)
        siemens, i, j = np.array(entries).reshape(-1, 3).T
        self.matrix: csc_matrix = coo_matrix((siemens, (i.astype(int), j.astype(int))), shape=(size, size)).tocsc()
        self.amperes = np.array([amperes.get(n, 0.0) for n in range(size)])

    def _node(self, name: str) -> str:
        while name in self._merged:
            name = self._merged[name]
        return name

    def _of(self, node: str) -> int:
        return self._number.setdefault(node, len(self._number))

    def voltage(self, name: str, volts: Array) -> float:
        """Of one node, by its name; zero for one that hangs on nothing."""
        node = self._node(name)
        if node in self._fixed:
            return self._fixed[node]
        return float(volts[self._number[node]]) if node in self._number else 0.0


def nodal(cells: Array, wires: Wires, drivers: Array, floating: bool = False, ends: float = 0.0) -> Nodal:
    """The equations of a crossbar with ``drivers`` [rows] volts, and ``ends`` volts where currents are sensed."""
    fixed = {f"d{i}": float(v) for i, v in enumerate(drivers)}
    if not floating:
        fixed |= {f"{end}{j}": ends for end in "st" for j in range(cells.shape[1])}
    return Nodal(list(resistors(cells, wires, floating)), fixed)


def through_cells(cells: Array, found: Nodal, volts: Array) -> Array:
    """Amperes through each cell [rows, columns]."""
    drop = [found.voltage(f"w{i}_{j}", volts) - found.voltage(f"a{i}_{j}", volts) for i, j in np.ndindex(cells.shape)]
    flow: Array = cells * np.array(drop).reshape(cells.shape)
    return flow


def dissipation(parts: Sequence[Resistor], found: Nodal, volts: Array) -> float:
    """Watts in all resistors."""
    drops = ((found.voltage(a, volts) - found.voltage(b, volts), ohms) for a, b, ohms in parts if ohms)
    return sum(drop**2 / ohms for drop, ohms in drops if ohms < math.inf)
