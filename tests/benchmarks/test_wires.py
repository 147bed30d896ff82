"""IR drop: one vector against SciPy's direct solver on the same array, and the whole transfer matrix.

Run with `make bench`. Both are measured in turn in one run, by processor time; building the circuit counts, from
conductances and voltages to currents. The direct solver is given its equations ready made, and the better of two
orderings besides its default. Figures are printed, never asserted; that both agree to 1e-9 is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import splu

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import effective, transfer
from tests.circuits import nodal, through_cells

# an RRAM window of 2 to 20 uS with 1 ohm a pitch, and cells ten times as conductive, which lose most of the current
ARRAYS = [(128, 2e-5), (256, 2e-5), (256, 2e-4)]
WIRES = Wires.model_validate({"word_line": "1 ohm", "bit_line": "1 ohm", "source": "100 ohm", "sense": "50 ohm"})


def array(size: int, largest: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(size)
    return rng.uniform(largest / 10, largest, (size, size)), rng.uniform(0, 0.2, size)


def seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.parametrize(("size", "largest"), ARRAYS)
def test_one_vector(size: int, largest: float, capsys: pytest.CaptureFixture[str]) -> None:
    cells, volts = array(size, largest)
    equations = nodal(cells, WIRES, volts)

    def ours() -> Any:
        return Circuit(cells, WIRES).operate(volts)

    def direct(order: str) -> Any:
        return splu(equations.matrix, permc_spec=order).solve(equations.amperes)

    expected = through_cells(cells, equations, direct("MMD_AT_PLUS_A")).sum(axis=0)
    np.testing.assert_allclose(ours().outputs, expected, rtol=1e-9)
    ratios: dict[str, list[float]] = {"COLAMD": [], "MMD_AT_PLUS_A": []}
    spent = []
    for _ in range(5):
        for order, found in ratios.items():
            here = statistics.median(seconds(ours) for _ in range(5))
            found.append(seconds(lambda order=order: direct(order)) / here)
            spent.append(here)
    default, best = (statistics.median(found) for found in ratios.values())
    lost = 1 - expected.sum() / (volts @ cells).sum()
    with capsys.disabled():
        print(
            f"\n{size} x {size}, {lost:.0%} lost in wires: {1e3 * statistics.median(spent):.2f} ms a vector, "
            f"{default:.0f} times faster than splu (aim 150), {best:.0f} times with its best ordering"
        )


@pytest.mark.parametrize(("size", "largest"), ARRAYS)
def test_transfer_matrix(size: int, largest: float, capsys: pytest.CaptureFixture[str]) -> None:
    cells, volts = array(size, largest)
    np.testing.assert_allclose(volts @ transfer(cells, WIRES), Circuit(cells, WIRES).operate(volts).outputs, rtol=1e-9)
    whole = statistics.median(seconds(lambda: transfer(cells, WIRES)) for _ in range(5))
    noisy = statistics.median(seconds(lambda: effective(cells, WIRES, cells**2)) for _ in range(5))
    one = statistics.median(seconds(lambda: Circuit(cells, WIRES).operate(volts)) for _ in range(5))
    with capsys.disabled():
        print(
            f"\n{size} x {size}, cells to {1e6 * largest:.0f} uS: transfer matrix in {whole:.2f} s (aim 1 at 256), "
            f"{whole / one / size:.2f} of {size} vectors one by one; with noise and power {noisy:.2f} s"
        )
