"""A bank of crossbars: the chip's physical tiles, what they store, and how worn they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetsim.analog import conductance
from hetsim.analog.compensation import Calibration
from hetsim.analog.crossbar import Crossbar
from hetsim.analog.endurance import lifetime
from hetsim.analog.layer import Layer
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import Tiling
from hetsim.analog.programming import Programming, Written
from hetsim.analog.tilewear import Counts, TileWear
from hetsim.keys import key as derive

Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """Matrices under one name (one for each group of a grouped operator), the numbers of the tiles that each of their
    crossbars takes, and what writing them took. ``transposed``: the caller's mark of which side is up."""

    layers: tuple[Layer, ...]
    tiles: tuple[tuple[int, ...], ...]
    written: Written
    transposed: bool = False
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def crossbars(self) -> tuple[Crossbar, ...]:
        """The crossbars of every layer, in the order of ``tiles``."""
        return tuple(bar for layer in self.layers for bar in layer.crossbars)


class Bank:
    """``count`` crossbars. Each has cells of its own: which are stuck, how many pulses each has had and how many it
    can take stays with the tile whatever is stored on it. ``key`` decides which are stuck."""

    def __init__(self, sheet: MacroSheet, programming: Programming, count: int, key: int) -> None:
        self._sheet, self._programming, self._key = sheet, programming, key
        self._shape = (sheet.rows, sheet.columns)
        self._free = list(range(count))
        self._worn: dict[int, TileWear] = {}
        self._faults: dict[int, NDArray[np.float32] | None] = {}
        self._lives: dict[int, tuple[NDArray[Any], NDArray[np.float32]]] = {}
        self._writings: dict[Name, int] = {}
        self.failed = self.rejected = 0
        self.trained: set[Name] = set()  # what was updated in place
        self.stored: dict[Name, Stored] = {}

    def store(
        self,
        name: Name,
        matrices: NDArray[Any],
        time: float,
        age: float = 0.0,
        sheet: MacroSheet | None = None,
        transposed: bool = False,
        preloaded: bool = False,
    ) -> Stored:
        """Write matrices [G, K, N] that are ``age`` seconds old at ``time``, and return what was stored.

        ``sheet`` is the bank's own, or as a layer has it stored. The oldest matrices make room. What is ``preloaded``
        wears the cells, but is no part of the rate at which a run wears them. Raises ValueError when there are not
        enough tiles at all.
        """
        sheet = self._sheet if sheet is None else sheet
        tiling, arrays = sheet.tiling(*matrices.shape[1:]), sheet.replicas * sheet.arrays
        self._make_room(len(matrices) * arrays * tiling.tiles)
        writing = self._writings[name] = self._writings.get(name, 0) + 1
        layers: list[Layer] = []
        taken: list[tuple[int, ...]] = []
        pulses, rounds = 0, list[float]()
        for g, matrix in enumerate(matrices):
            tiles = [tuple(self._free.pop(0) for _ in range(tiling.tiles)) for _ in range(arrays)]
            key = derive(self._key, "program", *name, g, writing)
            stuck = [self._stuck(each, tiling) for each in tiles]
            keys = [[derive(self._key, "tile", t) for t in each] for each in tiles]
            layers.append(Layer.program(matrix, sheet, key, time - age, stuck, keys))
            for each, crossbar in zip(tiles, layers[-1].crossbars, strict=True):
                pulses += int(crossbar.pulses.sum(dtype=np.uint64))
                rounds += self._wear(crossbar, each, crossbar.pulses, preloaded, written=True)
            taken += tiles
        seconds = self._programming.seconds(rounds, self._sheet.device.write)
        self.rejected += sum(crossbar.cells.failures for layer in layers for crossbar in layer.crossbars)
        written = Written(seconds, float(pulses))
        self.stored[name] = Stored(tuple(layers), tuple(taken), written, transposed)
        return self.stored[name]

    def updated(self, name: Name, pulses: Sequence[Counts]) -> None:
        """Count the pulses of an update in place of what is stored under a name, [2, K, N] for each group."""
        stored = self.stored[name]
        self.trained.add(name)
        for crossbar, tiles, new in zip(stored.crossbars, stored.tiles, pulses, strict=True):
            self._wear(crossbar, tiles, new)

    def release(self, name: Name) -> None:
        """Give up what is stored under a name; its tiles may be written anew."""
        for tiles in self.stored.pop(name).tiles:
            self._free += tiles
        self._free.sort()

    def worst(self) -> int:
        """Most write pulses that any cell has had."""
        return max((int(worn.pulses.max()) for worn in self._worn.values()), default=0)

    def wear(self, seconds: float, every: float | None = None) -> Mapping[str, float]:
        """How worn the cells of the tiles in use are after a run of so many seconds, and how long they would last.

        ``max_write_pulses`` and ``mean_write_pulses`` of a cell, ``rejected_writes`` of cells that simulated pulses did
        not bring to their targets, ``worn_out_cells``, ``wear`` as a share of the endurance, and the years to the first
        failure: at the run's own rate of writing, or when all that was written, preloaded matrices too, is written
        again ``every`` so many seconds, or after each run where that takes longer. A cell that took many pulses for a
        write takes as many as others the next time, unless they are simulated.
        """
        device, worst = self._sheet.device, self.worst()
        found = {"max_write_pulses": float(worst)}
        if not self._worn:
            return found
        tiles = list(self._worn.values())
        cells = sum(int(np.count_nonzero(tile.pulses)) for tile in tiles)
        pulses = sum(int(tile.pulses.sum(dtype=np.uint64)) for tile in tiles)
        found["mean_write_pulses"] = pulses / cells if cells else 0.0
        if device.pulsed is not None:
            found["rejected_writes"] = float(self.rejected)
        if device.failure is not None:
            found["worn_out_cells"] = float(self.failed)
        if device.endurance is None:
            return found
        found["wear"] = worst / device.endurance
        usual = np.stack([tile.usual(everything=every is not None) for tile in tiles])
        return found | lifetime(device, usual, seconds if every is None else max(every, seconds))

    def _make_room(self, tiles: int) -> None:
        for name in list(self.stored):
            if len(self._free) >= tiles:
                return
            self.release(name)
        if len(self._free) < tiles:
            raise ValueError(f"{tiles} crossbars are needed, the bank has {len(self._free)}")

    def _wear(
        self,
        crossbar: Crossbar,
        tiles: tuple[int, ...],
        pulses: Counts,
        preloaded: bool = False,
        written: bool = False,
    ) -> list[float]:
        """Count pulses [P, K, N]; cells that die of them are stuck from now on. Returns the rounds of each tile."""
        device, died, rounds = self._sheet.device, 0, list[float]()
        drawn = written and device.pulsed is None  # anew for each write
        for tile, new in zip(tiles, crossbar.tiling.each(pulses), strict=True):
            worn = self._worn.setdefault(tile, TileWear(self._shape))
            worn.add(new, device.write.pulses if drawn else None, preloaded)
            rounds.append(self._programming.rounds(new, device.write))
            died += self._worn_out(tile, worn.pulses)
        if died:
            self.failed += died
            crossbar.cells = replace(crossbar.cells, stuck=self._stuck(tiles, crossbar.tiling))
        return rounds

    def _worn_out(self, tile: int, had: Counts) -> int:
        """Make cells stuck that have had all the pulses they can take; returns how many are new."""
        if tile not in self._lives:
            drawn = conductance.worn(self._sheet.device, self._shape, derive(self._key, "tile", tile))
            if drawn is None:
                return 0
            self._lives[tile] = drawn
        lives, known = self._lives[tile], self._fault(tile)
        healthy = np.full(self._shape, np.nan, np.float32) if known is None else known
        new = (had >= lives[0]) & np.isnan(healthy)
        if new.any():
            self._faults[tile] = np.where(new, lives[1], healthy)
        return int(new.sum())

    def _fault(self, tile: int) -> NDArray[np.float32] | None:
        """Siemens of the tile's stuck cells, NaN for healthy ones; None when all are healthy."""
        if tile not in self._faults:
            key = derive(self._key, "tile", tile)
            self._faults[tile] = conductance.stuck(self._sheet.device, self._shape, key, tile)
        return self._faults[tile]

    def _stuck(self, tiles: tuple[int, ...], tiling: Tiling) -> NDArray[np.float32] | None:
        maps = [self._fault(t) for t in tiles]
        if all(found is None for found in maps):
            return None
        healthy = np.full(self._shape, np.nan, np.float32)
        placed = np.stack([healthy if found is None else found for found in maps])
        return np.asarray(tiling.gather(placed))
