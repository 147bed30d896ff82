"""One run: requests arrive, their programs emit graphs, graphs become jobs, answers come back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetsim.engine.batches import Batches, Member, joined, parted
from hetsim.engine.clock import Clock
from hetsim.engine.dispatch import Dispatcher
from hetsim.engine.faults import under_way
from hetsim.engine.job import Job, Shape
from hetsim.engine.lanes import Roads
from hetsim.engine.meter import Meter
from hetsim.engine.numbers import Numbers
from hetsim.engine.outlook import Outlook
from hetsim.engine.traffic import Source, sources
from hetsim.errors import InputError, RunError
from hetsim.placement import Pin, pinned
from hetsim.schedulers.scheduler import FOREVER, Scheduler
from hetsim.system import System
from hetsim.units import TICK, ticks
from hetsim.workload import Call, Graph, Op, Program, Workload

if TYPE_CHECKING:
    from hetsim.scenario import Scenario
    from hetsim.shaping import Shaping

Progress = Callable[[int, int], None]


class Run:
    """A scenario on its way: build it, `go`, then read ``meter`` and ``sources``."""

    def __init__(
        self, scenario: Scenario, progress: Progress | None = None, *, workload: Workload | None = None,
        scheduler: Scheduler[Any] | None = None, shaping: Shaping | None = None,
    ) -> None:  # fmt: skip
        self.scenario = self.question = scenario
        self._progress = progress
        if workload is None:  # else it was built from this scenario, and checked
            workload = scenario.check()
        self.system, self.workload = scenario.system(), workload
        self.sources = sources(scenario, self.workload)
        self.total = sum(source.total for source in self.sources)
        self.clock = Clock(scenario.max_events)
        self.roads = Roads(self.system, self.clock)
        self._shaping = shaping or scenario.shaping(self.system)
        self.options = Options(self._shaping.pin, self.system)
        self.outlook = Outlook(self.system, scenario.marks, self.options)
        self.meter = Meter(self.system)
        self.numbers: Numbers | None = None
        if scenario.numerics != "none":
            self.numbers = Numbers(
                self.system, self.meter, scenario.seed, scenario.numerics == "ideal", scenario.threads
            )
        self.scheduler = scheduler or scenario.build_scheduler()
        self.dispatcher = Dispatcher(
            self.clock, self.system, self.scheduler, self.outlook, self.roads, self.meter,
            self.numbers, self._finished, self.workload.graphs(), self._flights(),
        )  # fmt: skip
        self.meter.trace.tenants = [source.tenant for source in self.sources if source.tenant]
        requests = self.meter.trace.requests
        self._rows = [requests[name].append for name in ("request", "arrival", "start", "end")]
        self._shapes: dict[Graph, Shape] = {}
        self._programs: dict[int, tuple[Program, int, list[int]]] = {}
        size, wait = self.scheduler.gather()
        self._batches = [
            Batches(self.clock, source.workload, size, ticks(wait), self._submit_joined)
            for source in self.sources if size > 1
        ]  # fmt: skip
        self._urgent = any(s.traffic.deadline is not None or s.traffic.priority != 0 for s in self.sources)
        self._members: dict[int, Sequence[Member]] = {}  # by run
        self._jobs = 0

    # --- the whole ---

    def go(self) -> None:
        """Run until every request is done, or until ``max_time``."""
        for source in self.sources:
            self._arrive_next(source)
        limit = self.scenario.max_time
        try:
            self.clock.run(until=None if limit is None else max(1, ticks(limit)))
        except struct.error:  # the meter records times in 64 bits
            there, now = under_way(self.dispatcher.jobs.values()), self.clock.now * TICK
            raise RunError(
                f"simulated time goes beyond 2^63 ps (106 days), the most that a run records; at {now:.3g} s there "
                f"{there}: make that smaller, or its part faster"
            ) from None
        waiting = self.dispatcher.jobs
        if waiting and limit is None:
            raise RunError(f"the run stalls at {self.clock.now} ps:\n{self.dispatcher.stalled()}")
        ends = self.meter.trace.requests["end"]
        end = self.clock.now if waiting else max(ends, default=0)
        saved = {name: rest.joules(end) for name, rest in self.dispatcher.rests.items()}
        self.meter.close((r for _, r in self.outlook.recipes()), self.roads, end, self.dispatcher.running(), saved)

    @property
    def graphs(self) -> Sequence[Graph]:
        """The graphs that were run, in order of first appearance."""
        return [shape.graph for shape in self._shapes.values()]

    def _flights(self) -> int:
        """How many requests may be under way at a time."""
        each = [(getattr(s.traffic, "concurrency", None), s.traffic.queue, s.total) for s in self.sources]
        return sum(min(bound for bound in bounds if bound is not None) for bounds in each)

    # --- requests ---

    def source(self, request: int) -> Source:
        """Where a request came from."""
        return self.sources[request % len(self.sources)]

    def _arrive_next(self, source: Source) -> None:
        """Set the alarm for the next arrival, if there is one; those of this instant arrive now."""
        while source.asked < source.total:
            at = next(source.arrivals, None)
            if at is None:
                return
            request = source.next()
            if at > self.clock.now:
                self.clock.alarm(at - self.clock.now, self._arrived, request)
                return
            self.clock.count()  # so many may arrive at once that a run must be stopped on the way
            self._begin(request)

    def _arrived(self, request: int) -> None:
        self._begin(request)
        self._arrive_next(self.source(request))

    def _begin(self, request: int) -> None:
        source = self.source(request)
        bound = source.traffic.queue
        if bound is not None and source.open >= bound:
            source.dropped += 1
            return
        source.open += 1
        program = self.workload.program(request, self.numbers is not None)
        self._programs[request] = (program, self.clock.now, [-1, 0])
        self._resume(request, None)

    def _resume(self, request: int, outputs: Mapping[str, Any] | None) -> None:
        """Let the program look at what came back and ask for its next graph, or end."""
        program, _, state = self._programs[request]
        try:
            call = program.send(outputs) if state[1] else next(program)
        except StopIteration as stop:
            self._end(request, stop.value)
            return
        state[1] += 1  # first: a graph without ops is done before this returns
        if self._batches:
            self._batches[request % len(self.sources)].add(Member(request, call, state[1] - 1))
        else:
            self._submit(request, call, state[1] - 1)

    def _submit_joined(self, members: Sequence[Member]) -> None:
        """Run the calls of some requests as one."""
        request = members[0].request
        self._submit(request, joined(self.source(request).workload, members), members[0].number, members)

    def _submit(self, request: int, call: Call, number: int, members: Sequence[Member] = ()) -> None:
        shape = self._shapes.get(call.graph)
        if shape is None:
            shape = self._shapes[call.graph] = Shape(self._shaping.graph(call.graph), len(self._shapes))
            self.meter.graph(shape)
        job = Job(self._jobs, request, number, shape, self.clock.now)
        if self._urgent:
            job.deadline, job.priority = self._urgency([m.request for m in members] or [request])
        if members:
            self._members[job.run] = members
        self._jobs += 1
        if self.numbers is not None:
            job.draws = self.source(request).draws(request)
            job.feed(call)
        self.dispatcher.admit(job)

    def _urgency(self, requests: Sequence[int]) -> tuple[int, int]:
        """The earliest deadline, in ticks, and the highest priority of some requests."""
        source = self.source(requests[0])
        dues = [(self._programs[request][1], source.traffic.due(source.own(request))) for request in requests]
        deadline = min([FOREVER if due is None else arrival + ticks(due) for arrival, due in dues])
        return deadline, max([source.traffic.urgency(source.own(request)) for request in requests])

    def _finished(self, job: Job) -> None:
        """A graph is done: note it, and hand its outputs to the programs."""
        self.meter.call(job, self.clock.now)
        outputs = None if self.numbers is None else self.numbers.returned(job)
        if job.run not in self._members:
            self._answer(job.request, job, outputs)
            return
        members = self._members.pop(job.run)
        for member, share in zip(members, parted(outputs, [m.call.graph for m in members]), strict=True):
            self._answer(member.request, job, share)

    def _answer(self, request: int, job: Job, outputs: Mapping[str, Any] | None) -> None:
        state = self._programs[request][2]
        if state[0] < 0:
            state[0] = job.start
        self._resume(request, outputs)

    def _end(self, request: int, answer: Any) -> None:
        _, arrival, state = self._programs.pop(request)
        source = self.source(request)
        source.open -= 1
        source.done += 1
        if answer is not None:
            source.answers[source.own(request)] = answer
        for append, value in zip(self._rows, (request, arrival, max(state[0], 0), self.clock.now), strict=True):
            append(value)
        if self._progress is not None:
            self._progress(len(self.meter.trace.requests), self.total)
        if source.traffic.kind == "closed" and source.asked < source.total:
            self.clock.alarm(0, self._arrived, source.next())


class Options(dict[Op, Sequence[str]]):
    """Op -> the components that may run it: those that support it and to which no pin forbids it."""

    def __init__(self, pin: Pin, system: System) -> None:
        super().__init__()
        self._pin, self._system = pin, system

    def __missing__(self, op: Op) -> Sequence[str]:
        parts, allowed = self._system.components, pinned(self._pin, op.name)
        names = tuple([n for n, c in parts.items() if (allowed is None or n in allowed) and not c.supports(op)])
        if not names:
            why = "; ".join(f"{n}: {c.supports(op) or 'not pinned there'}" for n, c in parts.items())
            raise InputError.of(f"no component can run op {op.name!r} ({op.kind}): {why}")
        self[op] = names
        return names
