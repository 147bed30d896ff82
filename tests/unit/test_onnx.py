"""ONNX files as graphs: the same numbers as onnxruntime's, exact costs, and words for what is wrong."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import Array, mixed_network, node, save, small_cnn, weights
from onnx import TensorProto, helper, numpy_helper

from hetsim.errors import InputError
from hetsim.frontends.onnx import Network, OnnxSheet
from hetsim.frontends.onnx_file import OnnxFile
from hetsim.frontends.onnx_graph import build
from hetsim.numerics import run
from hetsim.workload import Graph

ROOT = Path(__file__).resolve().parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def computed(graph: Graph, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a graph op by op, as a component would."""
    values = dict(feeds)
    for op in graph.ops:
        inputs = [None if t is None else t.value if t.constant else values[t.name] for t in op.inputs]
        for tensor, value in zip(op.outputs, run(op, inputs), strict=True):
            assert value.shape == tensor.shape
            values[tensor.name] = value
    return [values[t.name].reshape(t.shape) for t in graph.outputs]


def reference(path: Path, feeds: Mapping[str, Array]) -> list[Array]:
    """The whole file in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


def graph_of(path: Path, batch: int = 1) -> Graph:
    return build(OnnxFile(path, path.name), batch)


def images(*shape: int) -> Array:
    return np.random.default_rng(5).random(shape, np.float32)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("make", "sample"), [(small_cnn, (1, 28, 28)), (mixed_network, (3, 11, 10))], ids=["small", "mixed"]
)
def test_numbers_are_those_of_onnxruntime(make: object, sample: tuple, batch: int, tmp_path: Path) -> None:
    path = make(tmp_path)
    feeds = {"image": images(batch, *sample)}
    for got, expected in zip(computed(graph_of(path, batch), feeds), reference(path, feeds), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_demo_network_has_five_ops_and_exact_costs(tmp_path: Path) -> None:
    graph = graph_of(small_cnn(tmp_path), 16)
    assert [op.name for op in graph.ops] == ["conv1", "pool1", "conv2", "pool2", "dense"]
    conv1, pool1, conv2, pool2, dense = graph.ops
    assert (conv1.activation, conv2.activation, dense.activation) == ("Relu", "Relu", None)
    assert conv1.macs == 16 * 8 * 26 * 26 * 9
    assert conv1.element_ops == 2 * 16 * 8 * 26 * 26  # bias and ReLU
    assert pool1.element_ops == 16 * 8 * 13 * 13 * 3
    assert (conv2.macs, pool2.element_ops) == (16 * 12 * 11 * 11 * 72, 16 * 12 * 4 * 4 * 8)
    assert (dense.macs, dense.element_ops) == (16 * 1920, 160)
    view = conv2.matrix
    assert (view.rows, view.columns, view.vectors, view.groups) == (72, 12, 16 * 121, 1)
    assert view.stored is conv2.inputs[1]
    assert dense.matrix.stored.name == "w3"
    assert dense.inputs[0].shape == (16, 192)
    assert dense.inputs[0].name == pool2.outputs[0].name  # the flattened view moves under its producer's name
    assert graph.edges[4] == ((3, 0, pool2.outputs[0]),)
    assert [t.name for t in graph.outputs] == ["logits"]


def test_weights_are_shared_by_batches_and_loaded_only_when_asked_for(tmp_path: Path) -> None:
    file = OnnxFile(small_cnn(tmp_path), "small.onnx")
    loads = []
    original = file._loaded
    file._loaded = lambda stored: (loads.append(stored.name), original(stored))[1]
    full, short = build(file, 4), build(file, 1)
    assert loads == []
    assert all(a is b for a, b in zip(full.constants, short.constants, strict=True))
    for tensor in (*full.constants, *short.constants):
        assert tensor.value.shape == tensor.shape
    assert sorted(loads) == sorted(["w1", "b1", "w2", "b2", "w3", "b3"])


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [
        ("resnet50", 4.09e9, 25.6e6), ("vgg19", 19.6e9, 143.7e6), ("bvlc_alexnet", 0.655e9, 61.0e6),
        ("squeezenet", 0.349e9, 1.24e6), ("densenet121", 2.83e9, 8.15e6), ("inception_v1", 1.43e9, 7.0e6),
        ("shufflenet", 0.125e9, 1.42e6),
    ],
)  # fmt: skip
def test_known_networks_have_their_known_costs(name: str, macs: float, parameters: float) -> None:
    graph = graph_of(LIGHT / f"light_{name}.onnx")
    assert sum(op.macs for op in graph.ops) == pytest.approx(macs, rel=0.01)
    assert sum(t.size for t in graph.constants) == pytest.approx(parameters, rel=0.02)
    four = graph_of(LIGHT / f"light_{name}.onnx", 4)  # the files fix the batch at 1
    assert sum(op.macs for op in four.ops) == 4 * sum(op.macs for op in graph.ops)
    assert four.outputs[0].shape[0] == 4


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121"])
def test_known_networks_have_the_numbers_of_onnxruntime(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    graph = graph_of(path)
    feeds = {graph.inputs[0].name: images(*graph.inputs[0].shape)}
    np.testing.assert_allclose(computed(graph, feeds)[0], reference(path, feeds)[0], rtol=1e-4)


def test_an_activation_is_fused_only_when_it_alone_reads_the_product(tmp_path: Path) -> None:
    constants = weights(w=(4, 4), v=(4, 4)) | {"high": np.array(1, np.float32)}
    nodes = [
        node("MatMul", ["x", "w"], "a"), node("Tanh", ["a"], "ta"), node("Add", ["a", "ta"], "s"),
        node("MatMul", ["s", "v"], "b"), node("Clip", ["b", "", "high"], "cb"),
    ]  # fmt: skip
    path = save(tmp_path / "net.onnx", nodes, constants, {"x": ["N", 4]}, ["cb"])
    graph = graph_of(path, 2)
    assert [(op.name, op.activation) for op in graph.ops] == [
        ("a", None), ("ta", None), ("s", None), ("b", "Clip(-inf,1.0)"),
    ]  # fmt: skip
    feeds = {"x": images(2, 4)}
    np.testing.assert_allclose(computed(graph, feeds)[0], reference(path, feeds)[0], rtol=1e-5)
    path = save(tmp_path / "net.onnx", nodes[:2], constants, {"x": ["N", 4]}, ["ta", "a"])
    assert [op.activation for op in graph_of(path).ops] == [
        None,
        None,
    ]  # the file gives the product out as well


def test_old_forms_of_operators_are_read(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], "c"), node("Clip", ["c"], "k", min=0.0, max=0.8),
        node("Pad", ["k"], "p", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.5),
        node("ReduceMean", ["p"], "m", axes=[2], keepdims=0), node("Squeeze", ["m2"], "q", axes=[1]),
        node("Softmax", ["q"], "y"),
    ]  # fmt: skip
    nodes.insert(4, node("Unsqueeze", ["m"], "m2", axes=[1]))
    path = save(tmp_path / "old.onnx", nodes, weights(w=(3, 2, 3, 3)), {"x": ["N", 2, 7, 7]}, ["y"], opset=9)
    feeds = {"x": images(2, 2, 7, 7)}
    graph = graph_of(path, 2)
    assert [op.kind for op in graph.ops] == ["Conv", "Pad", "ReduceMean", "Softmax"]
    assert graph.ops[0].activation == "Clip(0.0,0.800000011920929)"
    np.testing.assert_allclose(computed(graph, feeds)[0], reference(path, feeds)[0], rtol=1e-4)


def test_nodes_without_names_get_their_own(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], "a", name=""),
        node("Abs", ["a"], "b", name="n"),
        node("Neg", ["b"], "c", name="n"),
    ]
    path = save(tmp_path / "net.onnx", nodes, {}, {"x": ["N", 4]}, ["c"])
    assert [op.name for op in graph_of(path).ops] == ["Relu_0", "Abs_1", "Neg_2"]


def test_half_precision_weights_are_carried_in_single(tmp_path: Path) -> None:
    constants = {"w": np.eye(4).astype(np.float16)}
    nodes = [
        node("Cast", ["x"], "h", to=TensorProto.FLOAT16), node("MatMul", ["h", "w"], "m"),
        node("Cast", ["m"], "y", to=TensorProto.FLOAT),
    ]  # fmt: skip
    graph = graph_of(save(tmp_path / "net.onnx", nodes, constants, {"x": ["N", 4]}, ["y"]))
    assert (graph.constants[0].dtype, graph.constants[0].nbytes) == ("float16", 32)
    assert graph.constants[0].value.dtype == np.float32
    np.testing.assert_array_equal(computed(graph, {"x": np.ones((1, 4), np.float32)})[0], np.ones((1, 4)))


def test_external_data_are_read_and_missing_ones_told(tmp_path: Path) -> None:
    path = small_cnn(tmp_path)
    model = onnx.load(path)
    options = {"all_tensors_to_one_file": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, **options)
    feeds = {"image": images(1, 1, 28, 28)}
    split = computed(graph_of(tmp_path / "split.onnx"), feeds)
    np.testing.assert_array_equal(split[0], computed(graph_of(path), feeds)[0])
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"external data 'weights\.bin' is missing"):
        OnnxFile(tmp_path / "split.onnx", "split.onnx")


# ------------------------------------------------------------------------------------------- what is wrong


def refusal(path: Path, batch: int = 1) -> str:
    with pytest.raises(InputError) as caught:
        graph_of(path, batch)
    return str(caught.value)


def test_missing_garbage_and_empty_files(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.onnx")
    path = tmp_path / "bad.onnx"
    for content in (b"", b"hello", b"\x00\x01\x02", bytes(range(256)) * 9, b"description: not a model\n"):
        path.write_bytes(content)
        refusal(path)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = small_cnn(tmp_path).read_bytes()
    path = tmp_path / "cut.onnx"
    for size in itertools.chain(range(0, 60), range(60, len(whole), 97), range(len(whole) - 40, len(whole))):
        path.write_bytes(whole[:size])
        refusal(path)


def test_every_unknown_operator_is_named_at_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Frob", ["x"], ["a"], name="one", domain="acme"), node("Adagrad", ["a", "w", "r"], "b"),
        helper.make_node("Frob", ["b"], ["c"], name="two", domain="acme"),
    ]  # fmt: skip
    path = save(tmp_path / "odd.onnx", nodes, weights(w=(1, 4, 4), r=(1, 4, 1)), {"x": ["N", 4]}, ["c"])
    with pytest.raises(InputError) as caught:
        graph_of(path)
    first, second = caught.value.problems
    assert "operator acme.Frob is not known (nodes: one, two)" in first.message
    assert "operator Adagrad is not known (nodes: b)" in second.message


def test_open_dimensions_are_named(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], "y")]
    path = save(tmp_path / "open.onnx", nodes, {}, {"x": ["N", 4, "height", 7]}, ["y"])
    assert "dimension 2 ('height') of input 'x' is left open" in refusal(path)
    dynamic = [node("Where", ["x", "x", "x"], "v"), node("Reshape", ["x", "to"], "y")]
    dynamic[0] = node("Cast", ["x"], "to", to=TensorProto.INT64)
    path = save(tmp_path / "open.onnx", dynamic, {}, {"x": [2]}, ["y"])
    assert "'y'" in refusal(path, 2)


def test_a_batch_written_into_the_file_is_told(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "w"], "a"), node("Reshape", ["a", "to"], "y")]
    constants = weights(w=(1, 4)) | {"to": np.array([2, 2])}
    path = save(tmp_path / "net.onnx", nodes, constants, {"x": ["N", 4]}, ["y"])
    assert refusal(path, 3).startswith("net.onnx: ")
    assert graph_of(path, 1).outputs[0].shape == (2, 2)


def test_shapes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [node("MatMul", ["x", "w"], "y")], weights(w=(5, 4)), {"x": ["N", 4]}, ["y"])
    assert "node 'y' (MatMul) do not fit at batch 1: inner dimensions differ" in refusal(path)


def test_weights_cut_short_old_opsets_and_odd_dtypes(tmp_path: Path) -> None:
    model = onnx.load(small_cnn(tmp_path))
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    onnx.save(model, tmp_path / "short.onnx")
    assert "'w1' is cut short" in refusal(tmp_path / "short.onnx")
    old = save(tmp_path / "old.onnx", [node("Relu", ["x"], "y")], {}, {"x": ["N", 4]}, ["y"], opset=6)
    assert "opset 6 is older than 7" in refusal(old)
    graph = helper.make_graph(
        [node("Identity", ["x"], "y")], "g", [helper.make_tensor_value_info("x", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
        [numpy_helper.from_array(np.array(["a"], object), "s")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "words.onnx")
    assert "has dtype string" in refusal(tmp_path / "words.onnx")


# ------------------------------------------------------------------------------------------------ programs


def network(folder: Path, samples: int = 10, **sheet: object) -> Network:
    small_cnn(folder)
    labels = np.arange(samples) % 10
    np.savez(folder / "set.npz", inputs=images(samples, 1, 28, 28), labels=labels)
    return Network(OnnxSheet(onnx="small.onnx", **sheet), folder)


def answer(workload: Network, request: int, numbers: bool = True) -> tuple:
    """Run one request; returns the call and the answer."""
    program = workload.program(request, numbers)
    call = next(program)
    outputs = None
    if numbers:
        outputs = dict(zip([t.name for t in call.graph.outputs], computed(call.graph, call.feeds), strict=True))
    with pytest.raises(StopIteration) as done:
        program.send(outputs)
    return call, done.value.value


def test_requests_take_the_next_samples_and_the_last_is_short(tmp_path: Path) -> None:
    workload = network(tmp_path, data="set.npz", batch=4)
    assert workload.requests == 3
    assert [g.inputs[0].shape[0] for g in workload.graphs()] == [4, 2]
    data = np.load(tmp_path / "set.npz")["inputs"]
    spans = [(0, 4), (4, 8), (8, 10), (0, 4), (4, 8)]  # requests beyond the data start over
    for request, (start, stop) in enumerate(spans):
        call, _ = answer(workload, request)
        np.testing.assert_array_equal(call.feeds["image"], data[start:stop])


def test_accuracy_is_over_all_samples(tmp_path: Path) -> None:
    workload = network(tmp_path, data="set.npz", batch=4)
    answers = [answer(workload, request)[1] for request in range(3)]
    logits = reference(tmp_path / "small.onnx", {"image": np.load(tmp_path / "set.npz")["inputs"]})[0]
    assert workload.score(answers) == {"accuracy": np.mean(logits.argmax(1) == np.arange(10) % 10)}
    silent = network(tmp_path, data="set.npz", batch=4, scores="none")
    assert silent.score([answer(silent, 0)[1]]) == {}


def test_without_numbers_every_request_gives_the_same_graph_and_nothing_is_read(tmp_path: Path) -> None:
    workload = network(tmp_path, data="set.npz", batch=5)
    (tmp_path / "set.npz").unlink()
    calls = {id(answer(workload, request, numbers=False)[0].graph) for request in range(50)}
    assert len(calls) == 1
    assert answer(workload, 7, numbers=False)[0].feeds == {}


def test_synthetic_inputs_depend_on_the_request_only(tmp_path: Path) -> None:
    workload, twin = (network(tmp_path, data="synthetic", batch=2) for _ in range(2))
    first, second = (answer(workload, request)[0].feeds["image"] for request in (0, 1))
    assert first.shape == (2, 1, 28, 28)
    assert 0 <= first.min() < first.max() < 1
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(answer(twin, 1)[0].feeds["image"], second)
    assert workload.score([answer(workload, 0)[1]]) == {}


def test_numbers_need_fitting_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="numbers need data"):
        next(network(tmp_path).program(0, True))
    workload = network(tmp_path, data="set.npz")
    np.savez(tmp_path / "set.npz", inputs=images(3, 5))
    workload = Network(OnnxSheet(onnx="small.onnx", data="set.npz"), tmp_path)
    with pytest.raises(InputError, match=r"has shape \(5,\), but small.onnx takes \(1, 28, 28\)"):
        next(workload.program(0, True))


def test_checking_a_network_imports_no_heavy_package(tmp_path: Path) -> None:
    """A command that only checks a scenario stays quick."""
    network(tmp_path, data="set.npz", batch=4)
    program = (
        "import sys; from pathlib import Path; from hetsim.frontends.onnx import Network, OnnxSheet;"
        "w = Network(OnnxSheet(onnx='small.onnx', data='mnist/test', batch=300), Path(sys.argv[1]));"
        "assert [g.inputs[0].shape[0] for g in w.graphs()] == [300, 100];"
        "print(sorted({'numpy', 'onnx', 'onnxruntime'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
