"""Links against closed forms: queues, chains of links, meshes, arbitration."""

from __future__ import annotations

from collections.abc import Mapping
from math import factorial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hetsim
from hetsim.engine.clock import Clock
from hetsim.engine.lanes import Roads
from hetsim.engine.mover import Mover
from hetsim.hardware.link import link_kinds
from hetsim.system import System
from hetsim.units import ticks


class Log:
    """Stands for the meter: when each transfer was asked for, began and was over."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int]] = []

    def transfer(self, job: Any, tensor: int, hop: Any, asked: int, start: int, end: int) -> None:
        hop.crossed += 1
        self.rows.append((tensor, asked, start, end))

    def column(self, k: int) -> np.ndarray:
        return np.array([row[k] for row in sorted(self.rows)], dtype=np.int64) * 1e-12


def moved(
    links: Mapping[str, Mapping[str, Any]], transfers: list[tuple[float, str, str, int]]
) -> tuple[Log, list[float]]:
    """Run transfers (time, from, to, bytes) over links: the log, and the seconds at which each has arrived."""
    parts = dict.fromkeys(name for link in links.values() for name in link["between"])
    kinds = link_kinds()
    built = {
        name: kinds[link["kind"]](name, kinds[link["kind"]].sheet_type.model_validate(link))
        for name, link in links.items()
    }
    clock, log = Clock(), Log()
    system = System({name: SimpleNamespace(name=name, bind=lambda others: None) for name in parts}, built, None)  # type: ignore[misc]
    arrived = [0.0] * len(transfers)

    def done(job: Any, reader: int, now: int) -> None:
        arrived[reader] = now * 1e-12

    mover = Mover(clock, Roads(system, clock), log, done)  # type: ignore[arg-type]
    job: Any = SimpleNamespace(copies={}, shape=SimpleNamespace(tensors=[SimpleNamespace(name="t")] * len(transfers)))

    def send(number: int) -> None:
        _, source, target, size = transfers[number]
        mover.send(job, number, source, target, size, number)

    for number, (at, *_) in enumerate(transfers):
        clock.alarm(ticks(at), send, number)
    clock.run()
    return log, arrived


def erlang_c(servers: int, load: float) -> float:
    """Probability of having to wait for one of ``servers``, at ``load`` in servers [Erlang 1917]."""
    top = load**servers / factorial(servers) * servers / (servers - load)
    return top / (sum(load**k / factorial(k) for k in range(servers)) + top)


def batched(waits: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of a correlated sequence."""
    batches = waits[: len(waits) // 30 * 30].reshape(30, -1).mean(axis=1)
    return waits.mean(), batches.std(ddof=1) / np.sqrt(30)


@pytest.mark.parametrize("engines", [1, 2, 4])
def test_copy_engines_are_m_m_c(engines: int) -> None:
    """Poisson arrivals of messages of exponential size, at 70 % load: the mean wait by Erlang's C."""
    count, service, random = 30_000, 1e-3, np.random.default_rng(7)
    rate = 0.7 * engines / service
    at = np.cumsum(random.exponential(1 / rate, count))
    sizes = np.maximum(1, random.exponential(1e6, count).round().astype(int))
    dma = {"kind": "dma", "engines": engines, "bandwidth": "1 GB/s", "between": ["a", "b"]}
    log, _ = moved({"dma": dma}, [(t, "a", "b", int(s)) for t, s in zip(at, sizes, strict=True)])
    mean, error = batched(log.column(2) - log.column(1))
    assert mean == pytest.approx(erlang_c(engines, 0.7 * engines) * service / (engines * 0.3), abs=4 * error)
    assert error < 0.1 * mean


def test_messages_of_exponential_size_wait_on_a_bus_as_m_m_1() -> None:
    count, random = 30_000, np.random.default_rng(5)
    at, sizes = np.cumsum(random.exponential(1 / 600, count)), random.exponential(1e6, count).round().astype(int)
    bus = {"kind": "bus", "width": "1 B", "frequency": "1 GHz", "between": ["a", "b"]}
    log, _ = moved({"bus": bus}, [(t, "a", "b", int(s)) for t, s in zip(at, sizes, strict=True)])
    mean, error = batched(log.column(2) - log.column(1))
    assert mean == pytest.approx(0.6 / 0.4 * 1e-3, abs=4 * error)
    assert error < 0.1 * mean


@pytest.mark.parametrize("arbitration", ["fifo", "round_robin"])
def test_a_bus_works_on_whatever_the_arbitration(arbitration: str) -> None:
    """Two senders at random: the bus is busy for as long, and the last is done at the same time."""
    random = np.random.default_rng(2)
    at, sizes = np.cumsum(random.exponential(1e-6, 500)), random.integers(1, 20, 500) * 64
    bus = {"kind": "bus", "width": "1 B", "frequency": "1 GHz", "between": ["a", "b", "c"]}
    jobs = [(t, "ab"[i % 2], "c", int(s)) for i, (t, s) in enumerate(zip(at, sizes, strict=True))]
    plain, shared = (
        moved({"bus": bus | more}, jobs)[1] for more in ({}, {"arbitration": arbitration, "burst": "64 B"})
    )
    assert max(shared) == pytest.approx(max(plain), rel=1e-12)


def test_round_robin_shares_a_bus_between_long_messages() -> None:
    """n equal messages at once: in order of request they end one after another, by turns all at the end."""
    bus = {"kind": "bus", "width": "4 B", "frequency": "1 GHz", "between": ["a", "b", "c", "d"]}
    jobs = [(0.0, sender, "d", 4_000_000) for sender in "abc"]
    _, by_turns = moved({"bus": bus | {"arbitration": "round_robin", "burst": "64 B"}}, jobs)
    _, in_order = moved({"bus": bus}, jobs)
    assert in_order == pytest.approx([1e-3, 2e-3, 3e-3])
    assert by_turns == pytest.approx([3e-3 - 32e-9, 3e-3 - 16e-9, 3e-3])


def chain(rates: list[int], latency: int, packet: int) -> dict[str, dict[str, Any]]:
    return {
        f"l{k}": {
            "kind": "serial", "bandwidth": f"{rate} GB/s", "latency": f"{latency} ns", "packet": f"{packet} B",
            "between": [f"n{k}", f"n{k + 1}"],
        }
        for k, rate in enumerate(rates)
    }  # fmt: skip


@given(
    st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=5),
    st.integers(0, 500), st.sampled_from([64, 256, 4096]), st.integers(1, 200),
)  # fmt: skip
def test_a_chain_of_links_has_the_pipelined_latency(rates: list[int], latency: int, packet: int, count: int) -> None:
    """n packets over k links: every link's latency and packet, and n - 1 more packets over the slowest."""
    links = chain(rates, latency, packet)
    _, (took,) = moved(links, [(0.0, "n0", f"n{len(rates)}", count * packet)])
    each = [packet / (rate * 1e9) for rate in rates]
    assert took == pytest.approx(len(rates) * latency * 1e-9 + sum(each) + (count - 1) * max(each), abs=1e-11)


def test_a_chain_passes_messages_on_without_gaps() -> None:
    """Ten messages at once over three equal links: the last is done after all ten and the fill of two links."""
    _, arrived = moved(chain([1, 1, 1], 100, 256), [(0.0, "n0", "n3", 256_000)] * 10)
    assert max(arrived) == pytest.approx(10 * 256e-6 + 2 * 256e-9 + 3 * 100e-9)


# --- meshes ---

MESH = {"kind": "mesh", "router": "2 ns", "bandwidth": "1 GB/s", "energy": "3 pJ/B"}


def mesh(columns: int, rows: int) -> dict[str, Any]:
    return MESH | {"columns": columns, "between": [f"n{x}{y}" for y in range(rows) for x in range(columns)]}


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_hops_of_a_square_mesh(n: int) -> None:
    """Mean distance of two different nodes of an n x n mesh: 2 n / 3; the farthest are 2 (n - 1) apart."""
    sheet = mesh(n, n)
    built = link_kinds()["mesh"]("mesh", link_kinds()["mesh"].sheet_type.model_validate(sheet))
    names = sheet["between"]
    found = [built.hops(a, b) for a in names for b in names if a != b]
    assert sum(found) / len(found) == pytest.approx(2 * n / 3)
    assert max(found) == 2 * (n - 1)
    for a in names:
        for b in names:
            lanes = built.lanes(a, b)
            assert len(lanes) == built.hops(a, b) == len(set(lanes))
    assert built.lanes("n00", "n11") == ("mesh:0,0>0,1", "mesh:0,1>1,1")  # row, column: along the row first


def test_a_message_cuts_through_a_mesh() -> None:
    """Hops x router + bytes / bandwidth."""
    _, arrived = moved({"mesh": mesh(4, 3)}, [(0.0, "n00", "n32", 4000), (0.0, "n30", "n30", 4000)][:1])
    assert arrived == pytest.approx([5 * 2e-9 + 4e-6])


def test_messages_meet_on_a_directed_link_only() -> None:
    """Of three messages, two want the link from (1,0) to (2,0); the third goes the other way."""
    jobs = [(0.0, "n10", "n20", 1000), (0.0, "n00", "n20", 1000), (0.0, "n20", "n00", 1000)]
    _, arrived = moved({"mesh": mesh(3, 1)}, jobs)
    assert arrived == pytest.approx([1e-6 + 2e-9, 2e-6 + 2e-9, 1e-6 + 4e-9])


def test_who_is_held_up_leaves_the_links_beyond_to_others() -> None:
    """The second message waits at (1,0) for the first; meanwhile the third crosses what the second needs later."""
    jobs = [(0.0, "n10", "n20", 10_000), (1e-9, "n00", "n30", 1000), (2e-9, "n20", "n30", 1000)]
    _, arrived = moved({"mesh": mesh(4, 1)}, jobs)
    assert arrived[2] == pytest.approx(2e-9 + 2e-9 + 1e-6)
    assert arrived[1] == pytest.approx(10e-6 + 2 * 2e-9 + 2e-9 + 1e-6, abs=4e-9)


def test_energy_of_a_mesh_is_per_hop() -> None:
    tasks = {"p": {"cost": {"n00": "0 s"}}, "q": {"cost": {"n21": "0 s"}, "after": {"p": "1000 B"}}}
    scenario = {
        "system": {
            "components": {name: {"kind": "abstract"} for name in mesh(3, 2)["between"]},
            "links": {"mesh": mesh(3, 2)}, "host": "n00",
        },
        "workload": {"tasks": tasks}, "numerics": "none",
    }  # fmt: skip
    answer = hetsim.simulate(hetsim.load(scenario)).to_dict()
    assert answer["links"]["mesh"]["energy_J"] == pytest.approx(3 * 1000 * 3e-12)
    assert answer["links"]["mesh"]["bytes"] == 1000
    assert answer["makespan_s"] == pytest.approx(3 * 2e-9 + 1e-6)
