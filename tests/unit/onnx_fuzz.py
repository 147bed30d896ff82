"""ONNX files damaged at random, from a seed: hetsim has to read them or say what is wrong."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from networks import mixed_network, save, small_cnn, weights
from onnx import TensorProto, helper

from hetsim.engine import simulate
from hetsim.errors import HetsimError
from hetsim.scenario import Scenario, load


def recurrent(folder: Path) -> Path:
    """An LSTM before a Loop."""
    constants = weights(w=(1, 16, 3), r=(1, 16, 4), b=(1, 32), k=(4, 5)) | {"trips": np.array(3), "go": np.array(True)}
    body = helper.make_graph(
        [helper.make_node("Add", ["seen", "m"], ["more"]), helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("seen", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("more", TensorProto.FLOAT, None)],
    )  # fmt: skip
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["y", "h", ""], hidden_size=4, name="lstm"),
        helper.make_node("MatMul", ["h", "k"], ["m"], name="dense"),
        helper.make_node("Loop", ["trips", "go", "m"], ["last"], body=body, name="loop"),
        helper.make_node("Softmax", ["last"], ["p"], axis=-1, name="softmax"),
    ]
    return save(folder / "recurrent.onnx", nodes, constants, {"x": ["N", 2, 3]}, ["p"])


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, cut out, doubled or swapped, or a small number put where another was."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, kind = int(rng.integers(0, max(len(out), 1))), rng.integers(0, 6)
        size = int(rng.integers(1, 24))
        if kind == 0 and out:
            out[at] = int(rng.integers(0, 256))
        elif kind == 1:
            del out[at : at + size]
        elif kind == 2:
            out[at:at] = out[at : at + size]
        elif kind == 3:
            del out[at:]
        elif kind == 4 and out:
            out[at] ^= 1 << int(rng.integers(0, 8))
        else:
            out[at : at + 1] = bytes([int(rng.integers(0, 32))])
    return bytes(out)


def twisted(data: bytes, rng: np.random.Generator) -> bytes:
    """A file that is whole but says something odd: another operator, number, name, dimension or version."""
    model = onnx.ModelProto.FromString(data)
    nodes, stored = model.graph.node, model.graph.initializer
    names = [name for node in nodes for name in (*node.input, *node.output)]
    numbers = [-(2**63), -7, -1, 0, 1, 2, 3, 7, 1000, 2**31, 2**62]
    for _ in range(rng.integers(1, 4)):
        node = nodes[rng.integers(len(nodes))]
        kind, number = rng.integers(0, 9), int(rng.choice(numbers))
        if kind == 0:
            node.op_type = str(rng.choice(["Add", "Reshape", "Slice", "Resize", "NonZero", "If", "LSTM", "Gather"]))
        elif kind == 1 and node.input:
            node.input[rng.integers(len(node.input))] = str(rng.choice([*names, ""]))
        elif kind == 2 and node.attribute:
            attribute = node.attribute[rng.integers(len(node.attribute))]
            attribute.i = number
            if attribute.ints:
                attribute.ints[rng.integers(len(attribute.ints))] = number
        elif kind == 3 and node.attribute:
            del node.attribute[rng.integers(len(node.attribute))]
        elif kind == 4:
            node.output[0] = str(rng.choice(names))
        elif kind == 5 and stored:
            tensor = stored[rng.integers(len(stored))]
            tensor.dims[:] = [number] if rng.integers(2) else list(tensor.dims)[::-1]
        elif kind == 6 and stored:
            stored[rng.integers(len(stored))].data_type = int(rng.integers(0, 24))
        elif kind == 7:
            model.opset_import[0].version = int(rng.integers(1, 30))
        else:
            dims = model.graph.input[0].type.tensor_type.shape.dim
            dims[rng.integers(len(dims))].dim_value = min(number, 1000)
    return bytes(model.SerializeToString())


def fuzz(folder: Path, seed: int, count: int) -> Counter[str]:
    """How many damaged files were read, ran, or were refused; anything but a hetsim error is raised."""
    bases = [make(folder).read_bytes() for make in (small_cnn, mixed_network, recurrent)]
    rng, seen = np.random.default_rng(seed), Counter[str]()
    path = folder / "damaged.onnx"
    for number in range(count):
        spoil = twisted if number % 2 else damaged
        path.write_bytes(spoil(bases[number % len(bases)], rng))
        block = {"onnx": str(path), "data": "synthetic", "scores": "none"}
        system = {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}
        for numerics in ("none", "analog"):
            try:
                scenario = load({"system": system, "workload": block, "numerics": numerics})
                if numerics == "none":
                    scenario.check()
                elif made(scenario) > 1e7:
                    break
                simulate(scenario)
            except HetsimError as error:
                assert str(error), "an error without words"
                seen["refused"] += 1
                break
            seen["timed" if numerics == "none" else "ran"] += 1
    return seen


def made(scenario: Scenario) -> int:
    """Bytes that all ops write."""
    return sum(t.nbytes for graph in scenario.build_workload().graphs() for op in graph.ops for t in op.outputs)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"{fuzz(Path(folder), int(sys.argv[1]), int(sys.argv[2]))}\n")
