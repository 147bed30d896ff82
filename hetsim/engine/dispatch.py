"""The life of an op: placed, fed, granted, started, ended. Everything that happens, happens here, in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from hetsim.engine.clock import Clock
from hetsim.engine.holds import Hold
from hetsim.engine.job import DONE, HOST, STARTED, WAITING, Job
from hetsim.engine.lanes import Roads
from hetsim.engine.meter import Meter
from hetsim.engine.mover import Mover
from hetsim.engine.numbers import Numbers
from hetsim.engine.outlook import Outlook
from hetsim.engine.ports import Port
from hetsim.engine.stream import arrivals, paced
from hetsim.errors import RunError
from hetsim.schedulers.scheduler import Decision, Scheduler, View
from hetsim.system import System
from hetsim.units import ticks


class Dispatcher:
    """Places ops as the scheduler says, moves tensors, queues for resources, and starts and ends ops.

    ``finished(job)`` is called when all ops of a job are done and its outputs are back at the host.
    """

    def __init__(
        self, clock: Clock, system: System, scheduler: Scheduler[Any], outlook: Outlook, roads: Roads,
        meter: Meter, numbers: Numbers | None, finished: Callable[[Job], None],
    ) -> None:  # fmt: skip
        self._clock, self._system, self._scheduler, self._finished = clock, system, scheduler, finished
        self._outlook, self._meter, self._numbers = outlook, meter, numbers
        self._mover = Mover(clock, roads, meter, self._arrived)
        self._view = cast(View, outlook)  # whose jobs are the engine's own
        self._host = system.host
        self._holds: dict[str, Hold] = {}
        self._ports = {
            name: Port(name, rate, clock)
            for c in system.components.values()
            for name, rate in c.ports().items()
        }
        self._resident = dict(outlook.planned)
        self.jobs: dict[int, Job] = {}

    # --- placing ---

    def admit(self, job: Job) -> None:
        """A graph arrives: have it placed as far as the scheduler will, the rest op by op."""
        self._outlook.now = self._clock.now
        self.jobs[job.run] = job
        for i, op in enumerate(job.graph.ops):
            if op.release:
                job.ready[i] = job.arrival + ticks(op.release)
        for decision in self._scheduler.arrived(job, self._view):
            self.place(job, decision)
        for i in range(job.shape.size):  # topological order: producers are placed before their consumers
            if job.placed[i] is None:
                self.place(job, self._scheduler.placeable(job, i, self._view))
        if not job.left and not job.returns:
            self._complete(job)

    def place(self, job: Job, decision: Decision) -> None:
        """Apply a decision, and start moving what the op reads if that is there already."""
        i, offer, _, _, ordered = decision
        component = offer.component
        placed, status = job.placed, job.status
        if (
            not 0 <= i < len(placed)
            or placed[i] is not None
            or component not in self._outlook.options(job, i)
        ):
            raise self._nonsense(job, decision)
        recipe = self._outlook.accept(job, decision)
        if ordered:
            job.ordered[i] = True
            for name in recipe.holds:
                self._hold(name).expect(decision.start, job, i)
        missing = 0
        for p, t in job.shape.inputs[i]:
            if p < 0:
                source, size = self._host, job.shape.tensors[t].nbytes
            elif status[p] == DONE:
                source, size = placed[p], job.recipes[p].plan.output_bytes[job.shape.position[t]]
            elif placed[p] is None:
                raise self._nonsense(job, decision)
            else:
                missing += status[p] == WAITING or not self._streams(job, p, i)
                continue
            if source != component and not self._mover.send(job, t, source, component, size, i):
                missing += 1
        if job.ready[i] > self._outlook.now:  # a task is not released yet
            missing += 1
            self._clock.alarm(job.ready[i] - self._clock.now, self._released, (job, i))
        job.missing[i] = missing
        if not missing:
            self._ready(job, i)

    def _nonsense(self, job: Job, decision: Decision) -> RunError:
        """What is wrong with a decision that cannot be followed, by the policy's name."""
        i = decision.op
        if not 0 <= i < job.shape.size or job.placed[i] is not None:
            what = f"placed op number {i} of {job.graph.name!r}, which is not waiting for a place"
        elif decision.offer.component not in self._outlook.options(job, i):
            what = f"placed {job.graph.ops[i].name!r} on {decision.offer.component!r}, which may not run it"
        else:
            what = f"placed {job.graph.ops[i].name!r} before the ops that it reads from"
        return RunError(f"scheduler {self._scheduler.kind!r} {what}")

    def _released(self, event: Any) -> None:
        self._delivered(*event.payload)

    def _streams(self, job: Job, producer: int, consumer: int) -> bool:
        """Whether the consumer takes in the producer's chunks one by one, on one component."""
        return (
            job.placed[producer] == job.placed[consumer]
            and job.recipes[producer].streams
            and job.recipes[consumer].streams
        )

    # --- feeding ---

    def _arrived(self, job: Job, reader: int) -> None:
        """A tensor has reached one of its readers."""
        if reader != HOST:
            self._delivered(job, reader)
            return
        job.returns -= 1
        if not job.left and not job.returns:
            self._complete(job)

    def _delivered(self, job: Job, i: int) -> None:
        job.missing[i] -= 1
        if not job.missing[i]:
            self._ready(job, i)

    # --- queueing ---

    def _hold(self, name: str) -> Hold:
        hold = self._holds.get(name)
        if hold is None:
            hold = self._holds[name] = Hold(name, self._outlook.capacity(name))
        return hold

    def _ready(self, job: Job, i: int) -> None:
        job.ready[i] = self._clock.now
        self._acquire(job, i, 0)

    def _acquire(self, job: Job, i: int, position: int) -> None:
        """Take the op's holds one after the other in a fixed order, so that no two ops wait for each other."""
        names = job.recipes[i].holds
        while position < len(names):
            if not self._hold(names[position]).claim(job, i, position):
                return
            position += 1
        self._granted(job, i)

    def _release(self, job: Job, i: int) -> None:
        holds = [self._holds[name] for name in job.recipes[i].holds]
        for hold in holds:
            hold.users -= 1
        for hold in holds:
            if hold.ripe or hold.waiting:
                self._wake(hold)

    def _wake(self, hold: Hold) -> None:
        while (claim := hold.next()) is not None:
            self._acquire(claim[0], claim[1], claim[2] + 1)

    def _granted(self, job: Job, i: int) -> None:
        """All holds are there. Plan again if what is stored changed meanwhile; wait for the first chunk."""
        recipe = job.recipes[i]
        for name in recipe.holds:
            hold = self._holds[name]
            if hold.users < hold.capacity and (
                hold.ripe or hold.waiting
            ):  # a place is left for the next in order
                self._wake(hold)
        resident = self._resident[recipe.component]
        if recipe.residency is not resident:
            fresh = self._outlook.recipe(job.graph.ops[i], recipe.component, resident)
            if fresh.holds != recipe.holds:
                self._release(job, i)
                job.recipes[i], job.ordered[i] = fresh, False
                self._acquire(job, i, 0)
                return
            job.recipes[i] = recipe = fresh
        fed = arrivals(job, i) if recipe.streams else None
        if fed is not None and fed[0] > self._clock.now:
            self._clock.alarm(fed[0] - self._clock.now, self._begin, (job, i, fed))
        else:
            self._start(job, i, fed)

    # --- running ---

    def _begin(self, event: Any) -> None:
        self._start(*event.payload)

    def _start(self, job: Job, i: int, fed: tuple[int, ...] | None) -> None:
        """The op starts: its numbers are computed now, so its end is known unless it shares a port."""
        recipe, now = job.recipes[i], self._clock.now
        if recipe.plan.after is not None:
            self._resident[recipe.component] = self._outlook.intern(recipe.plan.after)
        setup = recipe.setup
        if self._numbers is not None:
            setup = self._numbers.compute(job, i, now)
        elif recipe.plan.deployment is not None:
            self._meter.deployed.append(recipe.plan.deployment)
        self._meter.started(job, i, now)
        job.status[i], job.starts[i] = STARTED, now
        if job.start < 0:
            job.start = now
        if recipe.ports:
            self._clock.alarm(setup, self._serve, (job, i))
            return
        if recipe.streams:
            job.progress[i] = progress = paced(recipe, now + setup, fed)
            end = progress[-1]
        else:
            end = now + setup + recipe.length
        job.ends[i] = end
        self._outlook.started(recipe, end)
        self._clock.alarm(end - now, self._ended, (job, i))
        if recipe.streams:
            for _, reader in job.shape.readers[i]:
                if reader != HOST and job.placed[reader] is not None and self._streams(job, i, reader):
                    self._delivered(job, reader)

    def _serve(self, event: Any) -> None:
        """Setup is over: be served by every port side by side, and by the op's own pipeline."""
        job, i = event.payload
        recipe = job.recipes[i]
        left = [len(recipe.ports) + (recipe.length > 0)]
        if recipe.length:
            self._clock.alarm(recipe.length, self._served_alone, (job, i, left))
        for name, amount in recipe.ports:
            self._ports[name].join(amount, self._served, (job, i, left))

    def _served_alone(self, event: Any) -> None:
        self._served(event.payload)

    def _served(self, payload: tuple[Job, int, list[int]]) -> None:
        job, i, left = payload
        left[0] -= 1
        if not left[0]:
            job.ends[i] = self._clock.now
            self._outlook.started(job.recipes[i], self._clock.now)
            self._finish(job, i)

    def _ended(self, event: Any) -> None:
        self._finish(*event.payload)

    def _finish(self, job: Job, i: int) -> None:
        """The op is done: account for it, push its outputs, and let go of its resources."""
        self._outlook.now = self._clock.now
        self._meter.ended(job, i, self._clock.now)
        job.status[i] = DONE
        if self._numbers is not None:
            self._numbers.read(job, i)
        self._push(job, i)
        self._release(job, i)
        job.left -= 1
        if not job.left and not job.returns:
            self._complete(job)

    def _push(self, job: Job, i: int) -> None:
        """Send every output to the readers that have a place and did not stream it."""
        source, sizes, streams = job.placed[i], job.recipes[i].plan.output_bytes, job.recipes[i].streams
        for t, reader in job.shape.readers[i]:
            if reader == HOST:
                target = self._host
            else:
                target = job.placed[reader]
                if target is None or (streams and self._streams(job, i, reader)):
                    continue
            if target != source and not self._mover.send(
                job, t, source, target, sizes[job.shape.position[t]], reader
            ):
                continue
            if reader == HOST:
                job.returns -= 1
            else:
                self._delivered(job, reader)

    def _complete(self, job: Job) -> None:
        del self.jobs[job.run]
        self._finished(job)

    # --- telling why nothing moves ---

    def stalled(self) -> str:
        """What each unfinished op waits for, a line each."""
        lines = []
        for job in self.jobs.values():
            for i, op in enumerate(job.graph.ops):
                if job.status[i] != WAITING:
                    continue
                if job.placed[i] is None:
                    why = "has no place"
                elif job.missing[i]:
                    open_ = [job.graph.ops[p].name for p in job.graph.producers[i] if job.status[p] != DONE]
                    why = f"waits for {', '.join(open_) or 'its inputs to arrive'}"
                else:
                    why = f"queues for {', '.join(job.recipes[i].holds)}"
                lines.append(f"request {job.request}: {op.name} {why}")
        return "\n".join(lines[:20] + [f"… and {len(lines) - 20} more"] * (len(lines) > 20))
