"""ONNX files that cannot be, or must not be, computed: what a person is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import node, save, weights
from onnx import TensorProto, helper, numpy_helper

from hetsim.engine import simulate
from hetsim.errors import InputError
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.scenario import load


def refusal(path: Path) -> str:
    """What is said when the file is timed, or else when it is computed on synthetic inputs."""
    with pytest.raises(InputError) as caught:
        build(OnnxFile(path, path.name))
        ran(path)
    return str(caught.value)


def ran(path: Path, **workload: object) -> dict:
    block = {"onnx": str(path), "data": "synthetic", "scores": "deviation", **workload}
    block = {key: value for key, value in block.items() if value is not None}
    system = {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}
    return simulate(load({"system": system, "workload": block})).document


def loop(folder: Path, trips: int | None, going: bool = True, nested: bool = False) -> Path:
    """A Loop that doubles its state, for so many trips, or as long as its condition says, which is for ever."""
    body = helper.make_graph(
        [node("Identity", ["on"], "still"), node("Add", ["state", "one"], "next")],
        "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("next", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    constants = {"one": np.ones(1, np.float32), "go": np.array(going)}
    if trips is not None:
        constants["trips"] = np.array(trips)
    nodes = [node("Loop", ["trips" if trips is not None else "", "go", "x"], "y", body=body, name="loop")]
    if nested:
        inner = helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
        nodes = [
            node("ReduceMax", ["x"], "largest", keepdims=0), node("Less", ["largest", "limit"], "small"),
            node("If", ["small"], "z", then_branch=inner, else_branch=inner, name="choice"),
        ]  # fmt: skip
        constants["limit"] = np.array(5, np.float32)
    return save(folder / "loop.onnx", nodes, constants, {"x": [1]}, ["z" if nested else "y"])


def test_a_loop_that_ends_is_computed(tmp_path: Path) -> None:
    assert ran(loop(tmp_path, 12))["metrics"]["deviation.y"] == 0
    assert ran(loop(tmp_path, 12, nested=True))["metrics"]["deviation.z"] == 0


@pytest.mark.parametrize(("trips", "nested"), [(None, False), (2**62, False), (None, True)])
def test_a_loop_that_never_ends_is_stopped(trips: int | None, nested: bool, tmp_path: Path) -> None:
    path = loop(tmp_path, trips, nested=nested)
    assert build(OnnxFile(path, path.name)).ops[-1].outputs[0].shape == (1,)
    with pytest.raises(InputError, match="holds a Loop that goes on beyond 100000 iterations"):
        ran(path, scores="none")


def test_a_cycle_is_named(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b")]
    path = save(tmp_path / "cycle.onnx", nodes, {}, {"x": ["N", 4]}, ["b"])
    assert "node 'a' reads 'b', which nothing before it makes" in refusal(path)


@pytest.mark.parametrize("way", ["initializer", "nodes", "length", "external"])
def test_three_gigabytes_claimed_in_a_kilobyte(way: str, tmp_path: Path) -> None:
    path = tmp_path / "claim.onnx"
    nodes, constants = [node("Add", ["x", "w"], "y")], weights(w=(4,))
    if way == "nodes":
        constants = {"shape": np.array([750_000_000])}
        nodes.insert(0, node("ConstantOfShape", ["shape"], "w"))
    save(path, nodes, constants, {"x": ["N", 4]}, ["y"])
    model = onnx.load(path)
    if way in ("initializer", "external"):
        tensor = model.graph.initializer[0]
        tensor.dims[:] = [750_000_000]
        tensor.ClearField("raw_data")
        if way == "external":
            (tmp_path / "w.bin").write_bytes(b"\0" * 16)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="w.bin")
    data = model.SerializeToString()
    if way == "length":  # the last field of the model claims to be 3 GB long
        data += bytes([8 << 3 | 2, 0x80, 0xBC, 0xC1, 0x96, 0x0B])
    path.write_bytes(data)
    assert len(data) < 1024
    said = refusal(path)
    words = {"initializer": "'w' is cut short", "nodes": "makes a constant of 3e+09 B", "length": "cut short"}
    assert words.get(way, "external data 'w.bin' are cut short at tensor 'w'") in said


def test_shapes_that_depend_on_numbers_are_worked_out_or_refused(tmp_path: Path) -> None:
    nodes = [node("NonZero", ["x"], "places"), node("Cast", ["places"], "y", to=1)]
    path = save(tmp_path / "sparse.onnx", nodes, {}, {"x": [6]}, ["y"])
    assert "node 'places' (NonZero): its shape depends on the numbers in 'x'" in refusal(path)
    np.savez(tmp_path / "in.npz", x=np.array([0, 1, 0, 2, 3, 0], np.float32))
    assert ran(path, data=None, inputs=str(tmp_path / "in.npz"))["metrics"]["deviation.y"] == 0


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((2, 5), np.float32)}, "dimension 1 of input 'x' is 4 in the file, given is 5"),
        ({"x": np.zeros((2, 4))}, "input 'x' takes float32, given are numbers of float64"),
        ({"x": np.zeros(4, np.float32)}, "input 'x' takes 2 dimensions, given are 1"),
        ({"z": np.zeros((2, 4), np.float32)}, "has arrays z; "),
    ],
)
def test_inputs_that_do_not_fit(arrays: dict, said: str, tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [node("Relu", ["x"], "y")], {}, {"x": ["N", 4]}, ["y"])
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(InputError, match=said):
        ran(path, data=None, inputs=str(tmp_path / "in.npz"))


def test_shapes_fill_in_what_a_file_leaves_open(tmp_path: Path) -> None:
    nodes = [node("GlobalAveragePool", ["x"], "y")]
    path = save(tmp_path / "open.onnx", nodes, {}, {"x": ["N", 3, "height", "width"]}, ["y"])
    assert "dimension 2 ('height') of input 'x' is left open" in refusal(path)
    found = ran(path, shapes={"x": ["batch", 3, 8, 6]}, batch=4)
    assert found["metrics"]["deviation.y"] < 1e-6
    with pytest.raises(InputError, match="no input 'z' to give a shape to"):
        ran(path, shapes={"z": [1]})


def test_a_branch_that_is_known_takes_the_place_of_its_if(tmp_path: Path) -> None:
    def branch(kind: str) -> onnx.GraphProto:
        w = numpy_helper.from_array(weights(w=(4, 4))["w"], "w")
        out = [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)]
        return helper.make_graph([node("MatMul", ["x", "w"], "m"), node(kind, ["m"], "r")], kind, [], out, [w])

    nodes = [
        node("Shape", ["x"], "shape"), node("Size", ["shape"], "rank"), node("Equal", ["rank", "two"], "flat"),
        node("If", ["flat"], "y", then_branch=branch("Relu"), else_branch=branch("Exp"), name="choice"),
    ]  # fmt: skip
    path = save(tmp_path / "choice.onnx", nodes, {"two": np.array(2)}, {"x": ["N", 4]}, ["y"])
    (op,) = build(OnnxFile(path, path.name), 3).ops
    assert (op.name, op.kind, op.activation) == ("choice/m", "MatMul", "Relu")
    assert op.matrix.stored is not None
    assert ran(path)["metrics"]["deviation.y"] < 1e-6


def test_numbers_that_are_drawn_at_random_are_refused(tmp_path: Path) -> None:
    nodes = [node("RandomNormalLike", ["x"], "r"), node("Add", ["x", "r"], "y")]
    path = save(tmp_path / "random.onnx", nodes, {}, {"x": ["N", 4]}, ["y"])
    assert "random numbers would differ from run to run" in refusal(path)
