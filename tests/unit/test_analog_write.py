"""Programming: levels, tables of one's own, and write-verify pulse by pulse against a plain loop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from library_devices import levels_of, shipped_device
from pydantic import ValidationError
from scipy import stats
from test_analog_sheets import WRITE, device

from hetsim.analog import conductance
from hetsim.analog.device import DeviceSheet, Response, Spread
from hetsim.analog.programming import Programming
from hetsim.analog.write import Write
from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.errors import InputError
from hetsim.library import check

UP, DOWN = {"step": "1 uS", "saturation": 0.9}, {"step": "1.5 uS", "saturation": 0.6}


def pulsed(levels: int = 8, response: dict[str, Any] | None = None, **changes: Any) -> DeviceSheet:
    """Cells from 2 to 20 uS that are programmed with pulses."""
    law = {"up": UP, "down": DOWN} if response is None else response
    verify = {"response": law, "tolerance": "1 uS", "max_pulses": 60} | changes
    return device(programming=None, pulsed=verify, levels=levels)


# --- levels ---


def test_levels_are_equally_spaced_or_given() -> None:
    np.testing.assert_allclose(levels_of(device(levels=4), np.arange(4)), [2e-6, 8e-6, 14e-6, 20e-6], rtol=1e-6)
    given = device(levels=4, conductances=["2 uS", "3 uS", "13 uS", "20 uS"])
    np.testing.assert_allclose(levels_of(given, np.arange(4)), [2e-6, 3e-6, 13e-6, 20e-6], rtol=1e-6)
    assert levels_of(given, np.array([[0, 3]])).shape == (1, 2)
    assert levels_of(device(levels=2048), np.arange(2048)).size == len(
        set(levels_of(device(levels=2048), np.arange(2048)))
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"levels": 2049}, "2048"),
        ({"conductances": ["2 uS", "20 uS"]}, "2 conductances are given for 8 levels"),
        ({"levels": 3, "conductances": ["2 uS", "2 uS", "20 uS"]}, "rise"),
        ({"levels": 3, "conductances": ["3 uS", "5 uS", "20 uS"]}, "must be g_min"),
        ({"levels": 2048, "g_min": "19.999 uS"}, "more than the range resolves"),
        ({"programming": None}, "one way"),
        ({"pulsed": {"response": {"up": UP}, "tolerance": "1 uS", "max_pulses": 9}}, "one way"),
        ({"failure": {"law": "weibull", "shape": 2}}, "needs the endurance"),
    ],
)
def test_device_refuses(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        device(**wrong)


@pytest.mark.parametrize(
    ("levels", "changes", "message"),
    [
        (20, {}, "more than write-verify tells apart"),
        (8, {"bits": 2}, "verify read of 2 bits"),
        (8, {"response": {"up": UP, "bounds": ["3 uS", "30 uS"]}}, "enclose the window"),
    ],
)
def test_write_verify_refuses(levels: int, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        pulsed(levels, **changes)


@pytest.mark.parametrize("target", [np.array([np.nan]), np.array([-1e-6]), np.array([np.inf])])
def test_targets_that_are_no_conductances(target: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        conductance.program(device(), target, 1)
    with pytest.raises(ValueError, match="stuck"):
        conductance.program(device(), np.ones(1), 1, stuck=np.array([-1e-6]))


# --- a table of one's own ---


def table(folder: Path, text: str) -> Path:
    """A datasheet whose spread is a CSV file beside it."""
    (folder / "mine.csv").write_text(text)
    sheet = folder / "mine.yaml"
    sheet.write_text(
        "kind: device\ng_min: 2 uS\ng_max: 20 uS\nlevels: 4\nprogramming:\n  table: mine.csv\n"
        "write: {voltage: 2 V, time: 50 ns, energy: 5 pJ, pulses: 6, verify: 100 ns}\n"
    )
    return sheet


@pytest.mark.parametrize(
    "text",
    [
        "g (uS), sigma (uS)\n5, 0.1\n15, 0.3\n",
        "# measured\nG [uS]; Sigma [nS]\n5;100\n\n15;300\n",
        "sigma (nS),g (S)\n100,5e-6\n300,15e-6\n",
    ],
)
def test_a_measured_table_needs_no_python(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, text)
    assert check(path) == "device datasheet"
    sheet = DeviceSheet.model_validate(filled(stripped(read(path)[0])).plain())
    assert sheet.programming is not None
    sigma = sheet.programming.at(np.array([2e-6, 10e-6, 20e-6]))
    np.testing.assert_allclose(sigma, [0.1e-6, 0.2e-6, 0.3e-6], rtol=1e-12)
    again = DeviceSheet.model_validate(sheet.model_dump(mode="json"))
    assert again.programming == sheet.programming


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("g (uS), sigma (uS)\n5, 0.1\n15, x\n", 3, "'x uS'"),
        ("g (uS), sigma (us)\n5, 0.1\n", 2, "is a time"),
        ("g (uS), sigma (uS)\n5, 0.1, 7\n", 2, "3 columns, the header 2"),
        ("g (uS), sigma (uS)\n5, -0.1\n", 2, "negative"),
        ("g (uS), sigma (uS)\n5, nan\n", 2, "not a finite number"),
        ("g (uS), spread (uS)\n5, 1\n", 2, "'spread' is not known"),
        ("g (uS), sigma (uS)\n", 1, "no rows"),
        ("(uS), sigma (uS)\n5, 1\n", 1, "names no column"),
    ],
)
def test_errors_in_a_table_name_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check(table(tmp_path, text))
    at = [p for p in caught.value.problems if message in p.message]
    assert at, caught.value.problems
    assert at[0].file.endswith("mine.csv")
    assert at[0].line == line


def test_rows_out_of_order_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rising conductance"):
        check(table(tmp_path, "g (uS), sigma (uS)\n5, 1\n3, 1\n"))
    path = table(tmp_path, "g (uS), sigma (uS)\n5, 1\n")
    (tmp_path / "mine.csv").unlink()
    with pytest.raises(InputError, match="no file"):
        check(path)


def test_a_table_in_the_library_needs_a_source(tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    path = table(tmp_path / "components", "g (uS), sigma (uS)\n5, 1\n")
    with pytest.raises(InputError, match=r"'mine\.csv' has no source"):
        check(path)


def test_known_stuck_cells_may_be_a_file(tmp_path: Path) -> None:
    path = table(tmp_path, "g (uS), sigma (uS)\n5, 1\n")
    (tmp_path / "faults.csv").write_text("tile,row,column,at\n0,3,2,on\n1,0,0,open\n")
    path.write_text(path.read_text() + "stuck: {table: faults.csv}\n")
    sheet = DeviceSheet.model_validate(filled(stripped(read(path)[0])).plain())
    assert sheet.stuck is not None
    assert [(c.tile, c.row, c.column, c.at) for c in sheet.stuck.table] == [(0, 3, 2, "on"), (1, 0, 0, "open")]
    (tmp_path / "faults.csv").write_text("tile,row,column,at\n0,3,2,on\n1,x,0,wide\n")
    with pytest.raises(InputError) as caught:
        check(path)
    assert {(p.path, p.line) for p in caught.value.problems} == {("stuck.table.1.row", 3), ("stuck.table.1.at", 3)}


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("{value: 4, source: none found, evidence: assumption}", "no unit"),
        ("{value: 4 uS, evidence: assumption}", "no source"),
        ("{value: 4 uS, source: none found}", "no evidence"),
        ("{value: 4 uS, source: none found, evidence: guess}", "evidence 'guess' is not known"),
        ("4 uS", "no source"),
    ],
)
def test_a_figure_of_the_library_has_unit_source_and_evidence(tmp_path: Path, figure: str, message: str) -> None:
    (tmp_path / "components").mkdir()
    path = tmp_path / "components" / "cell.yaml"
    text = locate("devices/rram_milo_irps_2021").read_text()
    path.write_text(re.sub("^g_min: .*$", f"g_min: {figure}", text, flags=re.MULTILINE))
    with pytest.raises(InputError) as caught:
        check(path)
    found = [p for p in caught.value.problems if message in p.message]
    assert found and found[0].path == "g_min" and found[0].line == 7


@pytest.mark.parametrize("wrong", [{"table": []}, {"unit": "1 uS", "table": [{"g": "1 uS", "sigma": "1 uS"}]}])
def test_a_spread_is_a_curve_or_a_table(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either"):
        Spread.model_validate(wrong)


# --- pulses ---


def plain_write(target: float, window: tuple[float, float], law: Response, tolerance: float, most: int) -> tuple:
    """Write-verify of one cell without noise, in double precision and small steps of thought."""
    low, high = window
    g, pulses = low, 1
    while abs(target - g) > tolerance and pulses < most:
        x = (g - low) / (high - low)
        if target > g:
            g = g + law.up.step * (1 - law.up.saturation * x)
        elif law.down is None:
            g = low
        else:
            g = g - law.down.step * (1 - law.down.saturation * (1 - x))
        g = min(max(g, low), high)
        pulses += 1
    return g, pulses, abs(target - g) > tolerance


@pytest.mark.parametrize("response", [{"up": UP, "down": DOWN}, {"up": {"step": "4 uS", "saturation": 0.3}}])
def test_write_verify_without_noise_is_the_plain_loop(response: dict[str, Any]) -> None:
    sheet = pulsed(response=response, tolerance="0.3 uS")
    assert sheet.pulsed is not None
    targets = np.linspace(2e-6, 20e-6, 97)
    cells = conductance.program(sheet, targets, 1)
    assert cells.reached is not None and cells.pulses is not None
    alone = [plain_write(t, (2e-6, 20e-6), sheet.pulsed.response, 0.3e-6, 60) for t in targets]
    reached, pulses, failed = (np.array(part) for part in zip(*alone, strict=True))
    differ = cells.pulses != pulses  # a cell at the edge of the tolerance may go either way in single precision
    assert differ.mean() < 0.05
    np.testing.assert_allclose(cells.reached[~differ], reached[~differ], rtol=1e-5)
    assert cells.failures == pytest.approx(failed.sum(), abs=float(differ.sum()))


def test_cells_end_within_the_tolerance_or_count_as_failed() -> None:
    noisy = {"up": UP, "down": DOWN, "cycle": 0.5, "device": 0.3}
    sheet = pulsed(response=noisy, max_pulses=40)
    targets = np.repeat(levels_of(sheet, np.arange(8)), 2000)
    cells = conductance.program(sheet, targets, 3)
    assert cells.reached is not None and cells.pulses is not None
    missed = abs(cells.reached - targets) > 1e-6 * (1 + 1e-6)
    assert cells.failures == missed.sum() > 0
    assert (cells.pulses[missed] == 40).all()
    assert cells.pulses.max() == 40
    assert (cells.pulses[targets == targets.min()] == 1).all()  # erased is where they belong
    np.testing.assert_array_equal(conductance.program(sheet, targets, 3).reached, cells.reached)
    with pytest.raises(ValueError, match="simulated"):
        conductance.pulses(sheet, (3,), 1)


def test_a_coarse_verify_read_leaves_larger_errors() -> None:
    law = {"up": {"step": "0.05 uS"}, "down": {"step": "0.05 uS"}}
    sheet = pulsed(response=law, tolerance="0.1 uS", max_pulses=3000)
    targets = np.random.default_rng(1).uniform(5e-6, 15e-6, 500)
    errors = [abs(conductance.program(sheet, targets, 1, bits=b).reached - targets).max() for b in (None, 8, 5)]
    assert errors[0] <= 0.1001e-6
    lsb = 18e-6 / 31
    assert errors[0] < errors[1] < errors[2] <= lsb / 2 + 0.15e-6


def test_the_noise_of_a_pulse_is_normal_and_that_of_a_cell_lognormal() -> None:
    law = Response.model_validate({"up": UP, "down": DOWN, "cycle": 0.2})
    g = np.full(20_000, 11e-6)
    normals = np.random.default_rng(1).standard_normal(20_000)
    change = law.after(g, np.ones(20_000, bool), 1.0, normals, (2e-6, 20e-6)) - g
    mean = 1e-6 * (1 - 0.9 * 0.5)
    assert change.mean() == pytest.approx(mean, rel=0.01)
    assert stats.kstest(change / mean - 1, "norm", (0, 0.2)).pvalue > 1e-3
    cells = conductance.program(pulsed(response={"up": UP, "down": DOWN, "device": 0.3}), np.full(20_000, 5e-6), 2)
    assert cells.factor is not None
    assert stats.kstest(np.log(cells.factor.astype(float)), "norm", (0, 0.3)).pvalue > 1e-3


def test_published_relaxation_replaces_the_error_of_accepted_cells_only() -> None:
    law = {"up": UP, "down": DOWN}
    sheet = pulsed(response=law, max_pulses=8, tolerance="1 uS")
    curve = {"time": "1 s", "sigma": {"unit": "1 uS", "polynomial": [0.1]}}
    sheet = DeviceSheet.model_validate(sheet.model_dump(mode="json") | {"relaxation": [curve]})
    cells = conductance.program(sheet, np.full(1000, 8e-6), 1)
    far = conductance.program(sheet, np.full(1000, 20e-6), 1)
    assert cells.failures == 0 and far.failures == 1000
    assert conductance.conductance(sheet, cells, 1.0).mean(dtype=float) == pytest.approx(8e-6, rel=0.01)
    assert far.reached is not None
    assert conductance.conductance(sheet, far, 1.0).mean(dtype=float) == pytest.approx(far.reached[0], rel=0.01)


def test_the_datasheets_expected_pulses_are_those_that_come_out() -> None:
    sheet = shipped_device("rram_gong_natcommun_2018")
    targets = np.repeat(levels_of(sheet, np.arange(sheet.levels)), 1000)
    cells = conductance.program(sheet, targets, 1, bits=8)
    assert cells.pulses is not None
    assert cells.pulses.mean() == pytest.approx(sheet.write.pulses, rel=0.03)
    assert cells.failures < 0.002 * targets.size


# --- time and power ---


def test_a_power_limit_writes_fewer_cells_at_once() -> None:
    write = Write.model_validate(WRITE | {"pulses": 1})  # 6 pJ in 50 ns: 0.12 mW a cell
    assert Programming(power="0.5 mW").at_once(16, write) == 4
    assert Programming(power="0.5 mW", crossbars=2).at_once(16, write) == 2
    assert Programming(power="1 uW").at_once(16, write) == 1
    assert Programming(power="1 W", cells=8).at_once(16, write) == 8
    limited = Programming(power="0.5 mW")
    pulses = np.ones((1, 20, 16), np.uint32)
    assert limited.taken(pulses, write) == pytest.approx(4 * Programming().taken(pulses, write))
    assert limited.expected([(20, 16)], write) == pytest.approx(limited.taken(pulses, write))


def test_denoising_takes_its_time_once_for_each_group_of_cells() -> None:
    still = {"remaining": 0.1, "pulses": 3, "time": "100 ns", "energy": "1 pJ"}
    write = Write.model_validate(WRITE | {"pulses": 1, "denoising": still})
    assert write.finish == pytest.approx((300e-9, 3e-12))
    programming, pulses = Programming(cells=4), np.ones((1, 20, 16), np.uint32)
    assert programming.taken(pulses, write) == pytest.approx(20 * 4 * (100e-9 + 300e-9))
    assert programming.expected([(20, 16)], write) == pytest.approx(20 * 4 * (100e-9 + 300e-9))
