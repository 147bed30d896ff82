"""The systolic law against SCALE-Sim 3.0.0: compute cycles of 20 shapes, three dataflows, arrays of 8 to 128."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hetsim.hardware.systolic import Systolic, SystolicSheet
from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Op, Tensor

HERE = Path(__file__).parent
STATIONARY = {"os": "output", "ws": "weight", "is": "input"}


def stored() -> Iterator[dict[str, str]]:
    with (HERE / "scalesim.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def array(dataflow: str, size: int) -> Systolic:
    """An array as SCALE-Sim has them: operands at rest shift in between tiles, sums leave over wires of their
    own, and nothing waits for memory.
    """
    sheet = {
        "rows": size, "columns": size, "stationary": STATIONARY[dataflow], "double_buffered": False,
        "shifts_out": False, "frequency": "1 Hz", "buffer": "1 GB", "lanes": 10**9, "energy": "0 J/OP",
        "vector_energy": "0 J/OP", "buffer_energy": "0 J/B", "memory": {"bandwidth": "1 EB/s"},
    }  # fmt: skip
    return Systolic("npu", SystolicSheet.model_validate(sheet))


def layer(kind: str, sizes: list[int]) -> Op:
    """The op of a row: a product, or a convolution of an image that is padded already."""
    if kind == "gemm":
        m, n, k = sizes
        x, w, y = Tensor("x", (m, k)), Tensor("w", (k, n), constant=True), Tensor("y", (m, n))
        return made("MatMul", {}, x, w, y)
    height, width, r, s, channels, filters, stride = sizes
    group = channels if kind == "depthwise" else 1
    filters *= group
    x = Tensor("x", (1, channels, height, width))
    w = Tensor("w", (filters, channels // group, r, s), constant=True)
    y = Tensor("y", (1, filters, (height - r) // stride + 1, (width - s) // stride + 1))
    return made("Conv", {"strides": (stride, stride), "group": group}, x, w, y)


def made(kind: str, attributes: dict, x: Tensor, w: Tensor, y: Tensor) -> Op:
    macs, _ = arithmetic(kind, attributes, (x, w), (y,))
    view = matrix_view(kind, attributes, (x, w), (y,))
    return Op("layer", kind, (x, w), (y,), attributes, macs=macs, matrix=view)


@pytest.mark.parametrize("dataflow", STATIONARY)
@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_compute_cycles_agree_within_two_percent(dataflow: str, size: int) -> None:
    part = array(dataflow, size)
    rows = [row for row in stored() if row["dataflow"] == dataflow and row["array"] == str(size)]
    assert len(rows) == 20
    for row in rows:
        op = layer(row["kind"], [int(n) for n in row["dimensions"].split("x")])
        cycles = part.plan(op, part.residency()).fill
        assert cycles == pytest.approx(int(row["cycles"]), rel=0.02), row


@pytest.mark.slow
def test_scalesim_still_counts_what_is_stored(tmp_path: Path) -> None:
    python = os.environ.get("HETSIM_SCALESIM")
    if python is None:
        pytest.skip(
            "set HETSIM_SCALESIM to the Python of an environment with scalesim==3.0.0 and numpy==2.2.*, "
            f"as the head of {HERE.name}/scalesim_table.py says"
        )
    script = importlib.util.spec_from_file_location("scalesim_table", HERE / "scalesim_table.py")
    assert script is not None and script.origin is not None
    subprocess.run([python, script.origin, tmp_path / "again.csv"], check=True, cwd=tmp_path)
    assert (tmp_path / "again.csv").read_text() == (HERE / "scalesim.csv").read_text()
