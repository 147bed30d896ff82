"""What went wrong in a run, in words: a policy that cannot be followed, ops that wait for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from hetsim.engine.job import DONE, STARTED, WAITING, Job
from hetsim.engine.outlook import Outlook
from hetsim.engine.recipe import Recipe
from hetsim.errors import HetsimError, RunError
from hetsim.schedulers.scheduler import Decision, Scheduler

T = TypeVar("T")


def listed(scheduler: Scheduler[Any], answers: Iterable[T]) -> Iterator[T]:
    """What a policy answers, one after the other; RunError, with its name, when it fails."""
    try:
        yield from answers
    except Exception as error:  # whatever a policy does wrong
        raise failed(scheduler, error) from error


def failed(scheduler: Scheduler[Any], error: Exception) -> HetsimError:
    """A policy's failure by its name; what was told in words already stays."""
    if isinstance(error, HetsimError):
        return error
    return RunError(f"scheduler {scheduler.kind!r} failed: {type(error).__name__}: {error}")


def early(scheduler: Scheduler[Any], job: Job, op: int) -> RunError:
    """An op that was placed before the ops that it reads from, by the policy's name."""
    return RunError(f"scheduler {scheduler.kind!r} placed {job.graph.ops[op].name!r} before the ops that it reads from")


def nonsense(scheduler: Scheduler[Any], outlook: Outlook, job: Job, decision: Any) -> RunError:
    """What is wrong with a decision that cannot be followed, by the policy's name."""
    who = f"scheduler {scheduler.kind!r}"
    if not isinstance(decision, Decision):
        return RunError(f"{who} answered {decision!r} where a Decision is expected")
    i, ops = decision.op, job.graph.ops
    if type(i) is not int or not 0 <= i < job.shape.size or job.placed[i] is not None:
        what = f"op number {i} of {job.graph.name!r}, which is not waiting for a place"
    elif not isinstance(decision.offer, Recipe):
        what = f"{ops[i].name!r} with {decision.offer!r}, which is no offer of the view"
    elif decision.offer.op is not ops[i]:
        what = f"{ops[i].name!r} with an offer that was made for another op"
    elif decision.offer.component not in outlook.options(job, i):
        what = f"{ops[i].name!r} on {decision.offer.component!r}, which may not run it"
    else:
        what = f"{ops[i].name!r} from {decision.start!r} to {decision.end!r}, which are no ticks"
    return RunError(f"{who} placed {what}")


def stalled(scheduler: Scheduler[Any], jobs: Iterable[Job]) -> str:
    """What each unfinished op waits for, a line each."""
    lines = []
    for job in jobs:
        for i, op in enumerate(job.graph.ops):
            if job.status[i] != WAITING:
                continue
            open_ = [job.graph.ops[p].name for p in job.graph.producers[i] if job.status[p] != DONE]
            if job.placed[i] is not None and not job.missing[i]:
                why = f"queues for {', '.join(job.recipes[i].holds)}"
            elif job.placed[i] is not None or open_:
                why = f"waits for {', '.join(open_) or 'its inputs to arrive'}"
            else:
                why = f"was given no place by scheduler {scheduler.kind!r}"
            lines.append(f"request {job.request}: {op.name} {why}")
    return "\n".join(lines[:20] + [f"… and {len(lines) - 20} more"] * (len(lines) > 20))


def under_way(jobs: Iterable[Job]) -> str:
    """What runs, or else moves: ops by name and component, and those whose inputs are on their way; a few of them."""
    running, coming = list[str](), list[str]()
    for job in jobs:
        for i, op in enumerate(job.graph.ops):
            if job.status[i] == STARTED:
                running.append(f"{op.name!r} on {job.recipes[i].component!r}")
            elif job.status[i] == WAITING and all(job.status[p] == DONE for p in job.graph.producers[i]):
                coming.append(f"{op.name!r}")
    return f"runs {', '.join(running[:5])}" if running else f"move the inputs of {', '.join(coming[:5])}"
