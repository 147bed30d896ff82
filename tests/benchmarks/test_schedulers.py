"""What scheduling costs: a graph of 10,000 tasks on 64 components at once, and each decision in a stream of requests.

Run with `make bench`. Processor time, printed, never asserted. Beside it stands a loop of ten million additions, so
that figures of different machines can be compared.
"""

from __future__ import annotations

import time
from random import Random

import pytest

import hetsim
from hetsim.engine.job import Job, Shape
from hetsim.engine.run import Run
from hetsim.schedulers.scheduler import scheduler_kinds
from hetsim.workload import Cost, Graph, Op, Tensor
from tests.taskgraphs import names, scenario

PARTS = 64
AIMS = {"heft": 3.0, "peft": 6.0}
DYNAMIC = sorted(set(scheduler_kinds()) - {"lookahead", "optimal"})


def large(size: int, seed: int = 1, degree: int = 6) -> Graph:
    """Tasks with 1 to ``degree`` producers among the 200 before, of a different cost on each component."""
    draw = Random(seed)
    reads: list[list[Tensor]] = [[] for _ in range(size)]
    sends: list[list[Tensor]] = [[] for _ in range(size)]
    for i in range(1, size):
        before = range(max(0, i - 200), i)
        for k in draw.sample(before, min(len(before), draw.randint(1, degree))):
            tensor = Tensor(f"{k}>{i}", (draw.randint(1, 100_000),), "byte")
            reads[i].append(tensor)
            sends[k].append(tensor)
    ops = []
    for i in range(size):
        mean = draw.uniform(10e-6, 100e-6)
        cost = {part: Cost(mean * draw.uniform(0.5, 1.5)) for part in names(PARTS)}
        ops.append(Op(f"t{i}", "Task", tuple(reads[i]), tuple(sends[i]), cost=cost))
    return Graph("large", ops)


def system(kind: str) -> Run:
    """A run on 64 components that has not begun."""
    return Run(hetsim.load(scenario({"any": {"cost": {part: "1 s" for part in names(PARTS)}}}, PARTS, kind)))


def place(run: Run, job: Job) -> float:
    """Seconds it takes to have all ops of a job placed."""
    scheduler, view = run.dispatcher._scheduler, run.outlook
    begun = time.process_time()
    for d in scheduler.arrived(job, run.dispatcher._view):
        view.accept(job, d.op, d.offer, d.end)  # type: ignore[arg-type]
    for op in range(job.shape.size):
        if job.placed[op] is None:
            d = scheduler.placeable(job, op, run.dispatcher._view)
            if d is not None:
                view.accept(job, op, d.offer, d.end)  # type: ignore[arg-type]
            for _, d in scheduler.turn(run.dispatcher._view) if scheduler.late else ():
                view.accept(job, d.op, d.offer, d.end)  # type: ignore[arg-type]
    return time.process_time() - begun


def loop() -> float:
    begun, total = time.process_time(), 0
    for i in range(10_000_000):
        total += i
    return time.process_time() - begun


@pytest.mark.parametrize("kind", AIMS)
def test_a_large_graph(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    shape = Shape(large(10_000), 0)
    spent = [place(system(kind), Job(0, 0, 0, shape, 0)) for _ in range(3)]
    with capsys.disabled():
        told = ", ".join(f"{s:.2f}" for s in sorted(spent))
        print(f"\n{kind}: 10,000 tasks on {PARTS} components in {told} s (aim {AIMS[kind]:.0f})")
        print(f"a loop of ten million additions: {loop():.2f} s")


@pytest.mark.parametrize("kind", DYNAMIC)
def test_a_decision_in_a_stream(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first request, in which everything is worked out for the first time, is not counted."""
    run, shape, spent = system(kind), Shape(large(100), 0), []
    for number in range(21):
        run.outlook.now = number * 100_000_000
        spent.append(place(run, Job(number, number, 0, shape, run.outlook.now)) / shape.size)
    with capsys.disabled():
        print(f"\n{kind}: {sorted(spent[1:])[10] * 1e6:.0f} us per decision at {PARTS} components (aim 50)")
