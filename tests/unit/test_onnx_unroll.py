"""LSTMs taken apart into the products of their steps, against onnxruntime's LSTM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import node, save, weights
from onnx import helper

from hetsim.engine import simulate
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.frontends.onnx_shapes import Question
from hetsim.scenario import load

STEPS, BATCH, WIDTH, HIDDEN = 5, 2, 3, 4


def network(folder: Path, direction: str, start: bool, bias: bool, **attributes: object) -> Path:
    ways = 2 if direction == "bidirectional" else 1
    shapes = {"w": (ways, 4 * HIDDEN, WIDTH), "r": (ways, 4 * HIDDEN, HIDDEN), "b": (ways, 8 * HIDDEN)}
    inputs = {"x": [STEPS, BATCH, WIDTH]}
    names = ["x", "w", "r", "b" if bias else ""]
    if start:
        names += ["", "h0", "c0"]
        inputs |= {"h0": [ways, BATCH, HIDDEN], "c0": [ways, BATCH, HIDDEN]}
    lstm = helper.make_node("LSTM", names, ["y", "h", "c"], hidden_size=HIDDEN, direction=direction, **attributes)
    nodes = [lstm, node("Relu", ["y"], "z")]
    rng = np.random.default_rng(4)
    np.savez(folder / "in.npz", **{k: rng.standard_normal(s).astype(np.float32) for k, s in inputs.items()})
    return save(folder / "lstm.onnx", nodes, weights(**shapes), inputs, ["z", "h", "c"])


def deviations(path: Path, unroll: bool) -> dict[str, float]:
    workload = {"onnx": str(path), "inputs": str(path.with_name("in.npz")), "scores": "deviation", "unroll": unroll}
    system = {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}
    return simulate(load({"system": system, "workload": workload})).document["metrics"]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("start", "bias"), [(True, True), (False, True), (True, False)])
def test_steps_give_what_the_operator_gives(direction: str, start: bool, bias: bool, tmp_path: Path) -> None:
    path = network(tmp_path, direction, start, bias)
    found = deviations(path, True)
    assert {name for name in found if name.startswith("deviation")} == {f"deviation.{n}" for n in "zhc"}
    assert max(found.values()) < 1e-6


def test_steps_have_the_same_macs_and_stored_weights(tmp_path: Path) -> None:
    path = network(tmp_path, "bidirectional", True, True)
    file = OnnxFile(path, path.name)
    shapes = {"x": (STEPS, BATCH, WIDTH), "h0": (2, BATCH, HIDDEN), "c0": (2, BATCH, HIDDEN)}
    whole, steps = (build(file, Question(1, shapes, unroll=unroll)) for unroll in (False, True))
    assert sum(op.macs for op in whole.ops) == sum(op.macs for op in steps.ops) > 0
    products = [op for op in steps.ops if op.kind == "MatMul"]
    assert len(products) == 2 * (1 + STEPS)
    assert all(op.matrix is not None and op.matrix.stored is not None for op in products)
    assert len({op.matrix.stored.name for op in products}) == 4  # for each direction inputs and state


def test_other_forms_stay_one_op(tmp_path: Path) -> None:
    path = network(tmp_path, "forward", False, True, clip=0.5)
    shapes = {"x": (STEPS, BATCH, WIDTH)}
    ops = build(OnnxFile(path, path.name), Question(1, shapes, unroll=True)).ops
    assert [op.kind for op in ops] == ["LSTM", "Relu"]
    assert max(deviations(path, True).values()) < 1e-6
