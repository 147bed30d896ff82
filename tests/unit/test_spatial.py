"""The spatial array: how convolutions lie on it, how long they take, and what zeros save."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random

from hetsim.hardware.component import Moment
from hetsim.hardware.spatial import Convolution, Spatial, SpatialSheet, array_cycles, laid
from hetsim.numerics import lower, run

NOW = Moment(0.0, 1)


def spatial(**changes: Any) -> Spatial:
    """12 x 14 elements at 1 MHz."""
    sheet = {
        "rows": 12, "columns": 14, "frequency": "1 MHz", "buffer": "100 KiB", "input_words": 12, "lanes": 64,
        "spills": True, "energy": "1 pJ/OP", "cycle_energy": "1 nJ", "vector_energy": "0 J/OP",
        "buffer_energy": "0 J/B", "memory": {"bandwidth": "1 GB/s", "energy": "0 J/B"},
    }  # fmt: skip
    return Spatial("npu", SpatialSheet.model_validate(sheet | changes))


@pytest.mark.parametrize(
    ("lines", "height", "active", "strips", "sets", "folds"),
    [
        (55, 11, 154, 4, 1, 1), (27, 5, 135, 1, 1, 1), (13, 3, 156, 1, 4, 1),  # AlexNet, as printed [Chen 2017]
        (1, 1, 168, 1, 168, 1), (14, 12, 168, 1, 1, 1), (20, 3, 120, 1, 2, 1),
        (7, 25, 126, 1, 2, 3),  # higher than the array: three folds of 9 rows
    ],
)  # fmt: skip
def test_the_mapping_fills_the_array(lines: int, height: int, active: int, strips: int, sets: int, folds: int) -> None:
    lay = laid(spatial().sheet, Convolution(1, 1, 8, 8, height, 3, lines, lines))
    assert (lay.active, lay.strips, lay.sets, lay.folds) == (active, strips, sets, folds)


def counted(sheet: SpatialSheet, shape: Convolution) -> int:
    """Cycles by going through what a processing element does, one multiplication or addition a cycle."""
    lay = laid(sheet, shape)
    held = max(sheet.input_words // shape.width, 1)
    jobs = list(product(range(shape.images), range(shape.filters), range(lay.strips)))
    cycles = 0
    for first in range(0, len(jobs), lay.sets):  # so many sets work side by side, each on a job of its own
        assert jobs[first : first + lay.sets]
        for channel in range(0, shape.channels, held):
            together = min(held, shape.channels - channel)
            for _ in range(shape.places):
                cycles += together * shape.width  # multiplications of one output
                cycles += 1  # the sum of the element below
    return cycles


@pytest.mark.parametrize(
    "shape",
    [
        Convolution(2, 1, 3, 5, 3, 3, 13, 7), Convolution(1, 1, 9, 7, 5, 5, 27, 4),
        Convolution(3, 1, 2, 30, 1, 1, 1, 1), Convolution(1, 1, 4, 2, 11, 11, 30, 6),
    ],
)  # fmt: skip
def test_cycles_are_those_of_every_element(shape: Convolution) -> None:
    sheet = spatial().sheet
    assert array_cycles(sheet, shape) == counted(sheet, shape)


def test_a_plan_has_the_arrays_time_and_its_energies() -> None:
    case, _ = conv(image=(2, 4, 9, 10), kernel=(8, 4, 3, 2))
    part = spatial(zeros={"conv*": 0.25, "*": 0.9})
    plan = part.plan(case, part.residency())
    steps = {step.name: step for step in plan.steps}
    cycles = array_cycles(part.sheet, Convolution.of(case))
    # 12 elements of 3 rows: 4 bands of 14 columns hold 8 sets of 7 lines; 16 jobs, 9 places, 4 x 2 + 1 cycles each
    assert cycles == 2 * 9 * 9
    assert steps["clock"].count == cycles
    assert steps["clock"].joules == 1e-9
    assert steps["multiply"].count == pytest.approx(0.75 * case.macs)
    assert steps["multiply"].joules == pytest.approx(2e-12)
    assert steps["gated_multiply"].joules == 0.0
    assert 1 / steps["multiply"].seconds == pytest.approx(3 * 7 * 8 * 1e6)
    fetch = case.constants[0].size * 2 / 1e9
    assert plan.fill == pytest.approx(cycles * 1e-6 + fetch / 2)  # weights of one of two images' tiles come first
    assert plan.output_bytes == (case.outputs[0].size * 2,)


def test_zeros_are_counted_in_the_numbers() -> None:
    case, values = conv()
    values[0][values[0] < 0.5] = 0.0
    part = spatial()
    plan = part.plan(case, part.residency())
    outcome = part.compute(case, values, None, NOW, plan)
    x, w = lower(case, values)
    nonzero = int((x != 0).sum()) * w.shape[1]
    assert outcome.steps["multiply"].count == pytest.approx(nonzero)
    assert outcome.steps["multiply"].joules == pytest.approx(nonzero * 2e-12)
    assert outcome.steps["gated_multiply"].count == pytest.approx(case.macs - nonzero)
    assert outcome.counts == {"multiplications": case.macs, "gated": pytest.approx(case.macs - nonzero)}


@pytest.mark.parametrize("made", [conv, dense, matmul, pool])
def test_numbers_have_sixteen_bits(made: Any) -> None:
    case, values = made()
    part = spatial()
    (y,) = part.compute(case, values, None, NOW, part.plan(case, part.residency())).outputs
    exact = run(case, values)[0]
    error = np.abs(y - exact).max() / np.abs(exact).max()
    assert 0 < error < 2e-4


def test_what_does_not_fit_moves_in_the_cheapest_order() -> None:
    """Two images, 40 filters, sums of 35 lines x 35 places x 2 B a filter and image in 100 KiB."""
    case, _ = conv(image=(2, 30, 37, 37), kernel=(40, 30, 3, 3))
    weights, inputs, outputs = 40 * 30 * 9 * 2, 2 * 30 * 37 * 37 * 2, 2 * 40 * 35 * 35 * 2
    part = spatial()
    steps = {step.name: step.count for step in part.plan(case, part.residency()).steps}
    # one image at a time and all 40 filters: weights twice, inputs once, against 20 filters and inputs twice
    assert steps["load_weights"] == 2 * weights < inputs
    assert steps["spill"] == inputs + outputs
    some = spatial(run_length=True, zeros={"*": 0.95})
    steps = {step.name: step.count for step in some.plan(case, some.residency()).steps}
    assert steps["spill"] == pytest.approx(2 * inputs * 0.05 * 64 / 3 / 16 + outputs)  # now inputs twice are cheaper
    dense_inputs = spatial(run_length=True, zeros={"*": 0.1})
    steps = {step.name: step.count for step in dense_inputs.plan(case, part.residency()).steps}
    assert steps["spill"] == inputs + outputs  # encoding would make them larger


def test_small_inputs_stay_in_the_buffer() -> None:
    case, _ = conv()
    part = spatial()
    assert "spill" not in {step.name for step in part.plan(case, part.residency()).steps}


def test_reasons_for_refusing() -> None:
    part = spatial(spills=False, buffer="1 KiB")
    assert "exceed its buffer of 1024 B" in part.supports(conv()[0])
    both, _ = op("MatMul", [random((4, 4))] * 2, (4, 4))
    assert part.supports(both) == "has no unit for MatMul without constant weights"
    assert "float64" in part.supports(matmul(dtype="float64")[0])


def test_peaks_of_the_full_array() -> None:
    peaks = spatial().peaks()
    assert peaks["peak_ops_per_s"] == 2 * 168 * 1e6
    assert peaks["peak_power_W"] == pytest.approx(336e6 * 1e-12 + 1e-3)
