"""A calibrated CPU against onnxruntime: predicted and measured latency of networks that nobody fitted anything to.

The topologies are those that the onnx package ships for its own tests. What is predicted is the graph that
onnxruntime runs, batch normalisation folded into convolutions. Calibration and networks are measured in one run, in
rounds, so that a busy moment spoils none of them; the table is printed, never asserted.

    python tests/benchmarks/test_calibration.py [DATASHEET]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import hetsim
from hetsim import calibrate
from hetsim.calibrate.chains import session_options
from hetsim.calibrate.timing import Probe

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
NETWORKS = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
    "zfnet512",
)  # fmt: skip
BATCHES = (1, 4)
ROUNDS, SECONDS, THREADS = 3, 0.5, 1


def batched(name: str, batch: int) -> onnx.ModelProto:
    """The network with another batch size than the one that is written into its inputs and reshapes."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.output):
        if value.name not in stored:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]
    for node in model.graph.node:
        if node.op_type == "Reshape":
            shape = numpy_helper.to_array(stored[node.input[1]]).copy()
            shape[0] = 0 if shape[0] == 1 else shape[0]  # as many as come in
            stored[node.input[1]].CopyFrom(numpy_helper.from_array(shape, node.input[1]))
    return model


def optimised(model: onnx.ModelProto, folder: Path) -> Path:
    """The graph after onnxruntime's optimisations that keep to standard operators."""
    path, options = folder / "network.onnx", session_options(THREADS)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return path


def predicted(path: Path, sheet: Mapping[str, Any], batch: int) -> float:
    """Seconds of one batch on the datasheet's CPU."""
    scenario = {
        "system": {"components": {"cpu": sheet}},
        "workload": {"onnx": str(path), "batch": batch},
        "numerics": "none",
    }
    return float(hetsim.simulate(hetsim.load(scenario)).to_dict()["makespan_s"])


def measured(model: onnx.ModelProto, batch: int) -> float:
    """Seconds of one batch in onnxruntime."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(THREADS), providers=["CPUExecutionProvider"]
    )
    source = session.get_inputs()[0]
    x = np.random.default_rng(0).random((batch, *source.shape[1:]), np.float32)
    probe = Probe([lambda: session.run(None, {source.name: x})])
    probe.sample(SECONDS)
    return probe.seconds


def rows(sheet: Mapping[str, Any]) -> Iterator[tuple[str, int, float, float]]:
    """Network, batch, predicted and measured seconds; each is measured in several rounds through all networks."""
    cases = {(name, batch): batched(name, batch) for name in NETWORKS for batch in BATCHES}
    found = [{case: measured(model, case[1]) for case, model in cases.items()} for _ in range(ROUNDS)]
    for (name, batch), model in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            expected = predicted(optimised(model, Path(folder)), sheet, batch)
        yield name, batch, expected, min(times[name, batch] for times in found)


def told(sheet: Mapping[str, Any]) -> Iterator[str]:
    """The table, line by line."""
    yield f"\n{'network':14}{'batch':>6}{'predicted':>12}{'measured':>12}{'deviation':>11}"
    deviations = []
    for name, batch, expected, found in rows(sheet):
        deviations.append(expected / found - 1)
        yield f"{name:14}{batch:6}{expected * 1e3:9.2f} ms{found * 1e3:9.2f} ms{deviations[-1]:11.1%}"
    middle, worst = statistics.median(map(abs, deviations)), max(map(abs, deviations))
    yield f"median error {middle:.1%} (aim 15 %), largest {worst:.1%} (aim 40 %)"


def test_networks_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    sheet = calibrate.cpu(THREADS).plain()
    with capsys.disabled():
        for line in told(sheet):
            print(line)


if __name__ == "__main__":
    from hetsim.catalog import stripped
    from hetsim.document import read

    card = stripped(read(Path(sys.argv[1]))[0]).plain() if sys.argv[1:] else calibrate.cpu(THREADS).plain()
    for line in told(card):
        print(line, flush=True)
