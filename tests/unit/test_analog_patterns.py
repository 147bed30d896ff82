"""Tiles of few rows, whose sums of every pattern of bits stand in a table: read as if each sum were made anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_analog_sheets import device, macro
from test_analog_twin import NOISY, Twin

from hetsim.analog import Crossbar, MacroSheet, kernels, readout

ANALOG = {"pair": "columns", "subtraction": "analog"}
DIGITAL = {"pair": "columns", "subtraction": "digital"}
CLIPPED = {"adc": {"bits": 4, "range": {"policy": "fraction", "fraction": 0.2}}}


def bar(cell: Any, rows: int, columns: int, changes: dict[str, Any]) -> Crossbar:
    sheet: MacroSheet = macro(cell, **({"rows": 64, "columns": 64} | changes))
    return Crossbar.program(np.random.default_rng(rows).normal(size=(rows, columns)), sheet, 1)


def vectors(count: int, rows: int, signed: bool = False) -> Any:
    """Some of which drive no row."""
    numbers = np.random.default_rng(count)
    x = numbers.normal(size=(count, rows)) * (numbers.random((count, 1)) < 0.6)
    return x.astype(np.float32) if signed else np.abs(x).astype(np.float32)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors are read by tables, of each call."""
    found, real = list[int](), kernels.read_patterns

    def counted(*arguments: Any) -> Any:
        found.append(len(arguments[6]))
        return real(*arguments)

    monkeypatch.setattr(kernels, "read_patterns", counted)
    return found


@pytest.mark.parametrize("mode", ["ideal", "analog"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("changes", [ANALOG, DIGITAL, DIGITAL | CLIPPED, {"pair": "rows", "subtraction": "analog"}])
@pytest.mark.parametrize(("rows", "columns"), [(1, 5), (6, 16), (7, 100), (10, 40)])
def test_a_table_changes_nothing(
    mode: Any, signed: bool, changes: dict[str, Any], rows: int, columns: int, tables: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    crossbar, x = bar(NOISY, rows, columns, changes), vectors(1100, rows, signed)
    ours = crossbar.mvm(x, 1.0, 7, mode, signed=signed)
    assert tables
    few = [crossbar.mvm(x[a:b], 1.0, 7, mode, signed=signed, first=a) for a, b in ((0, 30), (30, 1100))]
    monkeypatch.setattr(readout, "_FEW", 0)
    tables.clear()
    plain = crossbar.mvm(x, 1.0, 7, mode, signed=signed)
    assert not tables
    np.testing.assert_array_equal(ours.values, plain.values)
    np.testing.assert_array_equal(np.concatenate([part.values for part in few]), plain.values)
    assert (ours.clipped, ours.joules) == (plain.clipped, plain.joules)
    assert sum(part.clipped for part in few) == plain.clipped
    assert "adc" not in changes or plain.clipped > 0


@pytest.mark.parametrize("mode", ["ideal", "analog"])
@pytest.mark.parametrize("changes", [ANALOG, DIGITAL | CLIPPED])
@pytest.mark.parametrize("rows", [3, 7])
def test_a_table_is_read_as_the_twin_reads(
    mode: Any, changes: dict[str, Any], rows: int, tables: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readout, "_OFTEN", 0)
    crossbar, x = bar(NOISY, rows, 9, changes), vectors(20, rows)
    reading = crossbar.mvm(x, 1.0, 5, mode)
    values, doubt, clipped, joules = Twin(crossbar, 1.0, 5, mode).read(x, False)
    assert tables == [20]
    allowed = doubt + 1e-5 * (np.abs(values) + np.abs(values).max()) + 1e-12
    assert np.all(np.abs(reading.values - values) <= allowed)
    assert abs(reading.clipped - clipped) <= np.count_nonzero(doubt)
    assert reading.joules == pytest.approx(joules, rel=1e-4)


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        (11, {}),  # too many patterns
        (8, {"rows": 4}),  # on two tiles
        (6, {"dac": {"bits": 2, "energy": "0 J"}}),  # passes of two bit planes
        (6, {"signed_inputs": "bipolar"}),  # both signs in a pass
        (6, {"adc": {"bits": 16}, "input_bits": 12}),  # codes whose sum may be no float32
    ],
)
def test_other_reads_make_their_sums(rows: int, changes: dict[str, Any], tables: list[int]) -> None:
    signed = "signed_inputs" in changes
    bar(device(), rows, 9, ANALOG | changes).mvm(vectors(3000, rows, signed), 1.0, 5, signed=signed)
    assert not tables
