"""The engine: the only part that moves time. `simulate` is its door."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError

if TYPE_CHECKING:
    from hetsim.engine.run import Progress
    from hetsim.result import Result
    from hetsim.scenario import Scenario
    from hetsim.workload import Workload

__all__ = ["answered", "explain", "simulate"]


def simulate(scenario: Scenario, *, progress: Progress | None = None) -> Result:
    """Run a scenario and return its answer; ``progress(done, total)`` is called after each request.

    With ``repeat`` the question is asked of so many chips: the trace and the figures are the first chip's, each
    metric becomes the mean over the chips, and ``repeats`` holds the 95 % intervals.
    Raises InputError for a scenario that cannot run and RunError for a run that cannot finish.
    """
    from hetsim.engine.repeat import averaged, seeds, summarise
    from hetsim.engine.summary import document
    from hetsim.engine.trials import prepared
    from hetsim.formats import one_blas_thread
    from hetsim.result import Result

    if scenario.repeat > 1 and scenario.numerics == "none":
        raise InputError.of("repeat asks several chips, and without numbers all chips are equal", "use repeat: 1")
    started = time.perf_counter()
    runs = []
    for number, seed in enumerate(seeds(scenario.seed, scenario.repeat)):
        with one_blas_thread():  # what a workload prepares and how it scores are sums too
            run = prepared(scenario.with_seed(seed), progress if number == 0 else None)
            run.go()
            runs.append((document(run, 0.0), run.meter.trace))
    first, trace = runs[0]
    if len(runs) > 1:
        first.update(summarise([d for d, _ in runs]))
        if "tenants" in first:
            first["tenants"] = averaged(first["tenants"], first["metrics"])
        first["resolved"] = scenario.resolved()
    first["simulator"]["wall_s"] = time.perf_counter() - started
    return Result(first, trace)


def answered(scenario: Scenario, workload: Workload) -> tuple[Result, Mapping[int, Any]]:
    """Run a scenario once, with a workload of the caller's; return the result and each request's answer."""
    from hetsim.engine.summary import document
    from hetsim.engine.trials import prepared
    from hetsim.formats import one_blas_thread
    from hetsim.result import Result

    started = time.perf_counter()
    with one_blas_thread():
        run = prepared(scenario, workload=workload)
        run.go()
        found = document(run, 0.0)
    found["simulator"]["wall_s"] = time.perf_counter() - started
    return Result(found, run.meter.trace), run.sources[0].answers


def explain(scenario: Scenario, op: str) -> list[dict[str, object]]:
    """Return what an op would take on each component, and why it was placed where it was."""
    from hetsim.engine.explanation import explanation

    return explanation(scenario, op)
