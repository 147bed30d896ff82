"""Ops that share a processor, through the engine, against closed forms."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim

MEMORY = {"bandwidth": "100 GB/s"}
GPU = {
    "kind": "gpu", "vector": {"fp16": "1 TFLOP/s"}, "matrix": {"fp16": "10 TFLOP/s"}, "streams": 2,
    "energy": {"fp16": "1 pJ/OP"}, "memory": MEMORY,
}  # fmt: skip
CPU = {
    "kind": "cpu", "vector": {"fp32": "1 TFLOP/s"}, "energy": {"fp32": "1 pJ/OP"}, "units": 4, "memory": MEMORY,
}  # fmt: skip


def network(width: int, batch: int) -> dict[str, Any]:
    """One dense layer: 2 b n^2 operations on about n^2 weights."""
    return {"input": [width], "batch": batch, "layers": [{"dense": {"out": width}}]}


def makespan(part: dict[str, Any], workload: dict[str, Any], requests: int, **changes: Any) -> float:
    scenario = {
        "system": {"host": "part", "components": {"part": {**part, **changes}}},
        "workload": workload, "traffic": {"kind": "batch", "requests": requests}, "numerics": "none",
    }  # fmt: skip
    return float(hetsim.simulate(hetsim.load(scenario)).to_dict()["makespan_s"])


@pytest.mark.parametrize("batch", [1, 1024])
def test_two_ops_on_one_gpu_take_twice_as_long_each(batch: int) -> None:
    """Bound by bandwidth or by arithmetic: each has half of it."""
    alone = makespan(GPU, network(2048, batch), 1)
    assert makespan(GPU, network(2048, batch), 2) == pytest.approx(2 * alone, rel=1e-6)


def test_an_op_bound_by_arithmetic_and_one_bound_by_bandwidth_do_not_meet() -> None:
    """Two branches of one request: together they take the longer of all arithmetic and of all bytes."""
    heavy, light = {"conv": {"out": 512}}, {"op": "Relu"}
    image = {"input": [512, 32, 32], "batch": 4}
    alone = [makespan(GPU, {**image, "layers": [{"heads": [[op]]}]}, 1) for op in (heavy, light)]
    assert alone[1] > 0.3 * alone[0]
    both = {**image, "layers": [{"heads": [[heavy], [light]]}]}
    assert makespan(GPU, both, 1) == pytest.approx(alone[0], rel=0.02)
    assert makespan(GPU, both, 1, streams=1) == pytest.approx(sum(alone))


def test_kernels_that_fill_a_part_of_the_chip_run_side_by_side() -> None:
    """3 tiles on 8 units: two such kernels take as long as one, a third makes them wait for each other."""
    tiled = {"units": 8, "tiling": {"tiles": [[128, 128]]}, "memory": {"bandwidth": "100 TB/s"}}
    layer = {"input": [4096], "batch": 128, "layers": [{"dense": {"out": 384}}]}
    alone = makespan(GPU, layer, 1, **tiled)
    assert makespan(GPU, layer, 2, **tiled) == pytest.approx(alone, rel=1e-6)
    assert makespan(GPU, layer, 8, streams=8, **tiled) == pytest.approx(alone * 8 * 3 / 8, rel=0.01)


@pytest.mark.parametrize("streams", [1, 2, 4])
def test_cores_are_dealt_out_to_streams(streams: int) -> None:
    """So many requests at once, each on its team: the chip does as much a second, each takes longer."""
    layer, operations = network(1024, 512), 2 * 512 * 1024**2 + 512 * 1024
    assert makespan(CPU, layer, streams, streams=streams) == pytest.approx(streams * operations / 1e12, rel=1e-6)
    assert makespan(CPU, layer, 1, streams=streams) == pytest.approx(streams * operations / 1e12, rel=1e-6)


@pytest.mark.parametrize(("cores", "bandwidth"), [(1, 30e9), (2, 60e9), (3, 90e9), (4, 100e9), (8, 100e9)])
def test_cores_scale_until_the_memory_is_saturated(cores: int, bandwidth: float) -> None:
    """n cores draw n times what one of them can, at most what the memory has."""
    layer = network(4096, 1)
    size = 4 * (4096**2 + 3 * 4096)
    took = makespan(CPU, layer, 1, units=cores, unit_bandwidth="30 GB/s")
    assert took == pytest.approx(size / bandwidth, rel=1e-6)
    apart = makespan(CPU, layer, cores, units=cores, streams=cores, unit_bandwidth="30 GB/s")
    assert apart == pytest.approx(cores * size / bandwidth, rel=1e-6)


def test_the_loaded_latency_of_a_memory_is_an_output() -> None:
    """n readers that share it wait n times as long as one: nobody says so in a datasheet."""
    layer = network(4096, 1)
    alone = makespan(CPU, layer, 1, units=8, streams=8)
    for readers in (2, 5, 8):
        assert makespan(CPU, layer, readers, units=8, streams=8) == pytest.approx(readers * alone, rel=1e-6)
