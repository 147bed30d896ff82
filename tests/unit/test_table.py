"""Parts of measured times: exact where measured, sensible between and beyond."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from operands import conv, dense, matmul, op, pool, random
from pydantic import ValidationError

from hetsim.hardware.component import Moment
from hetsim.hardware.table import Table, TableSheet, Times
from hetsim.numerics import run

GRID = list(product((1, 16, 256), (32, 512), (64, 1024)))


def times(law: Any, grid: Any = GRID, **more: Any) -> Times:
    points = [{"vectors": m, "rows": k, "columns": n, "time": f"{law(m, k, n)!r} s", **more} for m, k, n in grid]
    return Times.model_validate({"of": ["MatMul"], "points": points})


def table(*blocks: dict, **more: Any) -> Table:
    return Table("part", TableSheet.model_validate({"times": list(blocks), **more}))


def roofline(m: int, k: int, n: int) -> float:
    """10 us of overhead, 1 TOP/s, 10 GB/s."""
    return 1e-5 + max(2 * m * k * n / 1e12, 4 * (m * k + k * n + m * n) / 1e10)


def test_every_measured_point_is_met() -> None:
    law = times(roofline, energy="3 uJ")
    for size in GRID:
        seconds, joules = law.at((*size, 1))
        assert seconds == pytest.approx(roofline(*size), rel=1e-9)
        assert joules == pytest.approx(3e-6)


def test_a_power_law_is_met_everywhere_inside() -> None:
    def law(m: int, k: int, n: int) -> float:
        return 1e-9 * m * k**0.8 * n**0.5

    rng = np.random.default_rng(0)
    for _ in range(50):
        size = [round(np.exp(rng.uniform(np.log(a), np.log(b)))) for a, b in ((1, 256), (32, 512), (64, 1024))]
        assert times(law).at((*size, 1))[0] == pytest.approx(law(*size), rel=1e-6)


def test_a_rooflines_bends_are_followed() -> None:
    """From 60 sizes drawn at random, 200 others inside: half within 4 %, all within 20 %."""
    rng = np.random.default_rng(1)

    def drawn(count: int, low: tuple, high: tuple) -> list[tuple[int, ...]]:
        return [tuple(int(x) for x in np.exp(rng.uniform(np.log(low), np.log(high)))) for _ in range(count)]

    law = times(roofline, drawn(60, (1, 64, 64), (256, 1024, 1024)))
    asked = drawn(200, (2, 80, 80), (200, 800, 800))
    errors = [abs(law.at((*size, 1))[0] / roofline(*size) - 1) for size in asked]
    assert np.median(errors) < 0.04
    assert max(errors) < 0.20


def test_beyond_the_table_work_grows_and_overhead_stays() -> None:
    law = times(roofline)
    largest = law.at((256, 512, 1024, 1))[0]
    assert law.at((512, 512, 1024, 1))[0] == pytest.approx(2 * largest)
    assert law.at((256, 1024, 4096, 1))[0] == pytest.approx(8 * largest)
    assert law.at((256, 512, 1024, 3))[0] == pytest.approx(3 * largest)
    assert law.at((1, 2, 3, 1))[0] == pytest.approx(law.at((1, 32, 64, 1))[0])


def test_ops_are_sized_by_their_matrix_or_their_elements() -> None:
    part = table(
        {"of": ["MatMul", "Gemm"], "points": [{"vectors": 5, "rows": 30, "columns": 7, "time": "3 us"}]},
        {"of": ["MaxPool"], "points": [{"elements": 256, "time": "1 us"}, {"elements": 1024, "time": "4 us"}]},
        {"of": ["Relu"], "points": [{"time": "9 us", "energy": "2 nJ"}]},
    )
    assert part.plan(matmul()[0], part.residency()).fill == pytest.approx(3e-6)
    assert part.plan(dense()[0], part.residency()).fill == pytest.approx(3e-6)
    assert part.plan(pool()[0], part.residency()).fill == pytest.approx(2.5e-6)  # 512 + 128 elements of a straight line
    plan = part.plan(op("Relu", [random((50,))], (50,))[0], part.residency())
    assert plan.fill == 9e-6
    assert plan.steps[0].joules == 2e-9


def test_what_was_not_measured_is_refused() -> None:
    part = table({"of": ["MatMul"], "points": [{"vectors": 1, "rows": 1, "columns": 1, "time": "1 s"}]})
    assert part.supports(matmul()[0]) == ""
    assert part.supports(conv()[0]) == "has no measured time of Conv"
    assert "float64" in part.supports(matmul(dtype="float64")[0])


@pytest.mark.parametrize(
    ("form", "worst"), [("fp32", 1e-6), ("fp16", 2e-3), ("bf16", 2e-2), ("int16", 1e-3), ("int8", 5e-2)]
)
def test_numbers_are_in_the_parts_format(form: str, worst: float) -> None:
    case, values = matmul()
    part = table({"of": ["MatMul"], "points": [{"time": "1 s"}]}, format=form)
    plan = part.plan(case, part.residency())
    (y,) = part.compute(case, values, None, Moment(0.0, 1), plan).outputs
    exact = run(case, values)[0]
    assert np.abs(y - exact).max() / np.abs(exact).max() < worst
    assert plan.output_bytes[0] == exact.size * {"fp32": 4, "fp16": 2, "bf16": 2, "int16": 2, "int8": 1}[form]


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ([{"rows": 3, "time": "1 s"}], "vectors, rows and columns"),
        ([{"elements": 3, "vectors": 1, "rows": 1, "columns": 1, "time": "1 s"}], "or the elements"),
        ([{"elements": 3, "time": "1 s"}, {"time": "1 s"}], "some points are sized"),
        ([{"elements": 3, "time": "1 s"}, {"elements": 3, "time": "2 s"}], "given twice"),
        ([{"elements": 3, "time": "0 s"}], "greater than 0"),
        ([], "at least 1"),
    ],
)
def test_tables_that_make_no_sense_are_refused(points: list, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        table({"of": ["Relu"], "points": points})


def test_an_operator_has_one_table() -> None:
    block = {"of": ["Relu"], "points": [{"time": "1 s"}]}
    with pytest.raises(ValidationError, match="twice for Relu"):
        table(block, block)
