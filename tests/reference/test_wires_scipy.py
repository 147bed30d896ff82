"""IR drop of large arrays against SciPy's direct sparse solver, on equations that come from a list of resistors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import splu

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import transfer
from tests.circuits import nodal, through_cells


@pytest.mark.parametrize(
    ("shape", "largest"), [((128, 128), 2e-5), ((256, 256), 2e-5), ((256, 256), 2e-4), ((256, 64), 1e-4)]
)
@pytest.mark.parametrize("sides", ["one_sided", "two_sided"])
def test_every_cell_of_a_large_array(shape: tuple[int, int], largest: float, sides: str) -> None:
    rng = np.random.default_rng(shape[1])
    cells, volts = rng.uniform(largest / 10, largest, shape), rng.uniform(-0.2, 0.2, shape[0])
    wires = Wires.model_validate(
        {"word_line": "1 ohm", "bit_line": "1 ohm", "source": "100 ohm", "sense": "50 ohm", "access": "1 kohm"}
        | {"drive": sides, "sensing": sides}
    )
    found = nodal(cells, wires, volts)
    direct = splu(found.matrix, permc_spec="MMD_AT_PLUS_A")
    solved = direct.solve(found.amperes)
    solved += direct.solve(found.amperes - found.matrix @ solved)
    expected = through_cells(cells, found, solved)
    point = Circuit(cells, wires).operate(volts)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(point.cell_currents, expected, rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(point.outputs, expected.sum(axis=0), rtol=1e-9, atol=1e-9 * np.abs(point.outputs).max())
    if shape[1] < 256:
        np.testing.assert_allclose(volts @ transfer(cells, wires), point.outputs, rtol=1e-9)
