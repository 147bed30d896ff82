"""What If, Loop and Scan cost: counts by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import node, save, weights
from onnx import TensorProto, helper

from hetsim.engine import simulate
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.scenario import load

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
TURNS = [helper.make_tensor_value_info("turn", INT, []), helper.make_tensor_value_info("on", BOOL, [])]


def value(name: str, *shape: int, kind: int = FLOAT) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def loop(more: list = [], trips: str = "trips") -> object:  # noqa: B006
    """A state [3, 4] times w [4, 4], and what else: 48 MACs a trip."""
    body = [node("Identity", ["on"], "still"), node("MatMul", ["state", "w"], "next"), *more]
    graph = helper.make_graph(
        body, "body", [*TURNS, value("state", 3, 4)], [value("still", kind=BOOL), value("next", 3, 4)]
    )
    return node("Loop", [trips, "go", "x"], "y", body=graph, name="loop")


def cost(folder: Path, nodes: list, outputs: list[str], **constants: np.ndarray) -> tuple[int, int]:
    held = {**weights(w=(4, 4)), "go": np.array(True), "trips": np.array(7), **constants}
    graph = build(OnnxFile(save(folder / "net.onnx", nodes, held, {"x": [3, 4]}, outputs), "net"), 3)
    return sum(op.macs for op in graph.ops), sum(op.element_ops for op in graph.ops)


def test_a_loop_costs_its_body_times_its_trips(tmp_path: Path) -> None:
    assert cost(tmp_path, [loop()], ["y"]) == (7 * 48, 0)


def test_a_loop_that_never_runs_costs_nothing(tmp_path: Path) -> None:
    assert cost(tmp_path, [loop()], ["y"], trips=np.array(0)) == (0, 0)


def branch(kind: str, *reads: str) -> object:
    return helper.make_graph([node(kind, list(reads), "z")], kind, [], [value("z", 3, 4)])


def choice(*conditions: str) -> object:
    inner, other = branch("MatMul", "x", "w"), branch("Exp", "x")
    return node("If", list(conditions), "chosen", then_branch=other, else_branch=inner, name="choice")


def test_of_an_if_the_dearer_branch_counts(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", ["x"], "largest", keepdims=0), node("Less", ["largest", "limit"], "small")]
    macs, element_ops = cost(tmp_path, [*nodes, choice("small")], ["chosen"], limit=np.array(5, np.float32))
    assert (macs, element_ops) == (48, 11 + 1)  # of twelve numbers the largest, and a comparison


def test_graphs_inside_graphs(tmp_path: Path) -> None:
    """A Loop of five trips inside a Loop of seven; its number of trips stands in the outer body."""
    inner = helper.make_graph(
        [node("Identity", ["on2"], "still2"), node("MatMul", ["s2", "w"], "n2")],
        "inner",
        [value("turn2", kind=INT), value("on2", kind=BOOL), value("s2", 3, 4)],
        [value("still2", kind=BOOL), value("n2", 3, 4)],
    )
    five = helper.make_tensor("five", INT, [], [5])
    more = [
        helper.make_node("Constant", [], ["five"], value=five),
        node("Loop", ["five", "go", "state"], "unused", body=inner),
    ]
    assert cost(tmp_path, [loop(more)], ["y"])[0] == 7 * (48 + 5 * 48)


@pytest.mark.parametrize(("axis", "length"), [(0, 3), (1, 4)])
def test_a_scan_costs_its_body_for_each_slice(axis: int, length: int, tmp_path: Path) -> None:
    other = 7 - length  # what a slice has
    body = helper.make_graph(
        [node("Add", ["state", "slice"], "next"), node("Tanh", ["next"], "out")],
        "body", [value("state", other), value("slice", other)], [value("next", other), value("out", other)],
    )  # fmt: skip
    scan = helper.make_node(
        "Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[axis], name="scan"
    )
    assert cost(tmp_path, [scan], ["all"], start=np.zeros(other, np.float32)) == (0, length * 2 * other)


def test_a_loop_without_a_number_counts_once_and_says_so(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("Less", ["turn", "most"], "still"), node("MatMul", ["state", "w"], "next")],
        "body", [*TURNS, value("state", 3, 4)], [value("still", kind=BOOL), value("next", 3, 4)],
    )  # fmt: skip
    nodes = [node("Loop", ["", "go", "x"], "y", body=body, name="loop")]
    held = {**weights(w=(4, 4)), "go": np.array(True), "most": np.array(3)}
    file = save(tmp_path / "net.onnx", nodes, held, {"x": [3, 4]}, ["y"])
    (op,) = build(OnnxFile(file, "net"), 3).ops
    assert (op.macs, op.element_ops) == (48, 1)
    block = {"onnx": str(file), "data": "synthetic", "scores": "none"}
    scenario = load({"system": {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}, "workload": block})
    told = simulate(scenario).document["notes"]
    assert any("loops counted once" in note and "loop" in note for note in told)
