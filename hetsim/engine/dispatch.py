"""The life of an op: placed, fed, granted, started, ended. Everything that happens, happens here, in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from hetsim.engine.calendar import Calendar
from hetsim.engine.clock import Clock
from hetsim.engine.faults import early, failed, listed, nonsense, stalled
from hetsim.engine.holds import Claim
from hetsim.engine.job import DONE, HOST, STARTED, WAITING, Job
from hetsim.engine.lanes import Roads
from hetsim.engine.meter import Meter
from hetsim.engine.mover import Mover
from hetsim.engine.numbers import Numbers
from hetsim.engine.outlook import Outlook
from hetsim.engine.ports import Port
from hetsim.engine.queues import Queues
from hetsim.engine.recipe import Recipe
from hetsim.engine.rests import Rest
from hetsim.engine.stores import Stores
from hetsim.engine.stream import arrivals, carried, paced
from hetsim.schedulers.scheduler import Decision, Scheduler, View
from hetsim.system import System
from hetsim.workload import Graph


class Dispatcher:
    """Places ops as the scheduler says, moves tensors, queues for resources, and starts and ends ops.

    ``finished(job)`` is called when all ops of a job are done and its outputs are back at the host. Of ``graphs`` at
    most ``flights`` are under way at a time, which tells what memories may get full.
    """

    def __init__(
        self, clock: Clock, system: System, scheduler: Scheduler[Any], outlook: Outlook, roads: Roads,
        meter: Meter, numbers: Numbers | None, finished: Callable[[Job], None], graphs: Iterable[Graph] = (),
        flights: int = 1,
    ) -> None:  # fmt: skip
        self._clock, self._system, self._scheduler, self._finished = clock, system, scheduler, finished
        self._outlook, self._meter, self._numbers = outlook, meter, numbers
        self._mover = Mover(clock, roads, meter, self._arrived)
        self.rests = {name: Rest(s) for name, c in system.components.items() if (s := c.sleep()) is not None}
        self.stores = Stores(system, graphs, flights, self._mover)
        self._bounded = bool(self.stores.of)
        if self._bounded:
            self._mover.stores = self.stores
        self._view = cast(View, outlook)  # whose jobs are the engine's own
        self._host = system.host
        self._queues = Queues(outlook.capacity, self._granted)
        self._ports = {
            name: Port(name, rate, clock) for c in system.components.values() for name, rate in c.ports().items()
        }
        self._lanes: dict[str, Calendar] = {}
        self._resident = dict(outlook.planned)
        self.jobs: dict[int, Job] = {}
        self._late = False

    # --- placing ---

    def admit(self, job: Job) -> None:
        """A graph arrives: have it placed as far as the scheduler will, the rest op by op."""
        self._outlook.now = self._clock.now
        self.jobs[job.run] = job
        for i, wait in job.shape.releases:
            job.ready[i] = job.arrival + wait
        scheduler = self._scheduler
        self._late, job.rank = scheduler.late, scheduler.rank(job)
        try:
            decisions = scheduler.arrived(job, self._view)
        except Exception as error:  # whatever a policy does wrong
            raise failed(scheduler, error) from error
        for decision in listed(scheduler, decisions) if decisions else ():
            self.place(job, decision)
        if self._late:
            self._open(job, job.shape.sources)
        for i in range(0 if self._late else job.shape.size):  # producers are placed before their consumers
            if job.placed[i] is None:
                try:
                    answer = scheduler.placeable(job, i, self._view)
                except Exception as error:  # whatever a policy does wrong
                    raise failed(scheduler, error) from error
                self.place(job, answer)  # type: ignore[arg-type]  # which tells None to be nonsense
        if not job.left and not job.returns:
            self._complete(job)

    def _open(self, job: Job, ops: Iterable[int]) -> None:
        """Ops have all they read from: ask a late policy for them, and then what else it will place."""
        scheduler = self._scheduler
        for i in [i for i in ops if job.placed[i] is None]:
            for decision in listed(scheduler, self._alone(job, i)):
                self.place(job, decision)
        for other, decision in listed(scheduler, self._turn()):
            self.place(cast(Job, other), decision)

    def _turn(self) -> Iterator[tuple[Any, Decision]]:
        yield from self._scheduler.turn(self._view)

    def _alone(self, job: Job, op: int) -> Iterator[Decision]:
        decision = self._scheduler.placeable(job, op, self._view)
        if decision is not None:
            yield decision

    def place(self, job: Job, decision: Decision) -> None:
        """Apply a decision, and start moving what the op reads if that is there already."""
        if type(decision) is not Decision:
            raise nonsense(self._scheduler, self._outlook, job, decision)
        i, offer, start, end, ordered = decision
        placed, status, shape = job.placed, job.status, job.shape
        if type(i) is not int or not 0 <= i < shape.size or placed[i] is not None or type(offer) is not Recipe:
            raise nonsense(self._scheduler, self._outlook, job, decision)
        if offer.op is not job.graph.ops[i] or not offer.allowed or type(start) is not int or type(end) is not int:
            raise nonsense(self._scheduler, self._outlook, job, decision)
        recipe = self._outlook.accept(job, i, offer, end)
        if self._late:
            self._outlook.give(recipe.holds)
        if ordered:
            job.ordered[i], job.starts[i] = True, start
            for hold in recipe.places or self._queues.places(recipe):
                hold.expect(start, job, i)
        missing = 0
        for p, t in shape.inputs[i]:
            if p < 0:
                source, size = self._host, shape.tensors[t].nbytes
            elif status[p] == DONE:
                source, size = placed[p], job.recipes[p].plan.output_bytes[shape.position[t]]
            elif placed[p] is None:
                raise early(self._scheduler, job, i)
            else:
                fed = recipe.streams and placed[p] == recipe.component and job.recipes[p].streams
                missing += status[p] == WAITING or not fed
                continue
            if self._bounded:
                source = self.stores.source(job, t, source)
            if source != offer.component and not self._mover.send(job, t, source, offer.component, size, i):
                missing += 1
        now = self._outlook.now
        if job.ready[i] > now:  # a task is not released yet
            missing += 1
            self._clock.alarm(job.ready[i] - now, self._released, (job, i))
        job.missing[i] = missing
        if not missing:
            job.ready[i] = now
            self._queues.acquire(job, i, now)

    # --- feeding ---

    def _released(self, claim: Claim) -> None:
        job, i = claim
        self._arrived(job, i, self._clock.now)

    def _arrived(self, job: Job, reader: int, now: int) -> None:
        """A tensor has reached one of its readers."""
        if reader == HOST:
            job.returns -= 1
            if not job.left and not job.returns:
                self._complete(job)
            return
        missing = job.missing
        missing[reader] -= 1
        if not missing[reader]:
            job.ready[reader] = now
            self._queues.acquire(job, reader, now)

    # --- queueing ---

    def _granted(self, job: Job, i: int, now: int) -> None:
        """All holds are there. Plan again if what is stored changed meanwhile; wait for the first chunk."""
        recipe = job.recipes[i]
        if recipe.residency is not self._resident[recipe.component]:
            op, component = job.graph.ops[i], recipe.component
            fresh = self._outlook.recipe(op, component, self._resident[component])
            job.recipes[i] = fresh
            self._queues.places(fresh)
            if fresh.holds != recipe.holds:
                self._queues.exchange(job, i, recipe, fresh, now)
                return
            recipe = fresh
        fed = arrivals(job, i) if recipe.streams else None
        if fed is not None and fed[0] > now:
            self._clock.alarm(fed[0] - now, self._begin, (job, i, fed))
        elif self._bounded and recipe.component in self.stores.of:
            self.stores.enter(job, i, self._entered)
        else:
            self._start(job, i, fed, now)

    def _entered(self, payload: tuple[Job, int]) -> None:
        """All that the op works on is in its memory."""
        self._start(*payload, None, self._clock.now)

    # --- running ---

    def _begin(self, payload: tuple[Job, int, tuple[int, ...]]) -> None:
        job, i, fed = payload
        self._start(job, i, fed, self._clock.now)

    def _start(self, job: Job, i: int, fed: tuple[int, ...] | None, now: int) -> None:
        """The op starts: its numbers are computed now, so its end is known unless it shares a port."""
        recipe = job.recipes[i]
        if recipe.plan.after is not None:
            self._resident[recipe.component] = self._outlook.intern(recipe.plan.after)
        setup = recipe.setup
        if self._numbers is not None:
            setup = self._numbers.compute(job, i, now)
        elif recipe.plan.deployment is not None:
            self._meter.deployed.append(recipe.plan.deployment)
        if self.rests and recipe.component in self.rests:
            setup += self.rests[recipe.component].begin(now)
        job.status[i], job.starts[i] = STARTED, now
        if job.start < 0:
            job.start = now
        if recipe.ports:
            self._clock.alarm(setup, self._serve, (job, i))
            return
        end = now + setup + recipe.length
        if recipe.crossings:
            lanes = [self._lane(name) for name in recipe.crossings]
            job.progress[i] = progress = carried(recipe, now + setup, fed, now, lanes)
            end = progress[-1]
        elif fed is not None:
            job.progress[i] = progress = paced(recipe, now + setup, fed)
            end = progress[-1]
        job.ends[i] = end
        self._outlook.started(recipe, end)
        self._clock.alarm(end - now, self._ended, (job, i))
        if recipe.streams:
            for _, reader in job.shape.readers[i]:
                if reader != HOST and job.placed[reader] == recipe.component and job.recipes[reader].streams:
                    self._arrived(job, reader, now)

    def _lane(self, name: str) -> Calendar:
        """The calendar of a lane within a component."""
        if name not in self._lanes:
            self._lanes[name] = Calendar()
        return self._lanes[name]

    def _serve(self, claim: Claim) -> None:
        """Setup is over: be served by every port side by side, and by the op's own pipeline."""
        job, i = claim
        recipe = job.recipes[i]
        left = [len(recipe.ports) + (recipe.length > 0)]
        if recipe.length:
            self._clock.alarm(recipe.length, self._served, (job, i, left))
        for name, amount in recipe.ports:
            self._ports[name].join(amount, self._served, (job, i, left))

    def _served(self, payload: tuple[Job, int, list[int]]) -> None:
        job, i, left = payload
        left[0] -= 1
        if not left[0]:
            job.ends[i] = now = self._clock.now
            self._outlook.started(job.recipes[i], now)
            self._ended((job, i))

    def _ended(self, claim: Claim) -> None:
        """The op is done: account for it, push its outputs, and let go of its resources."""
        job, i = claim
        recipe, now = job.recipes[i], self._clock.now
        self._outlook.now = now
        self._meter.ended(job, i, now)
        job.status[i] = DONE
        if self._numbers is not None:
            self._numbers.read(job, i)
        self._push(job, i, now)
        if self.rests and recipe.component in self.rests:
            self.rests[recipe.component].end(now)
        if self._bounded:
            self.stores.leave(job, i)
        self._queues.release(recipe.places, now)
        if self._late:
            self._outlook.give(recipe.holds, -1)
            consumers, producers = job.graph.consumers[i], job.graph.producers
            self._open(job, [c for c in consumers if all(job.status[p] == DONE for p in producers[c])])
        job.left -= 1
        if not job.left and not job.returns:
            self._complete(job)

    def _push(self, job: Job, i: int, now: int) -> None:
        """Send every output to the readers that have a place and did not stream it."""
        recipe, shape = job.recipes[i], job.shape
        source = recipe.component
        for t, reader in shape.readers[i]:
            target = self._host if reader == HOST else job.placed[reader]
            if target != source:
                if target is None:
                    continue
                size = recipe.plan.output_bytes[shape.position[t]]
                if not self._mover.send(job, t, source, target, size, reader):
                    continue
            elif recipe.streams and reader != HOST and job.recipes[reader].streams:
                continue
            if reader == HOST:
                job.returns -= 1
            else:
                self._arrived(job, reader, now)

    def _complete(self, job: Job) -> None:
        del self.jobs[job.run]
        if self._bounded:
            self.stores.complete(job)
        self._finished(job)

    def running(self) -> list[tuple[int, int]]:
        """Component (its number) and start of every op that has not ended."""
        return [
            (job.recipes[i].index, job.starts[i])
            for job in self.jobs.values()
            for i, status in enumerate(job.status)
            if status == STARTED
        ]

    def stalled(self) -> str:
        """What each unfinished op waits for, a line each."""
        return stalled(self._scheduler, self.jobs.values())
