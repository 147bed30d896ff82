"""Batching: graphs of several requests that wait for each other and run as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hetsim.engine.clock import Clock
from hetsim.workload import Call, Graph, Workload

if TYPE_CHECKING:
    from hetsim.workload import Array


class Member(NamedTuple):
    """A request's call, and how many it made before."""

    request: int
    call: Call
    number: int


class Batches:
    """Collects calls until there are ``size``, or until the first has waited for ``wait`` ticks; then they are due.

    Calls that the workload cannot join are due at once, each alone.
    """

    def __init__(
        self, clock: Clock, workload: Workload, size: int, wait: int, due: Callable[[Sequence[Member]], None]
    ) -> None:
        self._clock, self._workload, self._size, self._wait, self._due = clock, workload, size, wait, due
        self._members: list[Member] = []
        self._alarm = 0

    def add(self, member: Member) -> None:
        """A request asks for a graph."""
        if self._workload.joined([member.call.graph] * 2) is None:
            self._due([member])
            return
        self._members.append(member)
        if len(self._members) == self._size:
            self._flush()
        elif len(self._members) == 1:
            self._alarm += 1
            self._clock.alarm(self._wait, self._rung, self._alarm)

    def _rung(self, alarm: int) -> None:
        if alarm == self._alarm and self._members:
            self._flush()

    def _flush(self) -> None:
        members, self._members = self._members, []
        self._alarm += 1
        self._due(members)


def joined(workload: Workload, members: Sequence[Member]) -> Call:
    """One call that does the work of all: their inputs one behind the other."""
    if len(members) == 1:
        return members[0].call
    graph = workload.joined([member.call.graph for member in members])
    assert graph is not None, "only calls that can be joined are collected"
    if not members[0].call.feeds:
        return Call(graph, {})
    import numpy as np

    names = [tensor.name for tensor in graph.inputs]
    return Call(graph, {name: np.concatenate([m.call.feeds[name] for m in members]) for name in names})


def parted(
    outputs: Mapping[str, Array] | None, graphs: Sequence[Graph]
) -> Sequence[Mapping[str, Array] | None]:
    """Each one's share of what graphs that ran as one have made."""
    if outputs is None or len(graphs) == 1:
        return [outputs] * len(graphs)
    shares, first = [], dict.fromkeys(outputs, 0)
    for graph in graphs:
        sizes = {tensor.name: tensor.shape[0] for tensor in graph.outputs}
        shares.append({name: y[first[name] : first[name] + sizes[name]] for name, y in outputs.items()})
        first = {name: at + sizes[name] for name, at in first.items()}
    return shares
