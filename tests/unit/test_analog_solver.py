"""One-step solvers against the circuit's differential equation, and forests of intervals against walking trees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hetsim.catalog import filled, locate, stripped
from hetsim.document import read
from hetsim.errors import RunError
from hetsim.hardware.analog_solver import AnalogSolver, AnalogSolverSheet
from hetsim.hardware.component import Moment
from hetsim.operators import arithmetic
from hetsim.workload import Op, Tensor

N = 12


def system(smallest: float = 0.2, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric matrix with eigenvalues from ``smallest`` to one, and a right-hand side."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((N, N)))
    return (q * np.linspace(smallest, 1, N)) @ q.T, rng.standard_normal(N)


def solver(**changes: object) -> AnalogSolver:
    path = locate("imc/solver_sun_pnas_2019")
    raw = filled(stripped(read(path)[0]), [path.parent]).plain()
    return AnalogSolver("solver", AnalogSolverSheet.model_validate({**raw, **changes}))


def op(matrix: np.ndarray, rhs: int = 1, version: int = 0) -> Op:
    a = Tensor("a", matrix.shape, "float64", load=lambda: matrix, version=version)
    b, x = Tensor("b", (len(matrix), rhs), "float64"), Tensor("x", (len(matrix), rhs), "float64")
    macs, element_ops = arithmetic("AnalogSolve", {}, (a, b), (x,))
    return Op("solve", "AnalogSolve", (a, b), (x,), {}, None, macs, element_ops)


def solved(part: AnalogSolver, matrix: np.ndarray, rhs: np.ndarray, ideal: bool = False) -> tuple[np.ndarray, object]:
    state, asked = part.state(5), op(matrix)
    plan = part.plan(asked, part.residency())
    outcome = part.compute(asked, [matrix, rhs.reshape(-1, 1)], state, Moment(0.0, 1, ideal), plan)
    return outcome.outputs[0].ravel(), state


def test_it_solves_up_to_its_errors() -> None:
    matrix, rhs = system()
    exact = np.linalg.solve(matrix, rhs)
    fine, _ = solved(solver(), matrix, rhs, ideal=True)
    rough, _ = solved(solver(), matrix, rhs)
    errors = [np.linalg.norm(x - exact) / np.linalg.norm(exact) for x in (fine, rough)]
    assert errors[0] < 0.15  # 32 levels and 8-bit converters
    assert errors[0] < errors[1] < 1.0


def test_it_settles_where_and_as_fast_as_the_circuit_does() -> None:
    """The amplifiers' equation dx/dt = ω (D⁻¹ (b - A x) - x / g + v), integrated from rest."""
    wide = {"bits": 16, "energy": "1 pJ", "time": "10 ns"}
    part = solver(dac=wide, adc=wide)
    matrix, rhs = system()
    found, state = solved(part, matrix, rhs)
    sheet, held, load = part.sheet, state.matrix, state.load
    omega = 2 * np.pi * sheet.amplifiers.bandwidth
    b = rhs / state.scale
    largest = np.abs(np.linalg.solve(held + np.diag(load) / sheet.amplifiers.gain, b)).max()
    from hetsim.analog.conductance import generator

    offsets = generator(state.key, "offset").standard_normal(sheet.size)[:N] * sheet.amplifiers.offset

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        return omega * ((b - held @ x) / load - x / sheet.amplifiers.gain + offsets * largest / sheet.swing)

    time = part._settling(state.rate)
    run = solve_ivp(slope, (0, 3 * time), np.zeros(N), method="BDF", rtol=1e-9, atol=1e-12, t_eval=[time, 3 * time])
    final = run.y[:, 1]
    assert found == pytest.approx(final, rel=1e-3, abs=1e-3 * np.abs(final).max())
    left = np.linalg.norm(run.y[:, 0] - final) / np.linalg.norm(final)
    assert left < 2.0 ** -(sheet.adc.bits - 3)
    halfway = solve_ivp(slope, (0, time / 4), np.zeros(N), method="BDF", rtol=1e-9, atol=1e-12).y[:, -1]
    assert np.linalg.norm(halfway - final) > 10 * np.linalg.norm(run.y[:, 0] - final)


def test_time_grows_with_the_smallest_eigenvalue() -> None:
    part = solver()
    _, easy = solved(part, *system(0.4), ideal=True)
    _, hard = solved(part, *system(0.04), ideal=True)
    assert part._settling(hard.rate) > 4 * part._settling(easy.rate)


def test_an_unstable_spectrum_is_refused() -> None:
    matrix, rhs = system()
    with pytest.raises(RunError, match="feedback is not stable"):
        solved(solver(), matrix - 0.5 * np.eye(N), rhs)


def test_a_system_that_is_too_large_is_refused() -> None:
    assert "solves up to 8" in solver(size=8).supports(op(system()[0]))
    moving = Tensor("a", (3, 3)), Tensor("b", (3, 1))
    assert solver().supports(Op("s", "AnalogSolve", moving, (Tensor("x", (3, 1)),))) == "the matrix must be a constant"


def test_writing_is_charged_and_wears() -> None:
    part, (matrix, rhs) = solver(), system()
    state = part.state(5)
    asked = op(matrix, version=1)
    plan = part.plan(asked, part.residency())
    outcome = part.compute(asked, [matrix, rhs.reshape(-1, 1)], state, Moment(0.0, 1), plan)
    cells = 2 * N * N
    assert plan.after is not None and plan.deployment is None
    assert outcome.steps["program"].count >= cells
    assert outcome.setup is not None and outcome.setup > part._settling(state.rate)
    report = part.report(state, 1.0)
    assert report["max_write_pulses"] > 1 and 0 < report["wear"] < 1e-3


def test_cells_of_simulated_pulses_are_written_by_them() -> None:
    response = {"up": {"step": "1 uS"}, "down": {"step": "1 uS"}, "cycle": 0.2}
    raw = solver().sheet.model_dump(mode="json")
    device = {name: raw["device"][name] for name in ("g_min", "g_max", "write")} | {
        "levels": 8, "pulsed": {"response": response, "tolerance": "1 uS", "max_pulses": 200},
    }  # fmt: skip
    part, (matrix, rhs) = solver(device=device), system()
    found, state = solved(part, matrix, rhs)
    exact = np.linalg.solve(matrix, rhs)
    assert np.linalg.norm(found - exact) < 0.5 * np.linalg.norm(exact)
    assert state.written.pulses == state.pulses.sum() > 2 * N * N * 2
    rows, write = state.pulses[:, :N, :N].max(axis=(0, 2)).sum(), part.sheet.device.write
    assert state.written.seconds == pytest.approx(rows * (write.time + write.verify))


def test_denoising_and_a_limit_of_power_are_charged() -> None:
    raw = solver().sheet.model_dump(mode="json")["device"]
    still = {"remaining": 0.1, "pulses": 10, "time": "1 us", "energy": "1 pJ"}
    usual = solver()
    part = solver(device=raw | {"write": raw["write"] | {"denoising": still}}, programming={"cells": 6})
    asked = op(system()[0])
    plans = [each.plan(asked, each.residency()) for each in (usual, part)]
    assert all(plan.deployment is not None for plan in plans)
    joules, seconds = ([getattr(plan.deployment, name) for plan in plans] for name in ("joules", "seconds"))
    assert joules[1] - joules[0] == pytest.approx(2 * N * N * 10e-12)
    write, groups = usual.sheet.device.write, N * 2 * N // 6
    assert seconds[1] == pytest.approx(groups * (write.rounds(6) * (write.time + write.verify) + 10e-6))
