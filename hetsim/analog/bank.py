"""A bank of crossbars: the chip's physical tiles, what they store, and how worn they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetsim.analog import conductance
from hetsim.analog.crossbar import Crossbar
from hetsim.analog.layer import Layer
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.programming import Programming
from hetsim.keys import key as derive

Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Written:
    """What storing matrices took: seconds, and write pulses of all cells together."""

    seconds: float
    pulses: float


@dataclass(frozen=True, slots=True)
class Stored:
    """Matrices under one name (one for each group of a grouped operator), the numbers of the tiles that each of their
    crossbars takes, and what writing them took. ``transposed``: the caller's mark of which side is up."""

    layers: tuple[Layer, ...]
    tiles: tuple[tuple[int, ...], ...]
    written: Written
    transposed: bool = False

    @property
    def crossbars(self) -> tuple[Crossbar, ...]:
        """The crossbars of every layer, in the order of ``tiles``."""
        return tuple(bar for layer in self.layers for bar in layer.crossbars)


class Bank:
    """``count`` crossbars. Each has cells of its own: which are stuck, and how many pulses each has had, stays with
    the tile whatever is stored on it. ``key`` decides which are stuck."""

    def __init__(self, sheet: MacroSheet, programming: Programming, count: int, key: int) -> None:
        self._sheet, self._programming, self._key = sheet, programming, key
        self._free = list(range(count))
        self._pulses: dict[int, NDArray[np.uint32]] = {}
        self._writings: dict[Name, int] = {}
        self.stored: dict[Name, Stored] = {}

    def store(
        self,
        name: Name,
        matrices: NDArray[Any],
        time: float,
        age: float = 0.0,
        sheet: MacroSheet | None = None,
        transposed: bool = False,
    ) -> Stored:
        """Write matrices [G, K, N] that are ``age`` seconds old at ``time``, and return what was stored.

        ``sheet`` is the bank's own, or as a layer has it stored. The oldest matrices make room. Raises ValueError when
        there are not enough tiles at all.
        """
        sheet = self._sheet if sheet is None else sheet
        tiling, arrays = sheet.tiling(*matrices.shape[1:]), sheet.replicas * sheet.arrays
        self._make_room(len(matrices) * arrays * tiling.tiles)
        writing = self._writings[name] = self._writings.get(name, 0) + 1
        layers: list[Layer] = []
        taken: list[tuple[int, ...]] = []
        placed = []
        for g, matrix in enumerate(matrices):
            tiles = [tuple(self._free.pop(0) for _ in range(tiling.tiles)) for _ in range(arrays)]
            key = derive(self._key, "program", *name, g, writing)
            stuck = [self._stuck(each, tiling) for each in tiles]
            keys = [[derive(self._key, "tile", t) for t in each] for each in tiles]
            layers.append(Layer.program(matrix, sheet, key, time - age, stuck, keys))
            for each, crossbar in zip(tiles, layers[-1].crossbars, strict=True):
                pulses = tiling.place(crossbar.pulses)
                self._wear(each, pulses)
                placed.append(pulses)
            taken += tiles
        every = np.concatenate(placed)
        written = Written(self._programming.taken(every, self._sheet.device.write), float(every.sum(dtype=np.float64)))
        self.stored[name] = Stored(tuple(layers), tuple(taken), written, transposed)
        return self.stored[name]

    def release(self, name: Name) -> None:
        """Give up what is stored under a name; its tiles may be written anew."""
        for tiles in self.stored.pop(name).tiles:
            self._free += tiles
        self._free.sort()

    def worst(self) -> int:
        """Most write pulses that any cell has had."""
        return max((int(pulses.max()) for pulses in self._pulses.values()), default=0)

    def _make_room(self, tiles: int) -> None:
        for name in list(self.stored):
            if len(self._free) >= tiles:
                return
            self.release(name)
        if len(self._free) < tiles:
            raise ValueError(f"{tiles} crossbars are needed, the bank has {len(self._free)}")

    def _wear(self, tiles: tuple[int, ...], pulses: NDArray[np.uint32]) -> None:
        for tile, new in zip(tiles, pulses, strict=True):
            had = self._pulses.setdefault(tile, np.zeros((self._sheet.rows, self._sheet.columns), np.uint32))
            had[: new.shape[0], : new.shape[1]] += new

    def _stuck(self, tiles: tuple[int, ...], tiling: Tiling) -> NDArray[np.float32] | None:
        shape = (self._sheet.rows, self._sheet.columns)
        maps = [conductance.stuck(self._sheet.device, shape, derive(self._key, "tile", t)) for t in tiles]
        if all(found is None for found in maps):
            return None
        healthy = np.full(shape, np.nan, np.float32)
        placed = np.stack([healthy if found is None else found for found in maps])
        return np.asarray(tiling.gather(placed))
