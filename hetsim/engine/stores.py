"""Memories that may get full: what lies in them, what is moved out to make room, and who waits for room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hetsim.engine.job import Job
from hetsim.engine.mover import Mover
from hetsim.errors import RunError
from hetsim.hardware.component import Component, Room
from hetsim.system import System
from hetsim.workload import Graph, Op, Tensor

Key = tuple[Any, ...]  # of a tensor its job's run and number, of weights their name and version


@dataclass(slots=True, eq=False)
class Want:
    """Bytes that have to be in a memory: weights, or a tensor of a job, which may be new there."""

    key: Key
    name: str
    size: int
    weights: bool = False


@dataclass(slots=True, eq=False)
class Item:
    """What lies in a memory. It stays while it has ``pins``; ``copied`` is whether it lies at the spill target too."""

    want: Want
    job: Job
    pins: int = 0
    copied: bool = False
    dead: bool = False
    coming: list[Request] | None = None  # who waits for it to come back


@dataclass(slots=True, eq=False)
class Request:
    """An op that wants its data in the memory until it ends, or a tensor that has come."""

    job: Job
    via: str
    wants: Sequence[Want]
    pins: bool
    ready: Callable[[Any], None]
    payload: Any
    missing: int = 0
    keys: list[Key] = field(default_factory=list)


class Store:
    """One memory. Requests are met in order; the least recently used that nobody needs now make room.

    A tensor that makes room is moved to the spill target over the route there, and back when it is wanted; weights are
    never changed and lie there anyway, so that they are only fetched. Weights are taken to lie in the memory from the
    start until it is full for the first time. Bytes on their way out still take room, those on their way in do
    already. Without a spill target a full memory ends the run.
    """

    def __init__(self, room: Room, mover: Mover) -> None:
        self.room, self._mover = room, mover
        self.used, self.peak, self.spilled, self.fetched = 0, 0, 0, 0
        self._items: dict[Key, Item] = {}  # least recently used first
        self._away: dict[Key, Want] = {}
        self._queue: deque[Request] = deque()
        self._leaving, self._full = 0, False

    def ask(self, request: Request) -> None:
        """Have all that is wanted in the memory; ``ready(payload)`` is called when it is, at once if it is now."""
        self._queue.append(request)
        self.advance()

    def unpin(self, wants: Iterable[Want]) -> None:
        """An op is done with its data."""
        for want in wants:
            self._items[want.key].pins -= 1

    def drop(self, key: Key) -> None:
        """Nobody needs a tensor any more."""
        self._away.pop(key, None)
        item = self._items.get(key)
        if item is None:
            return
        if item.pins:  # it is on its way out
            item.dead = True
            return
        self._remove(key)

    def away(self, key: Key) -> bool:
        """Whether a tensor lies at the spill target alone."""
        return key in self._away and key not in self._items

    def advance(self) -> None:
        """Meet requests, first come, first served, as far as there is room or can be made."""
        while self._queue and not self._leaving:
            request = self._queue[0]
            short = self.used + sum([w.size for w in request.wants if w.key not in self._items]) - self.room.size
            if short > 0 and not self._make_room(request, short):
                return
            if self._leaving:
                return
            self._queue.popleft()
            self._admit(request)

    def _make_room(self, request: Request, short: float) -> bool:
        """Move out what has not been used for longest; False where what is needed now leaves too little."""
        self._full = True
        wanted = {want.key for want in request.wants}
        victims = []
        for key, item in self._items.items():
            if short > 0 and not item.pins and key not in wanted:
                victims.append(item)
                short -= item.want.size
        spill = self.room.spill
        if spill is None or (short > 0 and not any(item.pins for item in self._items.values())):
            raise self._overflow(request)
        if short > 0:
            return False
        for item in victims:
            self._evict(item, request.via, spill)
        return True

    def _evict(self, item: Item, via: str, spill: str) -> None:
        want = item.want
        if item.copied or want.weights:
            if not want.weights:
                self._away[want.key] = want
            self._remove(want.key)
            return
        item.pins += 1
        self._leaving += 1
        self.spilled += want.size
        self._mover.carry(item.job, want.name, via, spill, want.size, self._left, item)

    def _left(self, item: Item) -> None:
        """A tensor has reached the spill target."""
        item.pins -= 1
        self._remove(item.want.key)
        if not item.dead:
            self._away[item.want.key] = item.want
        self._leaving -= 1
        self.advance()

    def _admit(self, request: Request) -> None:
        for want in request.wants:
            item = self._items.pop(want.key, None)
            if item is None:
                item = self._enter(want, request)
            self._items[want.key] = item  # the most recently used
            item.pins += request.pins
            if item.coming is not None:
                item.coming.append(request)
                request.missing += 1
        if not request.missing:
            request.ready(request.payload)

    def _enter(self, want: Want, request: Request) -> Item:
        """Give bytes their room; fetch them where they lie at the spill target."""
        item = Item(want, request.job)
        self.used += want.size
        self.peak = max(self.peak, self.used)
        spill = self.room.spill
        if spill is not None and (want.key in self._away or (want.weights and self._full)):
            item.coming, item.copied = [], True
            self.fetched += want.size
            self._mover.carry(request.job, want.name, spill, request.via, want.size, self._came, item)
        return item

    def _came(self, item: Item) -> None:
        waiting, item.coming = item.coming or [], None
        for request in waiting:
            request.missing -= 1
            if not request.missing:
                request.ready(request.payload)

    def _remove(self, key: Key) -> None:
        self.used -= self._items.pop(key).want.size

    def _overflow(self, request: Request) -> RunError:
        needed = sum(want.size for want in request.wants)
        return RunError(
            f"the memory {self.room.name!r} of {self.room.size:.0f} B is full: {self.used} B lie in it, and"
            f" {request.via!r} needs {needed} B for {', '.join(repr(w.name) for w in request.wants)};"
            " let it spill (when_full: spill, spill: another component), or keep fewer requests in flight"
        )


class Stores:
    """The memories of a system that may get full in a run, by the components that work on them."""

    def __init__(self, system: System, graphs: Iterable[Graph], flights: int, mover: Mover) -> None:
        self._components = system.components
        self._left: dict[Key, int] = {}
        self._wants: dict[tuple[int, int], tuple[Want, ...]] = {}
        made: dict[str, Store] = {}
        graphs = tuple(graphs)
        rooms = {name: room for name, c in system.components.items() if (room := c.room()) is not None}
        for name, room in rooms.items():
            if most(system.components[name], graphs, flights) > room.size:
                made.setdefault(room.name, Store(room, mover))
        self.of = {name: made[room.name] for name, room in rooms.items() if room.name in made}
        self._stores = tuple(made.values())

    def enter(self, job: Job, i: int, ready: Callable[[Any], None]) -> None:
        """Have an op's inputs, weights and outputs in its memory; then ``ready((job, i))``."""
        via, op, recipe = job.recipes[i].component, job.graph.ops[i], job.recipes[i]
        part, shape, wants = self._components[via], job.shape, dict[Key, Want]()
        for tensor in op.constants:
            wants[tensor.name, tensor.version] = weights(part, tensor)
        for p, t in shape.inputs[i]:
            size = part.footprint(shape.tensors[t]) if p < 0 else job.recipes[p].plan.output_bytes[shape.position[t]]
            wants[job.run, t] = Want((job.run, t), shape.tensors[t].name, size)
        for k, size in enumerate(recipe.plan.output_bytes):
            t = shape.ids[i, k]
            wants[job.run, t] = Want((job.run, t), shape.tensors[t].name, size)
        self._wants[job.run, i] = tuple(wants.values())
        self.of[via].ask(Request(job, via, tuple(wants.values()), True, ready, (job, i)))

    def land(self, job: Job, t: int, target: str, size: int, ready: Callable[[Any], None], payload: Any) -> None:
        """Give a tensor that has come its room; then ``ready(payload)``."""
        want = Want((job.run, t), job.shape.tensors[t].name, size)
        self.of[target].ask(Request(job, target, (want,), False, ready, payload))

    def source(self, job: Job, t: int, component: str | None) -> str | None:
        """Where a tensor that was made at a component lies now."""
        store = self.of.get(component or "")
        return store.room.spill if store is not None and store.away((job.run, t)) else component

    def leave(self, job: Job, i: int) -> None:
        """An op is done: its data may make room, and those that nobody reads any more are dropped."""
        store = self.of.get(job.recipes[i].component)
        if store is not None:
            store.unpin(self._wants.pop((job.run, i)))
        made = [(job.run, job.shape.ids[i, k]) for k in range(len(job.graph.ops[i].outputs))]
        for key in made:
            self._left.setdefault(key, job.shape.users[key[1]])
        for _, t in job.shape.inputs[i]:
            key = (job.run, t)
            self._left[key] = self._left.get(key, job.shape.users[t]) - 1
            made.append(key)
        self._forget([key for key in made if not self._left[key]])

    def complete(self, job: Job) -> None:
        """A graph is done, its outputs are back."""
        self._forget([(job.run, t) for t in range(len(job.shape.tensors))])

    def _forget(self, keys: Iterable[Key]) -> None:
        for store in self._stores:
            for key in keys:
                store.drop(key)
        for key in keys:
            self._left.pop(key, None)
        for store in self._stores:
            store.advance()

    def report(self) -> dict[str, float]:
        """What came of it, by memory: the most bytes that lay in it, and those moved out and back."""
        return {
            f"{store.room.name}.{name}": float(value)
            for store in self._stores
            for name, value in (("peak_B", store.peak), ("spilled_B", store.spilled), ("fetched_B", store.fetched))
        }


def weights(part: Component[Any], tensor: Tensor) -> Want:
    """A constant as it lies in a part's memory."""
    return Want((tensor.name, tensor.version), tensor.name, part.footprint(tensor), True)


def most(part: Component[Any], graphs: Sequence[Graph], flights: int) -> int:
    """Bytes that can lie in a part's memory at most: all weights once, and all tensors of so many graphs."""
    ops: list[Op] = [op for graph in graphs for op in graph.ops]
    constants = {(t.name, t.version): t for op in ops for t in op.constants}
    tensors = [sum([part.footprint(t) for op in g.ops for t in (*op.moving, *op.outputs)]) for g in graphs]
    return sum([part.footprint(t) for t in constants.values()]) + flights * max(tensors, default=0)
