"""Crossbars: a matrix stored as conductances, and its products with vectors as a chip measures them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetsim.analog import conductance
from hetsim.analog.conductance import Cells
from hetsim.analog.drive import Codes, Rows, Single, quantised
from hetsim.analog.lines import Layout, Lines
from hetsim.analog.macro import MacroSheet
from hetsim.analog.mapping import codes_to_pairs, weights_to_codes
from hetsim.analog.readout import Readers
from hetsim.analog.sensing import Sensed, full_scale, sense

Mode = Literal["analog", "ideal"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Products of M vectors with a stored matrix: ``values`` float32 [M, N].

    ``joules`` were dissipated in the cells; of ``conversions``, ``clipped`` were beyond the converters' range.
    """

    values: Single
    joules: float
    conversions: int
    clipped: int


@dataclass(frozen=True, slots=True)
class _Face:
    """What a read needs of the cells at one age: ``rows`` [K] siemens on each word line."""

    mode: Mode
    age: float | None
    readers: Readers
    rows: NDArray[np.float64]


class Crossbar:
    """One stored matrix over the tiles that it takes.

    ``codes`` int16 [K, N] are its integer weights, each worth ``scale``; ``cells`` [2, K, N] the positive and the
    negative cells; ``pulses`` [2, K, N] what writing them took; ``time``, in seconds, when that was done.
    """

    def __init__(
        self, sheet: MacroSheet, codes: Codes, scale: float, cells: Cells, pulses: NDArray[np.uint32], time: float
    ) -> None:
        self.sheet, self.codes, self.scale = sheet, codes, scale
        self.cells, self.pulses, self.time = cells, pulses, time
        self.tiling = sheet.tiling(*codes.shape)
        self._layout = Layout(self.tiling, (1.0, -1.0) if sheet.lines == 2 else (1.0,))
        self._full_scale: dict[Mode, NDArray[np.float64]] = {}
        self._last: _Face | None = None

    @classmethod
    def program(
        cls, weights: ArrayLike, sheet: MacroSheet, key: int, time: float = 0.0, stuck: ArrayLike | None = None
    ) -> Self:
        """Store ``weights`` [K, N]; ``stuck`` [2, K, N] holds the siemens of cells that cannot be written, else NaN.

        Raises ValueError for weights that are not a finite matrix.
        """
        matrix = np.asarray(weights, dtype=np.float64)
        if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
            raise ValueError(f"weights must be a matrix of finite numbers, found shape {matrix.shape}")
        codes, scale = weights_to_codes(matrix, sheet.device.levels)
        target = codes_to_pairs(codes, sheet.device.g_min, sheet.device.step)
        faults = None if stuck is None else np.asarray(stuck, dtype=np.float32)
        cells = conductance.program(sheet.device, target, key, faults)
        return cls(sheet, codes, scale, cells, conductance.pulses(sheet.device, target.shape, key), time)

    def conductances(self, time: float, mode: Mode = "analog") -> Single:
        """Siemens of all cells [2, K, N] at ``time`` seconds: the targets in mode ``ideal``."""
        if mode == "ideal":
            return self.cells.target
        return conductance.conductance(self.sheet.device, self.cells, time - self.time)

    def mvm(
        self,
        x: ArrayLike,
        time: float,
        key: int,
        mode: Mode = "analog",
        *,
        signed: bool | None = None,
        first: int = 0,
    ) -> Reading:
        """Products of the rows of ``x`` [M, K] with the stored matrix, read at ``time`` seconds.

        Each vector is quantised with a scale of its own, so that a product does not depend on what else is in the
        batch. ``signed`` inputs have one magnitude bit less (by default: when ``x`` has negative numbers). Mode
        ``ideal`` keeps the quantisation of weights, inputs and converters and leaves out programming error, ageing,
        noise and stuck cells. Noise comes from ``key`` and the index of the vector, counted from ``first``. Raises
        ValueError for numbers that cannot be applied.
        """
        inputs = np.asarray(x, dtype=np.float32)
        if inputs.ndim != 2 or len(inputs) == 0 or inputs.shape[1] != self.tiling.rows:
            raise ValueError(f"vectors of {self.tiling.rows} numbers are expected, found shape {inputs.shape}")
        lowest, highest = float(inputs.min()), float(inputs.max())
        if not (isfinite(lowest) and isfinite(highest)):
            raise ValueError("inputs must be finite numbers")
        negative = lowest < 0
        signed = negative if signed is None else signed
        if negative and not signed:
            raise ValueError("unsigned inputs are expected, found negative numbers")
        face = self._face(inputs, time, mode, signed)
        found = face.readers.read(Rows(inputs), signed, key, first)
        joules = self.sheet.pulse_energy * (float((found.driven * face.rows).sum()) - found.saved)
        return Reading(found.values, joules, self.conversions(len(inputs), signed), found.clipped)

    def conversions(self, vectors: int, signed: bool) -> int:
        """Conversions that the products of so many vectors take."""
        passes = len(self.sheet.passes(signed))
        return vectors * passes * self.tiling.down * self.tiling.columns * self.sheet.lines

    def _face(self, inputs: Single, time: float, mode: Mode, signed: bool) -> _Face:
        """The lines at ``time``, kept for the next read if nothing ages; a first batch sets the converters' ranges."""
        device = self.sheet.device
        age = None if mode == "ideal" or device.static else max(time - self.time, device.reference_age)
        if self._last is not None and (self._last.mode, self._last.age) == (mode, age):
            return self._last
        actual = self.conductances(time, mode)
        variances = None
        if mode == "analog" and device.read_noise is not None:
            variances = conductance.read_sigma(device, actual, time - self.time) ** 2
        sensed = sense(self.sheet, self.tiling, actual, self.cells.target, variances)
        if mode not in self._full_scale:
            codes, _ = quantised(inputs, self.sheet.magnitude_bits(signed))
            self._full_scale[mode] = full_scale(self.sheet, self.tiling, sensed, codes, signed)
        rows = actual.sum(axis=(0, 2), dtype=np.float64)
        lines = self._lines(sensed, self._full_scale[mode], mode)
        self._last = _Face(mode, age, Readers(self.sheet, self._layout, lines, self.scale), rows)
        return self._last

    def _lines(self, sensed: Sensed, scale: NDArray[np.float64], mode: Mode) -> Lines:
        tiles = np.arange(self.tiling.columns) // self.tiling.width
        lsb = (scale / self.sheet.adc.codes(self.sheet.lines == 1)[1])[:, None, tiles]
        sheet = self.sheet
        levels, exact = sheet.dac.encoding == "amplitude", mode == "ideal" and sheet.sensing == "current"
        # sums of pulses that are converted one by one fit 16 bits
        serial = not levels and sheet.dac.bits == 1 and sheet.signed_inputs == "two_phase"
        whole = exact and sheet.lines == 1 and (levels or serial)  # targets in steps: whole numbers
        return self._layout.lines(
            sensed.signals,
            np.broadcast_to(lsb, sensed.gain.shape),
            sensed.gain,
            variances=sensed.variances,
            power=sensed.power,
            whole=(1 << min(sheet.dac.bits, sheet.input_bits)) - 1 if whole else 0,
            paired=levels,
            fixed=serial,
        )
