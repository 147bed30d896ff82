"""Searches of intervals: exact where levels are fine and errors are none, and forests that are the trees walked."""

from __future__ import annotations

import numpy as np
import pytest

from hetsim.algorithms.trees import boxes, grow, walked
from hetsim.extensions import matches
from hetsim.hardware.acam import Acam, AcamSheet
from hetsim.hardware.component import Moment
from hetsim.operators import arithmetic
from hetsim.workload import Op, Tensor


def sheet(**changes: object) -> AcamSheet:
    write = {"voltage": "2 V", "time": "50 ns", "energy": "6 pJ", "pulses": 8, "verify": "50 ns"}
    energies = {"match_line": "10 fJ", "cell": "1 fJ", "dac": "1 pJ", "transfer": "1 pJ/bit"}
    facts = {"arrays": 4, "rows": 8, "columns": 4, "bits": 12, "search": "1 ns", "bandwidth": "10 GB/s", "write": write}
    return AcamSheet.model_validate({**facts, **energies, **changes})


def search(x: np.ndarray, low: np.ndarray, high: np.ndarray, **changes: object) -> tuple[np.ndarray, Acam, Op]:
    part = Acam("cam", sheet(**changes))
    bounds = [Tensor(n, v.shape, load=lambda v=v: v) for n, v in (("low", low), ("high", high))]
    inputs, outputs = (Tensor("x", x.shape), *bounds), (Tensor("y", (len(x), len(low)), "bool"),)
    macs, element_ops = arithmetic("CamSearch", {}, inputs, outputs)
    op = Op("search", "CamSearch", inputs, outputs, {}, None, macs, element_ops)
    assert part.supports(op) == ""
    plan = part.plan(op, part.residency())
    return part.compute(op, [x, low, high], part.state(3), Moment(0.0, 1), plan).outputs[0], part, op


def grid(shape: tuple[int, int], seed: int, bits: int = 12) -> np.ndarray:
    """Numbers that are levels of a range from 0 to 1."""
    top = 2**bits - 1
    return (np.random.default_rng(seed).integers(0, top + 1, shape) / top).astype("float32")


def intervals() -> tuple[np.ndarray, np.ndarray]:
    """Boxes over the whole range, some of them open."""
    a, b = grid((8, 4), 1), grid((8, 4), 2)
    low, high = np.minimum(a, b), np.maximum(a, b)
    low[0], high[1] = 0, 1
    low[2, 1], high[3, 2] = -np.inf, np.inf
    return low, high


def test_fine_levels_without_error_are_exact() -> None:
    low, high = intervals()
    x = grid((200, 4), 5)
    found, _, _ = search(x, low, high)
    assert (found == ((x[:, None] >= low) & (x[:, None] < high)).all(axis=2)).all()
    assert found.any() and not found.all()


def test_errors_and_coarse_levels_move_bounds() -> None:
    low, high = intervals()
    x = grid((500, 4), 6)
    exact = matches(x, low, high)
    wrong = [float((search(x, low, high, **c)[0] != exact).mean()) for c in ({"error": 0.01}, {"error": 0.1})]
    assert 0 < wrong[0] < wrong[1] < 0.2
    assert 0 < float((search(x, low, high, bits=3)[0] != exact).mean()) < 0.2


def test_boxes_are_split_over_arrays_and_cost_accordingly() -> None:
    low, high = np.zeros((16, 6), "float32"), np.ones((16, 6), "float32")
    x = np.full((10, 6), 0.5, "float32")
    _, part, op = search(x, low, high)
    plan = part.plan(op, part.residency())
    assert plan.after is not None and plan.after.free == 0  # 2 down, 2 across
    counts = {step.name: step.count for step in plan.steps}
    assert counts["compare"] == 10 * 16 * 6 and counts["match"] == 10 * 16 * 2 and counts["drive"] == 10 * 6 * 2
    assert plan.deployment is not None and plan.deployment.pulses == 2 * 16 * 6 * 8
    refused = Acam("cam", sheet(arrays=3)).supports(op)
    assert refused == "the intervals take 4 arrays, it has 3"


def test_old_boxes_make_room_and_new_ones_are_written_in_the_run() -> None:
    low, high = intervals()
    _, part, op = search(grid((3, 4), 1), low, high, arrays=1)
    other = Op("other", op.kind, (op.inputs[0], Tensor("low2", low.shape, load=lambda: low), op.inputs[2]), op.outputs)
    first = part.plan(op, part.residency()).after
    assert first is not None
    second = part.plan(other, first)
    assert second.setup > 0 and second.deployment is None
    assert second.after is not None and [p.tensor for p in second.after.placed] == ["low2"]


def test_each_sample_lies_in_one_box_of_a_tree() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((300, 5)).astype("float32"), rng.integers(0, 3, 300)
    tree = grow(x, y, 3, 6, 5, rng)
    low, high, shares = boxes(tree, 5)
    inside = matches(x, low, high)
    assert (inside.sum(axis=1) == 1).all()
    assert inside @ shares == pytest.approx(walked(tree, x))


def test_trees_are_as_good_as_scikit_learns() -> None:
    trees, datasets = pytest.importorskip("sklearn.tree"), pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = x.astype("float32")
    mine = grow(x, y, 2, 3, x.shape[1], np.random.default_rng(0))
    theirs = trees.DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y)
    assert (walked(mine, x).argmax(axis=1) == y).mean() == pytest.approx(theirs.score(x, y), abs=0.01)
