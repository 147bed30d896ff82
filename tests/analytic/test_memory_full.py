"""Memories that are too small for what a run keeps in them, through the engine, against closed forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hetsim
from hetsim.errors import InputError, RunError

SIDE, LATENCY, BANDWIDTH, JOULES = 1024, 1e-6, 1e9, 2e-12
LAYER = 4 * (SIDE * SIDE + SIDE)  # bytes of its weights
SPILL = {"when_full": "spill", "spill": "cpu"}


def scenario(layers: list[Any], capacity: int, side: int = SIDE, batch: int = 1, **changes: Any) -> dict[str, Any]:
    """A GPU with little memory, beside a CPU with enough of it."""
    memory = {"bandwidth": "1 TB/s", "capacity": f"{capacity} B", **changes.pop("memory", {})}
    rates = {"format": "fp32", "vector": {"fp32": "1 TFLOP/s"}, "energy": {"fp32": "1 pJ/OP"}}
    pcie = {"bandwidth": f"{BANDWIDTH} B/s", "latency": f"{LATENCY} s", "energy": f"{JOULES} J/B"}
    return {
        "system": {
            "host": "cpu",
            "components": {
                "cpu": {"kind": "cpu", **rates, "memory": {"bandwidth": "100 GB/s"}},
                "gpu": {"kind": "gpu", **rates, "memory": memory, "streams": changes.pop("streams", 1)},
            },
            "links": {"pcie": {"kind": "serial", "between": ["cpu", "gpu"], **pcie}},
        },
        "workload": {"input": [side], "batch": batch, "layers": layers},
        "scheduler": {"kind": "greedy", "pin": {"*": "gpu"}}, "numerics": "none", **changes,
    }  # fmt: skip


def answer(*args: Any, **changes: Any) -> dict[str, Any]:
    return hetsim.simulate(hetsim.load(scenario(*args, **changes))).to_dict()


@pytest.mark.parametrize("requests", [1, 2, 5])
def test_layers_taken_in_turn_are_fetched_each_time_if_all_but_one_fit(requests: int) -> None:
    """The least recently used of three is the next. The first two lie there from the start: 1 + 3 (n - 1) fetches."""
    layers, traffic = [{"dense": {"out": SIDE}}] * 3, {"kind": "closed", "requests": requests}
    small, large = (answer(layers, size, traffic=traffic, memory=SPILL) for size in (2 * LAYER + 12288, 2**30))
    fetches, link = 1 + 3 * (requests - 1), "pcie"
    extra = small["links"][link]["bytes"] - large["links"][link]["bytes"]
    assert small["metrics"]["gpu.fetched_B"] == extra == pytest.approx(fetches * LAYER, rel=2e-3)
    assert small["metrics"]["gpu.spilled_B"] == 0  # weights are not written back
    assert small["makespan_s"] - large["makespan_s"] == pytest.approx(fetches * LATENCY + extra / BANDWIDTH, rel=1e-6)
    moved = small["links"][link]["energy_J"] - large["links"][link]["energy_J"]
    assert moved == pytest.approx(extra * JOULES)
    assert not large["metrics"]  # which is not watched at all


def test_a_tensor_that_is_needed_late_makes_room_and_comes_back() -> None:
    """Four tensors of equal size are needed at once where three fit: the oldest goes, and returns for the last sum.

    The layer that finds the memory full has its weights fetched."""
    side, batch = 64, 4096
    weights = 4 * side * (side + 1)
    size = 4 * side * batch
    dense = {"dense": {"out": side}}
    layers = [dense, {"sum": [[dense, {"sum": [[dense, dense], []]}], []]}]
    small, large = (answer(layers, cap, side, batch, memory=SPILL) for cap in (int(3.4 * size), 2**30))
    assert small["metrics"]["gpu.spilled_B"] == size
    assert small["metrics"]["gpu.fetched_B"] == size + weights
    assert small["metrics"]["gpu.peak_B"] <= 3.4 * size
    took = 3 * LATENCY + (2 * size + weights) / BANDWIDTH
    assert small["makespan_s"] - large["makespan_s"] == pytest.approx(took, rel=1e-6)


def test_without_a_place_to_spill_a_full_memory_ends_the_run() -> None:
    layers = [{"dense": {"out": SIDE}}] * 3
    with pytest.raises(RunError, match="the memory 'gpu' of 8404992 B is full"):
        answer(layers, 2 * LAYER + 8192)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 12), st.integers(1, 4), st.integers(1, 6), st.sampled_from(["closed", "batch"]))
def test_what_lies_in_a_memory_never_exceeds_it(tenths: int, streams: int, requests: int, kind: str) -> None:
    """Several requests at once on several streams: all are done, and the link carries what the memory says."""
    side, batch = 64, 64
    layers = [{"sum": [[{"dense": {"out": side}}] * 2, []]}] * 3
    capacity = 4 * side * (side + 1) + 4 * side * batch * tenths
    traffic = {"kind": kind, "requests": requests, **({"concurrency": 3} if kind == "closed" else {})}
    found = answer(layers, capacity, side, batch, streams=streams, traffic=traffic, memory=SPILL)
    metrics = found["metrics"]
    assert found["requests"] == requests
    moved = found["links"]["pcie"]["bytes"] - requests * 2 * 4 * side * batch
    assert moved == metrics.get("gpu.spilled_B", 0) + metrics.get("gpu.fetched_B", 0)
    assert metrics.get("gpu.peak_B", 0) <= capacity


def test_a_shared_memory_is_filled_by_all_that_work_on_it() -> None:
    raw = scenario([{"dense": {"out": SIDE}}] * 2, 0)
    parts = raw["system"]["components"]
    size = f"{int(1.5 * LAYER)} B"
    parts["gpu"]["memory"] = "hbm"
    parts["twin"] = parts["gpu"]
    parts["hbm"] = {"kind": "memory", "bandwidth": "1 TB/s", "capacity": size, **SPILL}
    raw["system"]["links"]["more"] = {"kind": "ideal", "bandwidth": "1 GB/s", "between": ["cpu", "gpu", "twin"]}
    raw["scheduler"]["pin"] = {"gemm1": "gpu", "gemm2": "twin"}
    found = hetsim.simulate(hetsim.load(raw)).to_dict()
    assert found["metrics"]["hbm.fetched_B"] == pytest.approx(LAYER, rel=2e-3)
    assert found["metrics"]["hbm.peak_B"] <= 1.5 * LAYER


def test_a_memory_spills_to_a_component_and_over_a_link() -> None:
    raw = scenario([{"dense": {"out": SIDE}}] * 3, 2 * LAYER + 12288, memory={"when_full": "spill", "spill": "cpi"})
    with pytest.raises(InputError, match="'gpu' spills to 'cpi', which is no component") as error:
        hetsim.load(raw)
    assert error.value.problems[0].path == "system.components.gpu.memory.spill"
    for wrong in ({"when_full": "spill"}, {"spill": "cpu"}, {**SPILL, "capacity": None}):
        with pytest.raises(InputError):
            hetsim.load(scenario([{"dense": {"out": SIDE}}], 10**9, memory=wrong))
