"""Contention against queueing theory: waits on a bus, shared rates, Little's law."""

from __future__ import annotations

import numpy as np
import pytest

import hetsim

RATE, SIZE = 60.0, 10  # arrivals a second; bytes of a transfer on a bus of 1 kB/s: 10 ms of service, load 0.6


def bus_scenario(requests: int, **traffic: object) -> dict:
    return {
        "seed": 3,
        "system": {
            "components": {"A": {"kind": "abstract"}, "B": {"kind": "abstract"}},
            "links": {"bus": {"kind": "bus", "width": "1 B", "frequency": "1 kHz", "between": ["A", "B"]}},
        },
        "workload": {
            "tasks": {
                "send": {"cost": {"A": "0 s"}},
                "take": {"cost": {"B": "0 s"}, "after": {"send": f"{SIZE} B"}},
            }
        },
        "traffic": {"kind": "poisson", "rate": f"{RATE} 1/s", "requests": requests, **traffic},
        "numerics": "none",
    }


def test_poisson_arrivals_on_a_bus_wait_as_m_d_1() -> None:
    result = hetsim.simulate(hetsim.load(bus_scenario(60_000)))
    service, load = 0.010, RATE * 0.010
    expected = load / (2 * (1 - load)) * service  # Pollaczek-Khinchine with a fixed service time
    transfers = result.trace.transfers
    waits = (transfers.numpy("start") - transfers.numpy("asked")) * 1e-12
    # batch means: the standard error of a correlated sequence
    batches = waits[: len(waits) // 30 * 30].reshape(30, -1).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(30)
    assert waits.mean() == pytest.approx(expected, abs=4 * error)
    assert error < 0.1 * expected
    assert result.document["links"]["bus"]["utilization"] == pytest.approx(load, rel=0.03)


def sampled_number(start: np.ndarray, end: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How many intervals contain each time."""
    return np.searchsorted(np.sort(start), times, "right") - np.searchsorted(np.sort(end), times, "right")


def test_littles_law_holds_on_every_resource() -> None:
    """L, sampled at random times, equals arrival rate times mean stay, for the bus and for each component."""
    scenario = bus_scenario(20_000)
    scenario["workload"]["tasks"]["take"]["cost"]["B"] = "12 ms"
    scenario["workload"]["tasks"]["send"]["cost"]["A"] = "5 ms"
    trace = hetsim.simulate(hetsim.load(scenario)).trace
    stays = {"bus": (trace.transfers.numpy("asked"), trace.transfers.numpy("end"))}
    for i, name in enumerate(trace.components):
        mine = trace.spans.numpy("component") == i
        stays[name] = (trace.spans.numpy("ready")[mine], trace.spans.numpy("end")[mine])
    times = np.random.default_rng(1).uniform(0, trace.end, 200_000)
    for name, (start, end) in stays.items():
        number = sampled_number(start, end, times)
        rate, stay = len(start) / trace.end, (end - start).mean()
        error = 4 * number.std() / np.sqrt(len(times))
        assert number.mean() == pytest.approx(rate * stay, abs=error), name


def gpu_scenario(ops: int) -> dict:
    """Independent products on one GPU with as many streams: launch 5 us, then compute and memory shared."""
    return {
        "system": {
            "components": {
                "gpu": {
                    "kind": "gpu", "vector": {"fp32": "1 TFLOP/s"}, "energy": {"fp32": "1 pJ/op"}, "format": "fp32",
                    "launch": "5 us", "streams": 4, "memory": {"kind": "memory", "bandwidth": "1 GB/s"},
                }
            },
            "host": "gpu",
        },
        "workload": {"onnx": "vectors.onnx", "data": "synthetic"},
        "numerics": "none",
        "traffic": {"kind": "batch", "requests": ops},
    }  # fmt: skip


@pytest.mark.parametrize("ops", [1, 2, 3, 4, 6])
def test_ops_on_one_gpu_share_its_bandwidth(ops: int, tmp_path, monkeypatch) -> None:
    """n equal memory-bound ops at once each take launch + n x bytes / bandwidth; beyond 4 streams they queue."""
    onnx = pytest.importorskip("onnx")
    n = 1 << 20
    vector = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, n])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, n])
    node = onnx.helper.make_node("Exp", ["x"], ["y"], name="exp")
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [vector], [out]), opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    monkeypatch.chdir(tmp_path)
    onnx.save(model, tmp_path / "vectors.onnx")
    result = hetsim.simulate(hetsim.load(gpu_scenario(ops)))
    alone = 2 * 4 * n / 1e9
    spans = result.trace.spans
    order = np.argsort(spans.numpy("start"), kind="stable")
    start, end = spans.numpy("start")[order] * 1e-12, spans.numpy("end")[order] * 1e-12
    first = min(ops, 4)
    assert end[:first] - start[:first] == pytest.approx([5e-6 + first * alone] * first, rel=1e-9)
    if ops > 4:
        assert start[4:] == pytest.approx([5e-6 + 4 * alone] * 2, rel=1e-9)
        assert end[4:] - start[4:] == pytest.approx([5e-6 + 2 * alone] * 2, rel=1e-9)
