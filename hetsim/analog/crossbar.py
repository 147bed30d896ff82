"""Crossbars: a matrix stored as conductances, and its products with vectors as a chip measures them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog import conductance, residue
from hetsim.analog.conductance import Cells
from hetsim.analog.drive import Codes, Rows, Single, quantised
from hetsim.analog.face import Face, face, grouped, spread_out
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import as_matrix, codes_to_levels, levels_to_conductances, strips, weights_to_codes
from hetsim.analog.mismatch import mismatch
from hetsim.analog.sensing import SAMPLE, Array, full_scale, sense
from hetsim.analog.tilewear import Counts
from hetsim.analog.windows import Windows
from hetsim.analog.wired import wired
from hetsim.keys import key as derive

Mode = Literal["analog", "ideal"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Products of M vectors with a stored matrix: ``values`` float32 [M, N].

    ``joules`` were dissipated in the cells; of ``conversions``, ``clipped`` were beyond the converters' range. Of the
    sums that an AN code ``checked``, ``wrong`` were no multiple of A, and corrected.
    """

    values: Single
    joules: float
    conversions: int
    clipped: int
    checked: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A face, with the mode, age, side and largest input it was ``asked`` for, and what it was made from: it holds as
    long as these stay as they are."""

    asked: tuple[Mode, float | None, bool, int]
    cells: Cells
    correction: NDArray[np.float64]
    face: Face


class Crossbar:
    """One stored matrix over the tiles that it takes.

    ``codes`` int16 [K, N] are its integer weights, each worth ``scale``, and zeros in the unit columns of its
    ``tiling``; ``cells`` [P, K, N] the cells of each weight, in the order of `Scheme`; ``pulses`` [P, K, N] what
    writing them took; ``time``, in seconds, when that was done. ``correction`` [tiles down, tiles across] multiplies
    what each tile gives. ``tiles`` are the keys of the crossbars on which it is, which decide their converters' errors.
    ``reads`` [K] and ``reads_across`` [N] count the integrations at full voltage that the cells on each word line, and
    in transposed reads on each bit line, have seen.
    """

    def __init__(
        self,
        sheet: MacroSheet,
        codes: Codes,
        scale: float,
        cells: Cells,
        pulses: Counts,
        time: float,
        tiles: Sequence[int] = (),
    ) -> None:
        self.sheet, self.codes, self.scale = sheet, codes, scale
        self.cells, self.pulses, self.time = cells, pulses, time
        units = int(sheet.subtraction == "unit")
        width = sheet.columns // sheet.scheme.footprint.width
        self.tiling = sheet.tiling(len(codes), codes.shape[1] - units * -(-codes.shape[1] // width))
        self.tiles = tuple(tiles) or tuple(range(self.tiling.tiles))
        self.correction = np.ones((self.tiling.down, self.tiling.across))
        self.reads, self.reads_across = np.zeros(self.tiling.rows), np.zeros(self.tiling.columns)
        self._full_scale: dict[str, NDArray[np.float64]] = {}
        self._each: dict[tuple[bool, bool], int] = {}  # conversions of a product
        self._last: _Kept | None = None

    @classmethod
    def program(
        cls,
        weights: ArrayLike,
        sheet: MacroSheet,
        key: int,
        time: float = 0.0,
        stuck: ArrayLike | None = None,
        tiles: Sequence[int] | None = None,
    ) -> Self:
        """Store ``weights`` [K, N]; ``stuck`` [P, K, N] holds the siemens of cells that cannot be written, else NaN.

        ``tiles`` are the keys of the crossbars that it takes (default: drawn from ``key``). Raises ValueError for
        weights that are not a finite matrix.
        """
        matrix = as_matrix(weights)
        if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
            raise ValueError(f"weights must be a matrix of finite numbers, found shape {matrix.shape}")
        scheme, device = sheet.scheme, sheet.device
        tiling = sheet.tiling(*matrix.shape)
        codes, scale = weights_to_codes(matrix, sheet.code_levels(scheme), sheet.an_code or 1, sheet.headroom)
        codes = tiling.spread(codes)
        asked = levels_to_conductances(codes_to_levels(codes, scheme), scheme, device.g_min, device.g_max)
        target = device.nearest(asked)
        faults = None if stuck is None else np.asarray(stuck, dtype=np.float32)
        cells = conductance.program(device, target, key, faults, sheet.adc.bits)
        assert cells.pulses is not None, "programming counts pulses"
        where = tiles if tiles is not None else [derive(key, "tile", t) for t in range(tiling.tiles)]
        return cls(sheet, codes, scale, cells, cells.pulses, time, where)

    @property
    def columns(self) -> int:
        """Columns of the matrix, without those of units."""
        return len(self.tiling.outputs())

    def conductances(self, time: float, mode: Mode = "analog") -> Single:
        """Siemens of all cells [P, K, N] at ``time`` seconds: the targets in mode ``ideal``."""
        if mode == "ideal":
            return self.cells.target
        device, heat = self.sheet.device, self.sheet.temperature
        found = np.empty(self.cells.target.shape, np.float32)
        for rows in strips(self.tiling.rows):
            reads = self.reads[rows, None] + self.reads_across if device.disturb is not None else 0.0
            found[:, rows] = conductance.conductance(device, self.cells.part(rows), time - self.time, heat, reads)
        return found

    def read_back(self, time: float, key: int, mode: Mode = "analog") -> NDArray[np.float64]:
        """The matrix [K, N] that the cells hold, as one read of each of them shows it, with noise of every duration."""
        cells = self.conductances(time, mode).astype(np.float64)
        if mode == "analog":
            device, heat = self.sheet.device, self.sheet.temperature
            cells = conductance.sampled(device, cells, time - self.time, key, self.tiles[0], self.cells, heat)
        scheme = self.sheet.scheme
        split = cells.reshape(*scheme.shape, *cells.shape[1:]).mean(axis=1)
        signed = split[:, 0] - split[:, 1] if scheme.polarities == 2 else split[:, 0] - self.sheet.device.g_min
        tops, worths = np.array(scheme.tops), np.array(scheme.worths)
        step = (self.sheet.device.g_max - self.sheet.device.g_min) / tops
        held = np.einsum("s,skn->kn", worths / step, signed) - scheme.zero
        return np.asarray(self.scale * held[:, self.tiling.outputs()])

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
        """Products of the rows of ``x`` [M, K] with the stored matrix, read at ``time`` seconds; ``transposed``, of
        rows [M, N] with its transpose. ``x`` may be the `Windows` of images.

        Each vector is quantised with a scale of its own, so that a product does not depend on what else is in the
        batch. ``signed`` inputs have one magnitude bit less (by default: when ``x`` has negative numbers). Mode
        ``ideal`` keeps the quantisation of weights, inputs and converters and leaves out programming error, ageing,
        noise, stuck cells and converter errors. Noise comes from ``key`` and the index of the vector, counted from
        ``first``. Raises ValueError for numbers that cannot be applied.
        """
        if not isfinite(time):
            raise ValueError(f"a time in seconds is expected, found {time}")
        inputs = self._checked(x, transposed)
        signed = inputs.negative if signed is None else signed
        if inputs.negative and not signed:
            raise ValueError("unsigned inputs are expected, found negative numbers")
        sheet = self.sheet
        at = self._face(inputs, time, mode, signed, transposed, key)
        checked = wrong = 0
        if sheet.an_code is None:
            read = at.readers.read(inputs, signed, key, first)
            values, driven, saved, clipped = read.values, read.driven, read.saved, read.clipped
        else:
            codes, unit = quantised(inputs.matrix, sheet.magnitude_bits(signed))
            sums = residue.read(sheet, residue.parts(at), codes, signed, key, first)
            values = (sums.values * (unit[:, None] * np.float64(self.scale))).astype(np.float32)
            driven, saved, clipped, checked, wrong = sums.driven, sums.saved, sums.clipped, sums.checked, sums.wrong
        if mode == "analog" and transposed:
            self.reads_across += driven
        elif mode == "analog":
            self.reads += driven
        joules = sheet.pulse_energy * (float(np.add.reduce(driven * at.rows)) - saved)
        values = self._without_zero(values, inputs, signed, transposed)
        conversions = self.conversions(inputs.shape[0], signed, transposed)
        return Reading(values, joules, conversions, clipped, checked, wrong)

    def conversions(self, vectors: int, signed: bool, transposed: bool = False) -> int:
        """Conversions that the products of so many vectors take."""
        if (signed, transposed) not in self._each:
            self._each[signed, transposed] = self.sheet.conversions(self.tiling, signed, transposed)
        return vectors * self._each[signed, transposed]

    def _checked(self, x: ArrayLike | Windows, transposed: bool) -> Rows | Windows:
        inputs: Any = x if isinstance(x, Windows) else np.asarray(x, dtype=np.float32)
        length = self.columns if transposed else self.tiling.rows
        if transposed and not self.sheet.bidirectional:
            raise ValueError("a transposed read needs a bidirectional macro")
        if len(inputs.shape) != 2 or inputs.shape[0] == 0 or inputs.shape[1] != length:
            raise ValueError(f"vectors of {length} numbers are expected, found shape {inputs.shape}")
        found: Rows | Windows = inputs if isinstance(inputs, Windows) else Rows(inputs)
        if not found.finite:
            raise ValueError("inputs must be finite numbers")
        return Rows(np.asarray(self.tiling.spread(found.matrix))) if transposed else found

    def _without_zero(self, values: Single, inputs: Rows | Windows, signed: bool, transposed: bool) -> Single:
        """Take off what cells hold for the code 0: what the unit column of each tile shows, or, from input codes,
        what the periphery knows."""
        scheme, sheet = self.sheet.scheme, self.sheet
        if scheme.polarities == 2:
            return values
        if sheet.subtraction == "unit" and not transposed:
            outputs = self.tiling.outputs()
            units = outputs // self.tiling.width * self.tiling.width
            return np.asarray(values[:, outputs] - values[:, units])
        codes, unit = quantised(inputs.matrix, sheet.magnitude_bits(signed))
        window = sheet.device.g_max - sheet.device.g_min
        lowest = sum(sheet.device.g_min * top / window * w for top, w in zip(scheme.tops, scheme.worths, strict=True))
        held = codes.sum(axis=1, dtype=np.float64) * (unit * np.float64(self.scale)) * (scheme.zero + lowest)
        return np.asarray(values - held[:, None], np.float32)

    def _face(self, inputs: Rows | Windows, time: float, mode: Mode, signed: bool, transposed: bool, key: int) -> Face:
        """The lines at ``time``, kept for the next read if nothing ages; a first batch sets the converters' ranges."""
        device, sheet = self.sheet.device, self.sheet
        age = None if mode == "ideal" or device.static else max(time - self.time, device.reference_age)
        top = max(p.top for p in sheet.passes(signed)) if sheet.dac.offset else 1
        last = self._last
        same = last is not None and last.cells is self.cells and last.correction is self.correction
        lasting = device.disturb is None and not (mode == "analog" and device.noisy("inference"))
        if same and last is not None and last.asked == (mode, age, transposed, top) and lasting:
            return last.face
        self._last = last = None  # before another one takes memory
        array = self._array(time, mode, transposed, key)
        sensed = sense(sheet, array)
        array = replace(array, variances=None, sigma=None, telegraph=None)  # what lines show of it is sensed
        groups = grouped(sheet, self.tiling, transposed)
        side = mode + " transposed" * transposed
        if side not in self._full_scale:
            sample = inputs.every(-(-inputs.shape[0] // SAMPLE))
            codes, _ = quantised(sample, sheet.magnitude_bits(signed))
            self._full_scale[side] = full_scale(sheet, array, sensed, codes, signed, groups)
        correction = self.correction if mode == "analog" else np.ones_like(self.correction)
        correction = correction.T if transposed else correction
        correction = np.repeat(correction, groups, axis=0)[: array.tiling.down]
        found = face(sheet, array, sensed, self._full_scale[side], correction, self.scale, top, mode == "ideal")
        self._last = _Kept((mode, age, transposed, top), self.cells, self.correction, found)
        return found

    def _array(self, time: float, mode: Mode, transposed: bool, key: int) -> Array:
        """The cells as a read from one side meets them; ``key`` draws the noise that lasts for the whole read."""
        sheet, device, age = self.sheet, self.sheet.device, time - self.time
        array = Array(sheet.reading(self.tiling, transposed), self.conductances(time, mode), self.cells.target)
        if mode == "analog":
            actual = conductance.perturbed(device, array.actual, age, key, self.tiles[0], self.cells)
            errors = mismatch(sheet, self.tiling, self.tiles, transposed)
            sample, lasting = device.noisy("sample"), device.noisy("mvm")
            switching = device.telegraph is not None and device.telegraph.correlation == "mvm"
            array = replace(
                array,
                actual=actual,
                variances=self._variances(actual, age) if sample else None,
                sigma=conductance.frozen_sigma(device, actual, age, self.cells) if lasting else None,
                telegraph=conductance.telegraph(device, actual, self.tiles[0]) if switching else None,
                mismatch=spread_out(errors, grouped(sheet, self.tiling, transposed), array.tiling.down),
            )
            if sheet.wires is not None:
                array = wired(sheet, self.tiling, array, transposed)
        return array.turned() if transposed else array

    def _variances(self, actual: Single, age: float) -> Single:
        """Of the noise of one sample of cells whose conductance is ``actual``."""
        found = np.empty_like(actual)
        for rows in strips(self.tiling.rows):
            part = (actual[:, rows], age, self.cells.part(rows), self.sheet.temperature)
            found[:, rows] = conductance.read_sigma(self.sheet.device, *part) ** 2
        return found
