"""Layers: a matrix with the precision and redundancy that its storage asks for, on one crossbar array or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog.crossbar import Crossbar, Mode, Reading
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import as_matrix
from hetsim.analog.windows import Windows
from hetsim.keys import key as derive


@dataclass(frozen=True, slots=True)
class Layer:
    """``replicas`` of a matrix, each a tuple of crossbars whose outputs are added up: the second holds what the first
    one lacks, and so on [Song 2024]."""

    sheet: MacroSheet
    replicas: tuple[tuple[Crossbar, ...], ...]

    @classmethod
    def program(
        cls,
        weights: ArrayLike,
        sheet: MacroSheet,
        key: int,
        time: float = 0.0,
        stuck: Sequence[ArrayLike | None] | None = None,
        tiles: Sequence[Sequence[int]] | None = None,
        mode: Mode = "analog",
    ) -> Self:
        """Store ``weights`` [K, N]. ``stuck`` and ``tiles`` of each crossbar: see `Crossbar.program`.

        Each array but the last is read back, and what it lacks is written to the next at a scale of its own.
        """
        replicas: list[tuple[Crossbar, ...]] = []
        matrix = as_matrix(weights)
        for r in range(sheet.replicas):
            lacking, bars = matrix, list[Crossbar]()
            for a in range(sheet.arrays):
                i = r * sheet.arrays + a
                own = key if i == 0 else derive(key, "array", r, a)
                faults, where = stuck[i] if stuck else None, tiles[i] if tiles else None
                bars.append(Crossbar.program(lacking, sheet, own, time, faults, where))
                if a + 1 < sheet.arrays:
                    lacking = lacking - bars[-1].read_back(time, derive(own, "lacking"), mode)
            replicas.append(tuple(bars))
        return cls(sheet, tuple(replicas))

    @property
    def crossbars(self) -> tuple[Crossbar, ...]:
        """Every crossbar, one replica after the other."""
        return tuple(bar for bars in self.replicas for bar in bars)

    def mvm(
        self,
        x: ArrayLike | Windows,
        time: float,
        key: int,
        mode: Mode = "analog",
        *,
        signed: bool | None = None,
        first: int = 0,
        transposed: bool = False,
    ) -> Reading:
        """Products as in `Crossbar.mvm`; vector i, counted from ``first``, goes to replica i modulo their number."""
        inputs: Any = x if isinstance(x, Windows) else np.asarray(x, dtype=np.float32)
        count, found, values = len(self.replicas), list[Reading](), np.empty(0, np.float32)
        if isinstance(inputs, Windows) and count > 1:
            inputs = inputs.matrix  # each replica takes vectors from everywhere
        if signed is None:
            signed = inputs.negative if isinstance(inputs, Windows) else bool((inputs < 0).any())
        if self.sheet.replicas == self.sheet.arrays == 1:
            bar = self.replicas[0][0]
            return bar.mvm(inputs, time, key, mode, signed=signed, first=first, transposed=transposed)
        for r, bars in enumerate(self.replicas):
            at = (r - first) % count
            part = inputs[at::count] if count > 1 else inputs
            if count > 1 and len(part) == 0:
                continue
            reads = [
                bar.mvm(
                    part, time, key if r == a == 0 else derive(key, "array", r, a), mode,
                    signed=signed, first=(first + at) // count, transposed=transposed,
                )
                for a, bar in enumerate(bars)
            ]  # fmt: skip
            found += reads
            total: NDArray[np.float32] = reads[0].values
            for more in reads[1:]:
                total = total + more.values
            if count == 1:
                values = total
                continue
            values = np.empty((inputs.shape[0], total.shape[1]), np.float32) if values.size == 0 else values
            values[at::count] = total
        return Reading(
            values,
            sum(read.joules for read in found),
            sum(read.conversions for read in found),
            sum(read.clipped for read in found),
            sum(read.checked for read in found),
            sum(read.wrong for read in found),
        )
