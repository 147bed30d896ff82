"""Published schedules of published graphs, through the engine."""

from __future__ import annotations

from typing import Any

import pytest

import hetsim
from hetsim.engine.job import Job, Shape
from hetsim.engine.run import Run
from hetsim.schedulers.peft import optimistic_costs
from hetsim.schedulers.ranking import critical_path, downward, upward
from hetsim.units import TICK

Placement = dict[str, list[tuple[str, float, float]]]

# the ten-task graph of the PEFT paper [Arabnejad 2014, fig. 1]: costs on three processors, and bytes sent
COSTS = {
    "n1": (22, 21, 36), "n2": (22, 18, 18), "n3": (32, 27, 43), "n4": (7, 10, 4), "n5": (29, 27, 35),
    "n6": (26, 17, 24), "n7": (14, 25, 30), "n8": (29, 23, 36), "n9": (15, 21, 8), "n10": (13, 16, 33),
}  # fmt: skip
SENT = {
    "n2": {"n1": 17}, "n3": {"n1": 31}, "n4": {"n1": 29}, "n5": {"n1": 13}, "n6": {"n1": 7}, "n7": {"n3": 16},
    "n8": {"n2": 3, "n4": 11, "n6": 5}, "n9": {"n2": 30, "n4": 7, "n5": 57}, "n10": {"n7": 9, "n8": 42, "n9": 7},
}  # fmt: skip
OPTIMISTIC = {
    "n1": (64, 68, 86), "n2": (42, 39, 42), "n3": (27, 41, 43), "n4": (42, 39, 50), "n5": (28, 37, 28),
    "n6": (42, 39, 44), "n7": (13, 16, 22), "n8": (13, 16, 33), "n9": (13, 16, 20), "n10": (0, 0, 0),
}  # fmt: skip


def topcuoglu(kind: str, *sets: str) -> hetsim.Scenario:
    """The ten-task graph of the HEFT paper."""
    return hetsim.load("heft_textbook", [f"scheduler={{kind: {kind}}}", "expect=[]", *sets])


def arabnejad(kind: str) -> hetsim.Scenario:
    """The ten-task graph of the PEFT paper."""
    tasks = {
        name: {
            "cost": {f"P{k}": f"{seconds} s" for k, seconds in enumerate(costs, 1)},
            "after": {producer: f"{size} B" for producer, size in SENT.get(name, {}).items()},
        }
        for name, costs in COSTS.items()
    }
    raw: dict[str, Any] = hetsim.load("heft_textbook").resolved()
    return hetsim.load({**raw, "workload": {"tasks": tasks}, "scheduler": {"kind": kind}, "expect": []})


def placement(result: hetsim.Result, run: int = 0) -> Placement:
    """What each processor ran, from when to when."""
    trace, spans = result.trace, result.trace.spans
    rows = zip(*(spans[name] for name in ("run", "component", "op", "start", "end")), strict=True)
    found: Placement = {}
    for at, component, op, start, end in sorted(rows, key=lambda row: row[3]):
        if at == run:
            name = trace.graphs[0].ops[op]
            found.setdefault(trace.components[component], []).append((name, start * TICK, end * TICK))
    return found


def asked(scenario: hetsim.Scenario) -> tuple[Job, Any]:
    """A job that nobody has placed yet, and the view that a scheduler has of it."""
    run = Run(scenario)
    return Job(0, 0, 0, Shape(run.workload.graphs()[0], 0), 0), run.outlook


def test_heft_has_the_published_placement() -> None:
    result = hetsim.simulate(topcuoglu("heft"))
    assert result.document["makespan_s"] == 80
    assert placement(result) == {
        "P1": [("n2", 27, 40), ("n8", 57, 62)],
        "P2": [("n4", 18, 26), ("n6", 26, 42), ("n9", 56, 68), ("n10", 73, 80)],
        "P3": [("n1", 0, 9), ("n3", 9, 28), ("n5", 28, 38), ("n7", 38, 49)],
    }


def test_heft_fits_a_second_copy_in_between() -> None:
    """It arrives at t = 10 s, when nobody can take back what was decided for the first."""
    result = hetsim.simulate(topcuoglu("heft", "traffic={kind: trace, times: [0 s, 10 s]}"))
    assert result.document["makespan_s"] == 109
    assert placement(result) == placement(hetsim.simulate(topcuoglu("heft")))
    assert placement(result, run=1)["P1"][0] == ("n1", 10, 24)  # before n2 of the first, which waits for data


def test_ranks_are_the_published_ones() -> None:
    """[Topcuoglu 2002, table 3], to the digits printed there."""
    job, view = asked(topcuoglu("heft"))
    names = [op.name for op in job.graph.ops]
    up = dict(zip(names, upward(job, view), strict=True))
    down = dict(zip(names, downward(job, view), strict=True))
    printed = {"n1": 108.000, "n2": 77.000, "n3": 80.000, "n4": 80.000, "n5": 69.000, "n6": 63.333, "n7": 42.667,
               "n8": 35.667, "n9": 44.333, "n10": 14.667}  # fmt: skip
    assert {name: rank * TICK for name, rank in up.items()} == pytest.approx(printed, abs=5e-4)
    printed = {"n1": 0.000, "n2": 31.000, "n3": 25.000, "n4": 22.000, "n5": 24.000, "n6": 27.000, "n7": 62.333,
               "n8": 66.667, "n9": 63.667, "n10": 93.333}  # fmt: skip
    assert {name: rank * TICK for name, rank in down.items()} == pytest.approx(printed, abs=5e-4)


def test_cpop_keeps_the_critical_path_on_one_processor() -> None:
    job, view = asked(topcuoglu("cpop"))
    lengths = [up + down for up, down in zip(upward(job, view), downward(job, view), strict=True)]
    path = [job.graph.ops[op].name for op in critical_path(job.graph, lengths)]
    assert path == ["n1", "n2", "n9", "n10"]
    result = hetsim.simulate(topcuoglu("cpop"))
    assert result.document["makespan_s"] == 86
    assert [name for name, _, _ in placement(result)["P2"] if name in path] == path


def test_dls_on_the_graph_of_the_heft_paper() -> None:
    assert hetsim.simulate(topcuoglu("dls")).document["makespan_s"] == 91  # [Topcuoglu 2002, sec. 4.1]


@pytest.mark.parametrize(("kind", "makespan"), [("peft", 122), ("lookahead", 127), ("heft", 133)])
def test_the_graph_of_the_peft_paper(kind: str, makespan: int) -> None:
    """[Arabnejad 2014, fig. 2]."""
    assert hetsim.simulate(arabnejad(kind)).document["makespan_s"] == makespan


def test_optimistic_costs_are_the_published_ones() -> None:
    """[Arabnejad 2014, table 1]."""
    job, view = asked(arabnejad("peft"))
    found = optimistic_costs(job, view)
    for op, row in zip(job.graph.ops, found, strict=True):
        assert [cost * TICK for cost in row] == pytest.approx(OPTIMISTIC[op.name])
