"""Digital numbers put off: what is computed together is what is computed alone, and errors name their op."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import mixed_network, node, save, small_cnn

from hetsim.deferred import Pool, may_wait, taken
from hetsim.errors import InputError
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.numerics import run
from hetsim.workload import Graph


def graph_of(path: Path, batch: int = 2) -> Graph:
    return build(OnnxFile(path, path.name), batch)


def alone(graph: Graph, feeds: dict) -> dict:
    values = dict(feeds)
    for op in graph.ops:
        inputs = [None if t is None else t.value if t.constant else values[t.name] for t in op.inputs]
        values.update(zip([t.name for t in op.outputs], run(op, inputs), strict=True))
    return values


def promised(graph: Graph, feeds: dict, look_at: str = "") -> dict:
    """All ops promised in order; the numbers of one are looked at in between, as an analog part would."""
    pool, values = Pool(1), dict(feeds)
    for op in graph.ops:
        assert may_wait(op)
        inputs = [None if t is None or t.constant else values[t.name] for t in op.inputs]
        values.update(zip([t.name for t in op.outputs], pool.promise(op, inputs), strict=True))
        if op.name == look_at:
            values[op.outputs[0].name] = np.array(taken(values[op.outputs[0].name]))
    return {name: taken(value) for name, value in values.items()}


def images(graph: Graph) -> dict:
    rng = np.random.default_rng(2)
    return {t.name: rng.random(t.shape, np.float32) for t in graph.inputs}


@pytest.mark.parametrize("make", [small_cnn, mixed_network])
def test_together_is_as_alone(make: object, tmp_path: Path) -> None:
    graph = graph_of(make(tmp_path))
    feeds = images(graph)
    right = alone(graph, feeds)
    middle = graph.ops[len(graph.ops) // 2].name
    for found in (promised(graph, feeds), promised(graph, feeds, middle)):
        assert found.keys() == right.keys()
        for name, value in right.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


def test_what_nobody_keeps_is_left_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, asked = graph_of(small_cnn(tmp_path)), []
    import hetsim.deferred as deferred

    original = deferred._session
    monkeypatch.setattr(deferred, "_session", lambda *a: (asked.append(a[2]), original(*a))[1])
    pool, value = Pool(1), images(graph)["image"]
    for op in graph.ops:  # each promise is dropped as soon as the next op has been given it
        (value,) = pool.promise(op, [value, *[None] * (len(op.inputs) - 1)])
    assert value.take().shape == (2, 10)
    assert asked == [("logits",)]


def test_an_op_that_fails_is_named(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], "r"), node("Gather", ["r", "at"], "picked", axis=1), node("Neg", ["picked"], "y")]
    path = save(tmp_path / "net.onnx", nodes, {"at": np.array([1, 9])}, {"x": ["N", 4]}, ["y"])
    graph = graph_of(path)
    with pytest.raises(InputError, match=r"'picked' \(Gather\) does not compute"):
        promised(graph, images(graph))
