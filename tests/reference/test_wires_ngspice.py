"""IR drop against ngspice: a netlist is written, ngspice runs it, and currents are compared.

ngspice is a program of its own (Debian's package `ngspice`); without it these tests are skipped and say so.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hetsim.analog.wires.circuit import Circuit
from hetsim.analog.wires.newton import operate
from hetsim.analog.wires.sheet import Wires
from hetsim.analog.wires.transfer import transfer
from tests.circuits import Array, resistors

NGSPICE = shutil.which("ngspice")
pytestmark = pytest.mark.skipif(NGSPICE is None, reason="the program ngspice is not installed (Debian: ngspice)")

# no conductance of ngspice's own, and tolerances close to rounding: closer ones it does not reach with sources B
OPTIONS = ".options gmin=1e-30 itl1=500 reltol={0} abstol={1} vntol={2}"
Cell = Callable[[str, str, str, float], str]


def spice(folder: Path, cells: Array, wires: Wires, drivers: Array, cell: Cell | None = None) -> tuple[Array, Array]:
    """Currents into the sense amplifiers [columns] and out of the drivers [rows], by ngspice.

    ``cell`` writes the element between two nodes for a conductance (default: a resistor). Wires have resistance.
    """
    rows, columns = cells.shape
    lines = ["crossbar", OPTIONS.format(*(("1e-13", "1e-21", "1e-16") if cell is None else ("1e-9", "1e-16", "1e-12")))]
    for n, (a, b, ohms) in enumerate(resistors(cells, wires)):
        if a[0] == "w" and b[0] == "a" and cell is not None:
            lines.append(cell(str(n), a, b, 1 / ohms))
        elif ohms == 0:
            lines.append(f"v{n} {a} {b} 0")
        elif ohms < math.inf:
            lines.append(f"r{n} {a} {b} {ohms!r}")
    lines += [f"vd{i} d{i} 0 {float(v)!r}" for i, v in enumerate(drivers)]
    meters = [f"i(vd{i})" for i in range(rows)]
    for j in range(columns):
        for end in "st"[: 2 if wires.sensing == "two_sided" else 1]:
            lines.append(f"vm{end}{j} {end}{j} 0 0")
            meters.append(f"i(vm{end}{j})")
    lines += [".control", "set numdgt=15", "op", *(f"print {meter}" for meter in meters), "quit 0", ".endc", ".end"]
    file = folder / "crossbar.cir"
    file.write_text("\n".join(lines) + "\n")
    run = subprocess.run([str(NGSPICE), "-b", file.name], cwd=folder, capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^(i\(v\w+\)) = (\S+)$", run.stdout, re.MULTILINE))
    assert len(found) == len(meters), run.stdout + run.stderr
    sensed = np.zeros(columns)
    for name, amperes in found.items():
        if name.startswith("i(vm"):
            sensed[int(re.sub(r"\D", "", name))] += float(amperes)
    return sensed, np.array([-float(found[f"i(vd{i})"]) for i in range(rows)])


def crossbar(rows: int, columns: int, **facts: Any) -> tuple[Array, Wires, Array]:
    rng = np.random.default_rng(rows + 100 * columns)
    sheet = {"word_line": "1.5 ohm", "bit_line": "2.5 ohm", "source": "120 ohm", "sense": "60 ohm", "access": "2 kohm"}
    wires = Wires.model_validate(sheet | facts)
    return rng.uniform(1e-6, 1e-4, (rows, columns)), wires, rng.uniform(-0.3, 0.3, rows)


@pytest.mark.parametrize("shape", [(2, 3), (8, 8), (17, 5), (9, 30), (32, 32)])
@pytest.mark.parametrize("drive", ["one_sided", "two_sided"])
@pytest.mark.parametrize("sensing", ["one_sided", "two_sided"])
def test_currents_and_power(tmp_path: Path, shape: tuple[int, int], drive: str, sensing: str) -> None:
    cells, wires, volts = crossbar(*shape, drive=drive, sensing=sensing)
    sensed, sourced = spice(tmp_path, cells, wires, volts)
    point = Circuit(cells, wires).operate(volts)
    np.testing.assert_allclose(point.outputs, sensed, rtol=1e-9)
    np.testing.assert_allclose(volts @ transfer(cells, wires), sensed, rtol=1e-9)
    np.testing.assert_allclose(point.power, volts @ sourced, rtol=1e-9)


@pytest.mark.parametrize(
    "facts",
    [
        {"word_line": "0 ohm"},
        {"bit_line": "0 ohm", "sense": "0 ohm"},
        {"access": "0 ohm", "source": "0 ohm"},
        {"open_word_lines": [[3, 0], [5, 7]], "open_bit_lines": [[2, 4]]},
        {"word_line": "80 ohm", "bit_line": "80 ohm"},
    ],
    ids=["ideal word lines", "ideal bit lines", "no access, no source", "open", "hardly conducting"],
)
def test_limits(tmp_path: Path, facts: dict[str, Any]) -> None:
    cells, wires, volts = crossbar(12, 16, **facts)
    sensed, sourced = spice(tmp_path, cells, wires, volts)
    point = Circuit(cells, wires).operate(volts)
    np.testing.assert_allclose(point.outputs, sensed, rtol=1e-9)
    np.testing.assert_allclose(point.power, volts @ sourced, rtol=1e-9)


def test_transposed_read(tmp_path: Path) -> None:
    """Bit lines driven where they are sensed else: the array turned round, its last row and first column in front."""
    cells, wires, _ = crossbar(10, 14, drive="two_sided")
    volts = np.random.default_rng(3).uniform(-0.3, 0.3, 14)
    turned = Wires.model_validate(
        {"word_line": "2.5 ohm", "bit_line": "1.5 ohm", "source": "120 ohm", "sense": "60 ohm", "access": "2 kohm"}
        | {"sensing": "two_sided"}
    )
    sensed, _ = spice(tmp_path, cells[::-1, ::-1].T, turned, volts[::-1])
    np.testing.assert_allclose(volts @ transfer(cells, wires.transposed()).T, sensed[::-1], rtol=1e-9)


@pytest.mark.parametrize("access", ["0 ohm", "5 kohm"])
@pytest.mark.parametrize("drive", ["one_sided", "two_sided"])
def test_cells_of_a_hyperbolic_sine(tmp_path: Path, drive: str, access: str) -> None:
    cells, wires, volts = crossbar(16, 12, drive=drive, access=access)
    steep = 0.1

    def element(name: str, a: str, b: str, siemens: float) -> str:
        return f"b{name} {a} {b} i={siemens * steep!r}*sinh(v({a},{b})/{steep!r})"

    def law(across: Array) -> tuple[Array, Array]:
        return cells * steep * np.sinh(across / steep), cells * np.cosh(across / steep)

    sensed, sourced = spice(tmp_path, cells, wires, volts, element)
    point = operate(law, cells.shape, wires, volts)
    linear = Circuit(cells, wires).operate(volts).outputs
    assert np.abs(sensed / linear - 1).max() > 0.1, "the law would not show"
    np.testing.assert_allclose(point.outputs, sensed, rtol=1e-6)
    np.testing.assert_allclose(point.power, volts @ sourced, rtol=1e-6)
