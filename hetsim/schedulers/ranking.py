"""Ranks: how urgent each op of a graph is, from mean durations and mean times to move data."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from hetsim.schedulers.scheduler import Job, View
from hetsim.workload import Graph


def mean_durations(job: Job, view: View) -> list[float]:
    """The mean duration of each op over the components that may run it, in ticks."""
    durations = [view.durations(job, i) for i in range(len(job.graph.ops))]
    return [sum(each) / len(each) for each in durations]


def upward(job: Job, view: View) -> list[float]:
    """Length of the longest way from the start of each op to the end of the graph [Topcuoglu 2002, eq. 6].

    An op's mean duration plus the largest, over its consumers, of the mean time to move the data between two
    different components and the consumer's rank.
    """
    ranks, consumers = mean_durations(job, view), job.graph.consumers
    for i in reversed(range(len(ranks))):
        ranks[i] += max([view.mean_move(job, i, j) + ranks[j] for j in consumers[i]], default=0.0)
    return ranks


def downward(job: Job, view: View) -> list[float]:
    """Length of the longest way from the start of the graph to the start of each op [Topcuoglu 2002, eq. 8]."""
    durations, producers = mean_durations(job, view), job.graph.producers
    ranks = [0.0] * len(durations)
    for i, before in enumerate(producers):
        ways = [ranks[p] + durations[p] + view.mean_move(job, p, i) for p in before]
        ranks[i] = max(ways, default=0.0)
    return ranks


def levels(graph: Graph, durations: Sequence[float]) -> list[float]:
    """Static level of each op: the longest sum of durations from its start to the end of the graph."""
    found = list(durations)
    for i in reversed(range(len(found))):
        found[i] += max([found[j] for j in graph.consumers[i]], default=0.0)
    return found


def critical_path(graph: Graph, lengths: Sequence[float]) -> list[int]:
    """From the entry op on the longest path through the graph, always the consumer on the longest path."""
    entries = [i for i, producers in enumerate(graph.producers) if not producers]
    path = [max(entries, key=lambda i: lengths[i])]
    while graph.consumers[path[-1]]:
        path.append(max(graph.consumers[path[-1]], key=lambda i: lengths[i]))
    return path


def by_priority(graph: Graph, priorities: Sequence[float]) -> tuple[int, ...]:
    """The ops, each after its producers, of those that may come next the one of the highest priority.

    Equals come in the graph's order.
    """
    missing = [len(producers) for producers in graph.producers]
    ready = [(-priorities[i], i) for i, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for j in graph.consumers[i]:
            missing[j] -= 1
            if not missing[j]:
                heapq.heappush(ready, (-priorities[j], j))
    return tuple(order)
