"""Networks on in-memory computing chips, simulated end to end, against the float32 products that they stand for.

A convolution or dense layer with M vectors, K rows and N columns stands for a product [M, K] x [K, N] of BLAS for each
bit of its inputs. Both are measured turn about in one run, by processor time and with one thread each; a simulation is
all of it: planning, events, programming, products, pooling on the processor, and the answer. BLAS multiplies every
vector; a read leaves out those that drive no row, as 63 % of the first layer's do with MNIST's digits on black.
"""

from __future__ import annotations

import itertools
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hetsim
from hetsim.engine.run import Run
from hetsim.scenario import load
from tests.benchmarks.test_analog import numbers, seconds, threads

TURNS = 5
SYSTEM = {"host": "cpu", "links": {"bus": {"use": "links/axi4_128b", "between": ["cpu", "imc"]}}}


def system(crossbars: int, **override: Any) -> dict[str, Any]:
    imc = {"use": "imc/rram_yao_nature_2020", "override": {"crossbars": crossbars, **override}}
    return {**SYSTEM, "components": {"cpu": {"use": "cpus/xeon_platinum_8180"}, "imc": imc}}


def mnist(folder: Path, batch: int = 16, data: str = "mnist/test[:960]") -> dict[str, Any]:
    """The five-layer CNN of Yao 2020 on its chip, 960 digits or other ones."""
    pin = {"conv1": "imc", "conv2": "imc", "dense": "imc", "pool*": "cpu"}
    return {
        "system": system(8),
        "workload": {"use": "cnn/yao_2020_mnist", "batch": batch, "data": data},
        "scheduler": {"kind": "greedy", "pin": pin},
    }


def resnet(folder: Path) -> dict[str, Any]:
    """The 20-layer network of He 2016 (CVPR, section 4.2) for images of 32 x 32, by shape: weights and images are
    random, batch normalisation is folded into weights. Three batches of 16, on tiles of 256 x 256 weights."""
    (folder / "resnet.onnx").write_bytes(residual().SerializeToString())
    file = str(folder / "resnet.onnx")
    return {
        "system": system(64, rows=256, columns=512, subtraction="analog"),
        "workload": {"onnx": file, "batch": 16, "data": "synthetic", "scores": "none", "unsigned": True},
        "traffic": {"kind": "closed", "requests": 3},
        "scheduler": {"kind": "greedy", "pin": {"conv*": "imc", "dense": "imc"}},
    }  # fmt: skip


def residual(blocks: int = 3, widths: tuple[int, ...] = (16, 32, 64)) -> Any:
    """Stages of so many blocks of two 3 x 3 convolutions, each but the first at half the resolution."""
    from onnx import TensorProto, helper, numpy_helper

    random, number = np.random.default_rng(0), itertools.count()
    nodes, weights = list[Any](), list[Any]()

    def node(kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{next(number)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(*shape: int) -> str:
        name = f"w{next(number)}"
        spread = np.sqrt(2 / np.prod(shape[1:]))
        weights.append(numpy_helper.from_array((spread * random.normal(size=shape)).astype(np.float32), name))
        return name

    def conv(x: str, before: int, after: int, kernel: int, stride: int = 1) -> str:
        pads = [kernel // 2] * 4
        return node("Conv", x, weight(after, before, kernel, kernel), strides=[stride] * 2, pads=pads)

    x, width = node("Relu", conv("image", 3, widths[0], 3)), widths[0]
    for wide in widths:
        for _ in range(blocks):
            stride = 1 if wide == width else 2
            y = node("Relu", conv(x, width, wide, 3, stride))
            skipped = x if stride == 1 else conv(x, width, wide, 1, stride)
            x, width = node("Relu", node("Add", conv(y, wide, wide, 3), skipped)), wide
    pooled = node("Flatten", node("GlobalAveragePool", x))
    nodes.append(helper.make_node("Gemm", [pooled, weight(10, width)], ["classes"], name="dense", transB=1))
    seen = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])]
    told = [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 10])]
    graph = helper.make_graph(nodes, "resnet", seen, told, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def products(run: Run) -> list[tuple[int, int, int]]:
    """(M, K, N) of the products that a run of one graph stands for."""
    (graph,) = run.graphs
    found = [op.matrix for op in graph.ops if op.matrix is not None and op.matrix.stored is not None]
    return [(m.vectors, m.rows, m.columns) for m in found for _ in range(BITS * m.groups * run.total)]


def against_products(question: dict[str, Any]) -> tuple[float, float]:
    """Processor time of a simulation over that of its products, and seconds of a simulation."""
    scenario, ratios, spent = load(question), list[float](), list[float]()
    run = Run(scenario)
    run.go()  # compiles
    work = [(numbers(m, k), numbers(k, n), np.empty((m, n), np.float32)) for m, k, n in sorted(set(products(run)))]
    counts = [products(run).count((x.shape[0], *w.shape)) for x, w, _ in work]

    def multiply() -> None:
        for (x, w, out), count in zip(work, counts, strict=True):
            for _ in range(count):
                np.matmul(x, w, out=out)

    with threads(1):
        for _ in range(TURNS):
            blas = seconds(multiply)
            spent.append(seconds(lambda: hetsim.simulate(scenario)))
            ratios.append(spent[-1] / blas)
    return statistics.median(ratios), statistics.median(spent)


LARGE = {f"MNIST CNN, batches of {n}": partial(mnist, batch=n, data="mnist/train") for n in (100, 250)}
NETWORKS = {"MNIST CNN": mnist, "ResNet by shape": resnet, **LARGE}
BITS = 8
# asserted: somewhat beyond what is met on a noisy machine
LIMITS = {"MNIST CNN": 6, "ResNet by shape": 4} | dict.fromkeys(LARGE, 5)


@pytest.mark.parametrize("numerics", ["ideal", "analog"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_up_with_blas(
    name: str, numerics: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratio, spent = against_products({**NETWORKS[name](tmp_path), "numerics": numerics})
    with capsys.disabled():
        print(f"\n{name}, {numerics}: {ratio:.2f} times its products in BLAS (aim 2.5), {spent:.2f} s")
    assert ratio < LIMITS[name]
