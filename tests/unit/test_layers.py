"""Networks by the shapes of their layers: what they cost, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from pydantic import ValidationError

import hetsim
from hetsim.catalog import locate, stripped
from hetsim.document import read
from hetsim.errors import InputError
from hetsim.frontends.layers import Layers, LayersSheet
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.workload import Graph

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def graph(*layers: dict[str, Any], shape: tuple[int, ...] = (3, 8, 8), batch: int = 2, **more: Any) -> Graph:
    data = {"input": list(shape), "batch": batch, "layers": list(layers), **more}
    (made,) = Layers(LayersSheet.model_validate(data)).graphs()
    return made


def library(name: str) -> Graph:
    (made,) = Layers(LayersSheet.model_validate(stripped(read(locate(name))[0]).plain())).graphs()
    return made


@pytest.mark.parametrize(
    ("name", "work", "within"),
    [
        ("cnn/resnet50_v1_5", 8.2e9, 0.005), ("cnn/mobilenet_v1", 1.14e9, 0.005),
        ("cnn/ssd_mobilenet_v1", 2.47e9, 0.005), ("cnn/ssd_resnet34", 433e9, 0.005),
        ("transformers/bert_large", 250e9, 0.02),
    ],
)  # fmt: skip
def test_networks_of_the_library_do_the_published_work(name: str, work: float, within: float) -> None:
    """MLPerf Inference benchmark paper, operations a sample."""
    assert sum(2 * op.macs for op in library(name).ops) == pytest.approx(work, rel=within)


def test_resnet_has_the_products_of_its_onnx_file() -> None:
    theirs = build(OnnxFile(LIGHT / "light_resnet50.onnx", "resnet"), 1)
    matrices = [
        sorted((o.matrix.vectors, o.matrix.rows, o.matrix.columns) for o in g.ops if o.matrix is not None)
        for g in (library("cnn/resnet50_v1_5"), theirs)
    ]
    assert matrices[0] == matrices[1]


def test_each_layer_reads_the_one_before() -> None:
    conv, pool = {"out": 4, "kernel": 3, "stride": 2, "activation": "Relu"}, {"kernel": 2, "stride": 2}
    made = graph({"conv": conv}, {"pool": pool}, {"dense": {"out": 5}}, {"op": "Softmax"})
    assert [(op.name, op.kind, op.outputs[0].shape) for op in made.ops] == [
        ("conv1", "Conv", (2, 4, 4, 4)), ("maxpool1", "MaxPool", (2, 4, 2, 2)), ("gemm1", "Gemm", (2, 5)),
        ("softmax1", "Softmax", (2, 5)),
    ]  # fmt: skip
    first, _, dense, _ = made.ops
    assert (first.activation, first.macs, first.element_ops) == ("Relu", 2 * 4 * 16 * 27, 2 * 2 * 4 * 16)
    assert (dense.macs, dense.matrix.rows) == (2 * 5 * 16, 16)
    assert [t.name for t in made.outputs] == ["softmax1"]


def test_branches_are_added_or_put_side_by_side() -> None:
    made = graph({"sum": [[{"conv": {"out": 3}}], []]}, {"concat": [[{"conv": {"out": 5}}], [], [{"op": "Relu"}]]})
    assert [op.kind for op in made.ops] == ["Conv", "Sum", "Conv", "Relu", "Concat"]
    assert [t.name for t in made.ops[1].inputs] == ["conv1", "input"]
    assert made.outputs[0].shape == (2, 11, 8, 8)


def test_heads_end_outside_and_the_next_layer_reads_what_they_read() -> None:
    made = graph({"name": "trunk", "conv": {"out": 4}}, {"heads": [[{"name": "boxes", "conv": {"out": 2}}]]},
                 {"name": "rest", "op": "Relu"})  # fmt: skip
    assert [t.name for t in made.ops[2].inputs] == ["trunk"]
    assert [t.name for t in made.outputs] == ["boxes", "rest"]
    only = graph({"name": "trunk", "conv": {"out": 4}}, {"heads": [[{"name": "boxes", "conv": {"out": 2}}]]})
    assert [t.name for t in only.outputs] == ["boxes"]


def test_layers_are_repeated() -> None:
    made = graph({"repeat": {"times": 3, "layers": [{"conv": {"out": 3}}, {"op": "Relu"}]}})
    assert [op.name for op in made.ops] == ["conv1", "relu1", "conv2", "relu2", "conv3", "relu3"]


def test_attention_is_its_products() -> None:
    """Four projections of n x d x d, scores and context of n x n x d together over all heads."""
    n, d, batch = 6, 8, 2
    made = graph({"attention": {"heads": 2}}, shape=(n, d), batch=batch)
    assert sum(op.macs for op in made.ops) == batch * (4 * n * d * d + 2 * n * n * d)
    assert [op.kind for op in made.ops] == ["MatMul"] * 4 + ["Softmax"] + ["MatMul"] * 2
    assert made.outputs[0].shape == (batch, n, d)


def test_grouped_convolutions() -> None:
    (op,) = graph({"conv": {"out": 6, "kernel": 3, "groups": 3}}).ops
    assert (op.matrix.groups, op.matrix.columns, op.matrix.rows) == (3, 2, 9)


def test_inputs_may_be_narrow() -> None:
    made = graph({"op": "Relu"}, dtype="uint8")
    assert made.inputs[0].nbytes == 2 * 3 * 64


def test_there_are_no_numbers() -> None:
    scenario = {"system": {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}},
                "workload": {"use": "cnn/mobilenet_v1"}}  # fmt: skip
    with pytest.raises(InputError, match="has no numbers"):
        hetsim.simulate(hetsim.load(scenario))
    assert hetsim.simulate(hetsim.load(scenario, ["numerics=none"])).to_dict()["makespan_s"] > 0


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        ({"name": "x"}, "found none"), ({"op": "Relu", "conv": {"out": 1}}, "found conv and op"),
        ({"op": "Relux"}, "no ONNX operator"), ({"conv": {"out": 0}}, "greater than 0"), ({"convs": {}}, "Extra"),
    ],
)  # fmt: skip
def test_what_is_no_layer_is_refused(layer: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        graph(layer)


@pytest.mark.parametrize(
    ("layers", "word"),
    [
        ([{"conv": {"out": 4, "groups": 2}}], "equal groups"), ([{"pool": {"kernel": 9}}], "does not fit"),
        ([{"dense": {"out": 4}}, {"conv": {"out": 4}}], "an image"),
        ([{"sum": [[{"conv": {"out": 2}}], []]}], "a sum joins"),
        ([{"concat": [[{"pool": {}}], []]}], "a concat joins"),
        ([{"dense": {"out": 4}}, {"attention": {"heads": 2}}], "a sequence"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(layers: list[dict[str, Any]], word: str) -> None:
    with pytest.raises(InputError, match=word):
        graph(*layers)
