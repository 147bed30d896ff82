"""The systolic array's closed form against a simulation of every multiplier in every cycle."""

from __future__ import annotations

import numpy as np
import pytest

from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.hardware.systolic import Systolic, SystolicSheet, array_cycles, folded
from hetsim.workload import Matrix, Op, Tensor


def sheet(rows: int, columns: int, double_buffered: bool, **changes: object) -> SystolicSheet:
    return SystolicSheet.model_validate({
        "rows": rows, "columns": columns, "double_buffered": double_buffered, "frequency": "1 GHz",
        "accumulators": "1 MiB", "buffer": "1 MiB", "lanes": 1, "energy": "1 pJ/OP",
        "vector_energy": "1 pJ/OP", "buffer_energy": "1 pJ/B", "memory": {"bandwidth": "1 GB/s"}, **changes,
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


def simulated(x: list[np.ndarray], w: list[np.ndarray], double_buffered: bool) -> tuple[int, list[np.ndarray]]:
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


def outputs_at_rest(
    x: list[np.ndarray], w: list[np.ndarray], double_buffered: bool, shifts_out: bool
) -> tuple[int, list[np.ndarray]]:
    """Each x[t] [R, K] times w[t] [K, C]: inputs move right, weights down, each place adds up its own sum.

    With ``shifts_out`` a column's sums, once all are done, move down one place a cycle and leave at the bottom;
    else each leaves when it is done. Tiles begin as early as no two of a place's results collide. Returns the
    cycles until the last sum has left, and the sums.
    """
    (rows, depth), columns = x[0].shape, w[0].shape[1]
    starts = [0]
    for _ in x[1:]:
        if not double_buffered:
            starts.append(starts[-1] + depth + rows + columns - 2 + (rows if shifts_out else 0))
        else:
            starts.append(starts[-1] + max(depth, rows if shifts_out else 0))
    right, down, sums = (np.zeros((rows, columns), np.int64) for _ in range(3))
    chain = np.full((rows, columns), -1)  # which tile's sum waits in the shift register of each place
    held = np.zeros((rows, columns), np.int64)
    results = [np.zeros((rows, columns), np.int64) for _ in x]
    left = [np.full(columns, rows if shifts_out else 0) for _ in x]
    cycle = last = 0
    while last < len(x) * rows * columns:
        if shifts_out:  # a column shifts when all its sums of a tile are there
            for c in range(columns):
                if chain[-1, c] >= 0:
                    t = chain[-1, c]
                    top = rows - left[t][c]  # the places above have passed their last sum on, and take up new ones
                    left[t][c] -= 1
                    results[t][left[t][c], c] = held[-1, c]
                    last += 1
                    chain[top + 1 :, c], held[top + 1 :, c] = chain[top:-1, c].copy(), held[top:-1, c].copy()
                    chain[top, c] = -1
        enter_x, enter_w = np.zeros(rows, np.int64), np.zeros(columns, np.int64)
        for t, start in enumerate(starts):
            for r in range(rows):
                if 0 <= cycle - start - r < depth:
                    enter_x[r] = x[t][r, cycle - start - r]
            for c in range(columns):
                if 0 <= cycle - start - c < depth:
                    enter_w[c] = w[t][cycle - start - c, c]
        right = np.column_stack([enter_x, right[:, :-1]])
        down = np.vstack([enter_w, down[:-1]])
        sums += right * down
        for t, start in enumerate(starts):
            for r in range(rows):
                c = cycle - start - r - (depth - 1)
                if not 0 <= c < columns:
                    continue
                if shifts_out:
                    assert chain[r, c] < 0, "a sum is overwritten before it was shifted out"
                    chain[r, c], held[r, c] = t, sums[r, c]
                else:
                    results[t][r, c] = sums[r, c]
                    last += 1
                sums[r, c] = 0
        cycle += 1
    return cycle, results


@pytest.mark.parametrize("shifts_out", [True, False])
@pytest.mark.parametrize("double_buffered", [True, False])
@pytest.mark.parametrize(
    ("rows", "columns", "depth", "tiles"), [(4, 4, 9, 1), (4, 3, 9, 3), (5, 3, 2, 4), (2, 6, 3, 2), (3, 3, 1, 3)]
)
def test_outputs_at_rest(
    rows: int, columns: int, depth: int, tiles: int, double_buffered: bool, shifts_out: bool
) -> None:
    rng = np.random.default_rng([rows, columns, depth, tiles])
    x = [rng.integers(-9, 9, (rows, depth)) for _ in range(tiles)]
    w = [rng.integers(-9, 9, (depth, columns)) for _ in range(tiles)]
    cycles, results = outputs_at_rest(x, w, double_buffered, shifts_out)
    for a, b, result in zip(x, w, results, strict=True):
        np.testing.assert_array_equal(result, a @ b)
    law = sheet(rows, columns, double_buffered, stationary="output", shifts_out=shifts_out)
    assert array_cycles(law, tiles, [depth]) == cycles


@pytest.mark.parametrize(("m", "n", "k", "groups"), [(37, 11, 23, 1), (5, 40, 8, 3), (64, 3, 9, 2)])
def test_inputs_at_rest_are_weights_at_rest_of_the_transposed_product(m: int, n: int, k: int, groups: int) -> None:
    weight, inputs = (sheet(8, 4, True, stationary=s, accumulators="64 B") for s in ("weight", "input"))
    one = folded(inputs, Matrix(k, n, m, groups))
    other = folded(weight, Matrix(k, m, n, groups))
    assert (one.tiles, one.passes) == (other.tiles, other.passes)
    assert (one.inputs, one.weights) == (other.weights, other.inputs)


@pytest.mark.parametrize("prefetch", [True, False])
@pytest.mark.parametrize("bandwidth", ["1 MB/s", "64 MB/s", "100 GB/s"])
def test_memory_stalls_are_those_of_two_buffers(bandwidth: str, prefetch: bool) -> None:
    """Tile by tile: a fetch needs a free buffer, a computation its operands and the array."""
    law = sheet(8, 8, False, prefetch=prefetch, memory={"bandwidth": bandwidth}, lanes=1000)
    part = Systolic("npu", law)
    x, w, y = Tensor("x", (20, 24)), Tensor("w", (24, 16), constant=True), Tensor("y", (20, 16))
    op = Op("fc", "MatMul", (x, w), (y,), macs=20 * 24 * 16, matrix=Matrix(24, 16, 20, 1, w))
    compute, fetch = (8 + 20 + 14) * 1e-9, 64 / part.memory.sheet.rate
    buffers = 2 if prefetch else 1
    fetched, done = [0.0], [0.0] * buffers  # ends; a tile's buffer is free when the tile before in it is done
    for _ in range(6):
        fetched.append(max(fetched[-1], done[-buffers]) + fetch)
        done.append(max(done[-1], fetched[-1]) + compute)
    assert part.plan(op, part.residency()).fill == pytest.approx(done[-1])


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
