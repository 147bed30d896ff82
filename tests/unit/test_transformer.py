"""Language models by their hyper-parameters: published sizes, costs by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hetsim.engine.run import Run
from hetsim.errors import InputError
from hetsim.frontends.transformer import Transformer, TransformerSheet
from hetsim.scenario import load
from hetsim.workload import Graph

TINY = {"layers": 2, "hidden": 12, "heads": 3, "feed_forward": 20, "vocabulary": 50}


def model(prompt: int = 5, generate: int = 4, batch: int = 2, **shape: Any) -> Transformer:
    sheet = {"transformer": TINY | shape, "prompt": prompt, "generate": generate, "batch": batch}
    return Transformer(TransformerSheet.model_validate(sheet))


def library(name: str) -> Transformer:
    question = {
        "system": {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}},
        "workload": {"use": f"transformers/{name}"},
        "numerics": "none",
    }
    built = load(question).build_workload()
    assert isinstance(built, Transformer)
    return built


def parameters(workload: Transformer) -> int:
    """Numbers in all weights, a table that is used twice counted once."""
    weights = {t.name: t for g in workload.graphs() for op in g.ops for t in op.constants if len(t.shape) < 3}
    return sum(t.size for name, t in weights.items() if name != "embedding.transposed")


@pytest.mark.parametrize(
    ("name", "published"), [("llama_2_7b", 6_738_415_616), ("llama_3_8b", 8_030_261_248), ("gpt_2", 124_439_808)]
)
def test_models_of_the_library_have_the_published_number_of_parameters(name: str, published: int) -> None:
    """As counted in the published checkpoints."""
    assert parameters(library(name)) == published


@pytest.mark.parametrize(("name", "size"), [("llama_2_7b", 2 * 32 * 4096 * 2), ("llama_3_8b", 2 * 32 * 1024 * 2)])
def test_a_token_leaves_its_keys_and_values(name: str, size: int) -> None:
    """Half a megabyte for each token of Llama 2, a quarter of that where four heads share them."""
    workload = library(name)
    _, first, last = workload.graphs()
    held = [sum(t.nbytes for op in g.ops for t in op.constants if len(t.shape) == 4) for g in (first, last)]
    past = workload.sheet.prompt
    assert held == [past * size, (past + workload.sheet.generate - 2) * size]


def work(graph: Graph, kind: str) -> int:
    return sum(op.macs for op in graph.ops if op.kind == kind)


def test_costs_by_hand() -> None:
    prefill, first, last = model(kv_heads=1).graphs()
    layer = 12 * 12 * 2 + 12 * 4 * 2 + 3 * 12 * 20  # query and output, key and value, feed-forward
    assert work(prefill, "MatMul") == 2 * (5 * 2 * layer + 12 * 50)
    assert work(first, "MatMul") == 2 * (2 * layer + 12 * 50)
    assert work(prefill, "Attention") == 2 * 2 * (3 * 5 * 5 * 8)  # batch, layers, heads, queries, keys, 4 + 4
    assert work(first, "Attention") == 2 * 2 * (3 * 1 * 6 * 8)
    assert work(last, "Attention") == 2 * 2 * (3 * 1 * 8 * 8)
    assert [g.name for g in (prefill, first, last)] == ["prefill", "decode", "decode"]


def test_other_forms() -> None:
    old = model(positions=64, gated=False, biases=True, norm="layer", tied=True)
    kinds = {op.kind for op in old.graphs()[0].ops}
    assert {"LayerNormalization", "Gelu"} <= kinds
    assert not kinds & {"RMSNormalization", "RotaryEmbedding", "Swish"}
    dense = 4 * (12 * 12 + 12) + 12 * 20 + 20 + 20 * 12 + 12
    assert parameters(old) == 50 * 12 + 64 * 12 + 2 * (dense + 4 * 12) + 2 * 12


def test_a_request_is_a_prefill_and_a_step_for_each_further_token() -> None:
    workload = model(generate=4)
    calls = list(workload.program(0, False))
    assert [c.graph.name for c in calls] == ["prefill", "decode", "decode", "decode"]
    again = list(workload.program(1, False))
    assert all(a.graph is b.graph for a, b in zip(calls, again, strict=True))
    assert [c.graph.name for c in model(generate=1).program(0, False)] == ["prefill"]
    weights = [{t for op in c.graph.ops for t in op.constants if len(t.shape) < 3} for c in calls]
    assert weights[0] == weights[1] == weights[3]  # stored once, for all graphs


def test_decoding_is_bound_by_the_bytes_of_the_weights() -> None:
    """One token at a time, every weight is read once: that, and a launch for each op that is not fused, is the time."""
    question = {
        "system": {
            "components": {"cpu": {"use": "cpus/xeon_platinum_8180"}, "gpu": {"use": "gpus/nvidia_a100_sxm_80gb"}},
            "links": {"pcie": {"use": "links/pcie3_x16", "between": ["cpu", "gpu"]}},
        },
        "workload": {"use": "transformers/llama_2_7b", "override": {"generate": 2}},
        "scheduler": {"kind": "greedy", "pin": {"*": "gpu"}},
        "numerics": "none",
    }
    run = Run(load(question))
    run.go()
    gpu = run.system.components["gpu"]
    weights = 2 * (parameters(run.workload) - 32000 * 4096)  # of the table of tokens one row is read
    floor = weights / gpu.memory.sheet.rate
    calls = run.meter.trace.calls
    took = (calls.numpy("end")[1] - calls.numpy("start")[1]) * 1e-12
    launches = 516 * (gpu.sheet.launch + gpu.memory.sheet.latency)
    assert floor < took < floor + launches


@pytest.mark.parametrize(
    "shape", [{"heads": 5}, {"heads": 6, "kv_heads": 4}, {"layers": 0}, {"dtype": "int9"}, {"norm": "batch"}]
)
def test_shapes_that_cannot_be(shape: dict) -> None:
    with pytest.raises(ValidationError):
        model(**shape)


def test_there_are_no_numbers() -> None:
    with pytest.raises(InputError, match="has no numbers"):
        next(model().program(0, True))
