"""The systolic array's closed form against a simulation of every multiplier in every cycle."""

from __future__ import annotations

import numpy as np
import pytest

from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.hardware.accelerator import Systolic, SystolicSheet, array_cycles
from hetsim.workload import Matrix, Op, Tensor


def sheet(rows: int, columns: int, double_buffered: bool) -> SystolicSheet:
    return SystolicSheet.model_validate({
        "rows": rows, "columns": columns, "double_buffered": double_buffered, "frequency": "1 GHz",
        "accumulators": "1 MiB", "buffer": "1 MiB", "lanes": 1, "energy": "1 pJ/OP",
        "vector_energy": "1 pJ/OP", "buffer_energy": "1 pJ/B", "memory": {"bandwidth": "1 GB/s"},
    })  # fmt: skip


class Grid:
    """R x C multipliers with registers for input, partial sum, weight in use and weight to come.

    An input moves one column to the right a cycle and its partial sum one row down; row r gets its inputs r
    cycles late. The first input of a tile carries a mark, at which each multiplier takes up its new weight.
    One row of weights enters a cycle, column c being c cycles late, and only when the row's last weights were
    taken up.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns, self.cycle = rows, columns, 0
        self.x = np.zeros((rows, columns), np.int64)
        self.mark = np.zeros((rows, columns), np.int64)  # number of the tile that begins, 0 for none
        self.sums = np.zeros((rows, columns), np.int64)
        self.weight, self.coming = np.zeros((2, rows, columns), np.int64)
        self.taken = np.zeros((rows, columns), bool)  # the weight to come has been taken up
        self.taken[:] = True

    def step(self, inputs: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """One cycle: ``inputs`` and ``marks`` enter at the left; returns the sums that leave at the
        bottom.
        """
        x = np.column_stack([inputs, self.x[:, :-1]])
        mark = np.column_stack([marks, self.mark[:, :-1]])
        begins = mark > 0
        assert not (begins & self.taken).any(), "a tile begins before its weights are there"
        self.weight = np.where(begins, self.coming, self.weight)
        self.taken |= begins
        above = np.vstack([np.zeros((1, self.columns), np.int64), self.sums[:-1]])
        self.x, self.mark, self.sums = x, mark, above + x * self.weight
        self.cycle += 1
        return self.sums[-1].copy()

    def load(self, row: int, column: int, value: int) -> None:
        assert self.taken[row, column], "a weight is overwritten before it was taken up"
        self.coming[row, column], self.taken[row, column] = value, False


def simulated(
    x: list[np.ndarray], w: list[np.ndarray], double_buffered: bool
) -> tuple[int, list[np.ndarray]]:
    """Stream each x[t] [M, R] through weights w[t] [R, C] as early as can be; cycles, and the products."""
    rows, columns = w[0].shape
    grid = Grid(rows, columns)
    starts, loads = [], []
    for t in range(len(x)):  # the earliest times that no rule of the grid forbids
        if t == 0:
            loads.append(0)
        elif double_buffered:
            loads.append(starts[-1])
        else:
            loads.append(starts[-1] + len(x[t - 1]) + rows + columns - 2)
        free = starts[-1] + len(x[t - 1]) if t else 0
        starts.append(max(free, loads[-1] + rows))
    results = [np.zeros((len(v), columns), np.int64) for v in x]
    end = starts[-1] + len(x[-1]) + rows + columns - 2
    for cycle in range(end):
        inputs, marks = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for t, vectors in enumerate(x):
            for r in range(rows):
                m = cycle - starts[t] - r
                if 0 <= m < len(vectors):
                    inputs[r] = vectors[m, r]
                    marks[r] = t + 1 if m == 0 else 0
        out = grid.step(inputs, marks)
        for t, vectors in enumerate(x):
            for c in range(columns):
                m = cycle - starts[t] - (rows - 1) - c
                if 0 <= m < len(vectors):
                    results[t][m, c] = out[c]
                r = cycle - loads[t] - c
                if 0 <= r < rows:
                    grid.load(r, c, w[t][r, c])
    return grid.cycle, results


@pytest.mark.parametrize("double_buffered", [True, False])
@pytest.mark.parametrize(
    ("rows", "columns", "vectors", "tiles"),
    [
        (4, 4, 9, 1),
        (4, 4, 9, 3),
        (4, 4, 2, 3),
        (3, 5, 7, 2),
        (5, 3, 5, 2),
        (1, 1, 4, 3),
        (6, 2, 1, 4),
        (2, 6, 3, 2),
    ],
)
def test_closed_form_is_the_cycle_count_and_the_products_are_right(
    rows: int, columns: int, vectors: int, tiles: int, double_buffered: bool
) -> None:
    rng = np.random.default_rng([rows, columns, vectors, tiles])
    x = [rng.integers(-127, 128, (vectors, rows)) for _ in range(tiles)]
    w = [rng.integers(-127, 128, (rows, columns)) for _ in range(tiles)]
    cycles, results = simulated(x, w, double_buffered)
    for a, b, result in zip(x, w, results, strict=True):
        np.testing.assert_array_equal(result, a @ b)
    assert array_cycles(sheet(rows, columns, double_buffered), tiles, [vectors]) == cycles


@pytest.mark.parametrize("double_buffered", [True, False])
def test_passes_of_unequal_length(double_buffered: bool) -> None:
    rng = np.random.default_rng(3)
    lengths = [6, 6, 6, 6, 2, 2]  # two tiles, 14 vectors, 6 sums at a time
    x = [rng.integers(-9, 9, (n, 4)) for n in lengths]
    w = [rng.integers(-9, 9, (4, 3)) for _ in lengths]
    cycles, _ = simulated(x, w, double_buffered)
    assert array_cycles(sheet(4, 3, double_buffered), 2, [6, 6, 2]) == cycles


def test_double_buffering_hides_loading_behind_long_streams() -> None:
    """With M >= R vectors a tile costs M cycles; without double buffering M + 2 R + C - 2."""
    rows, columns, vectors = 256, 256, 1000
    hidden = [array_cycles(sheet(rows, columns, True), tiles, [vectors]) for tiles in (1, 11)]
    exposed = [array_cycles(sheet(rows, columns, False), tiles, [vectors]) for tiles in (1, 11)]
    assert hidden[0] == exposed[0] == 2 * rows + columns + vectors - 2
    assert (hidden[1] - hidden[0]) / 10 == vectors
    assert (exposed[1] - exposed[0]) / 10 == vectors + 2 * rows + columns - 2


def test_the_tpus_first_mlp_is_bound_by_its_weights() -> None:
    """MLP0 [Jouppi 2017, table 3]: five layers of 2,000 x 2,000 weights, batch 200; 12.3 TOPS of 92
    measured.
    """
    data = filled(stripped(read(locate("accelerators/tpu_v1"))[0])).plain()
    part = Systolic("npu", SystolicSheet.model_validate(data))
    x, w, y = Tensor("x", (200, 2000)), Tensor("w", (2000, 2000), constant=True), Tensor("y", (200, 2000))
    layer = Op("fc", "MatMul", (x, w), (y,), macs=200 * 2000**2, matrix=Matrix(2000, 2000, 200, 1, w))
    plan = part.plan(layer, part.residency())
    assert 2 * layer.macs / plan.fill == pytest.approx(12.3e12, rel=0.05)
