"""A run as a Chrome trace, which opens in Perfetto: a process a component or link, arrows, power counters.

Times are microseconds, as the format wants, with the full resolution of a picosecond behind the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetsim.spans import lanes

if TYPE_CHECKING:
    from hetsim.spans import Trace

Event = dict[str, Any]
Row = dict[str, int]

_MICROSECOND = 1e6  # ticks
_CROWD = 64


def chrome_trace(trace: Trace, limit: int = 20_000) -> dict[str, Any]:
    """Return the trace as a JSON object with at most ``limit`` spans, the earliest first.

    ``otherData`` says how many spans there were and, when capped, up to which time they are shown.
    """
    ops, hops, horizon = _earliest(trace, limit)
    events = [*_processes(trace)]
    op_lanes, hop_lanes = _lanes(trace, ops, hops)
    offset = len(trace.components)
    events += (_op(trace, i, lane) for i, lane in zip(ops, op_lanes, strict=True))
    events += (_transfer(trace, i, lane, offset) for i, lane in zip(hops, hop_lanes, strict=True))
    events += _calls(trace, horizon, offset + len(trace.links))
    events += _flows(trace, ops, op_lanes)
    events += _counters(trace, ops, hops, horizon)
    total = len(trace.spans) + len(trace.transfers)
    other: dict[str, Any] = {"spans": total, "shown": len(ops) + len(hops)}
    if total > other["shown"]:
        other["capped"] = f"the first {other['shown']} of {total} spans, up to {horizon / _MICROSECOND} us"
    return {"displayTimeUnit": "ns", "otherData": other, "traceEvents": _numbered(events)}


def _earliest(trace: Trace, limit: int) -> tuple[list[int], list[int], int]:
    """Rows of the op runs and transfers that start first, in order, and when the last of them ends."""
    starts = [(t, 0, i) for i, t in enumerate(trace.spans["start"])]
    starts += [(t, 1, i) for i, t in enumerate(trace.transfers["start"])]
    shown = sorted(starts)[: max(limit, 0)]
    ops, hops = [i for _, kind, i in shown if kind == 0], [i for _, kind, i in shown if kind == 1]
    ends = [trace.spans["end"][i] for i in ops] + [trace.transfers["end"][i] for i in hops]
    return ops, hops, trace.end if len(shown) == len(starts) else max(ends, default=0)


def _processes(trace: Trace) -> Iterator[Event]:
    for pid, name in enumerate([*trace.components, *(f"link {name}" for name in trace.links), "requests"]):
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}


def _numbered(events: list[Event]) -> list[Event]:
    """The events with process ids from 1 and thread ids that no other process or thread has; threads named.

    To Perfetto, number 0 is the kernel's idle thread.
    """
    threads = sorted({(event["pid"], event["tid"]) for event in events if "tid" in event})
    first = 2 + max(event["pid"] for event in events)
    ids = {thread: number for number, thread in enumerate(threads, first)}
    for event in events:
        if "tid" in event:
            event["tid"] = ids[event["pid"], event["tid"]]
        event["pid"] += 1
    names = [
        {"ph": "M", "name": "thread_name", "pid": pid + 1, "tid": number, "args": {"name": f"lane {lane + 1}"}}
        for (pid, lane), number in ids.items()
    ]
    return names + events


def _lanes(trace: Trace, ops: Sequence[int], hops: Sequence[int]) -> tuple[list[int], list[int]]:
    """A thread for each shown span, so that no two of a process overlap on one."""
    dealt: list[list[int]] = []
    for columns, key, rows in ((trace.spans, "component", ops), (trace.transfers, "link", hops)):
        place, start, end = columns[key], columns["start"], columns["end"]
        lane = dict.fromkeys(rows, 0)
        for index in sorted({place[i] for i in rows}):
            mine = [i for i in rows if place[i] == index]
            lane.update(zip(mine, lanes([start[i] for i in mine], [end[i] for i in mine]), strict=True))
        dealt.append([lane[i] for i in rows])
    return dealt[0], dealt[1]


def _complete(name: str, pid: int, lane: int, start: int, end: int, args: Mapping[str, Any]) -> Event:
    return {
        "ph": "X",
        "name": name,
        "pid": pid,
        "tid": lane,
        "ts": start / _MICROSECOND,
        "dur": (end - start) / _MICROSECOND,
        "args": dict(args),
    }


def _op(trace: Trace, i: int, lane: int) -> Event:
    row = {name: trace.spans[name][i] for name in trace.spans.names}
    graph = trace.graphs[row["graph"]]
    args = {
        "request": row["request"],
        "call": row["call"],
        "graph": graph.name,
        "waited_us": (row["start"] - row["ready"]) / _MICROSECOND,
        "energy_J": row["joules"],
    }
    return _complete(graph.ops[row["op"]], row["component"], lane, row["start"], row["end"], args)


def _transfer(trace: Trace, i: int, lane: int, offset: int) -> Event:
    row = {name: trace.transfers[name][i] for name in trace.transfers.names}
    args = {
        "request": row["request"],
        "from": trace.components[row["source"]],
        "to": trace.components[row["target"]],
        "bytes": row["size"],
        "waited_us": (row["start"] - row["asked"]) / _MICROSECOND,
        "energy_J": row["joules"],
    }
    return _complete(trace.tensors[row["tensor"]], offset + row["link"], lane, row["start"], row["end"], args)


def _calls(trace: Trace, horizon: int, pid: int) -> Iterator[Event]:
    """The graph runs that start before the horizon: what a request, or an iteration of it, took in all.

    At most so many as `_CROWD` at a time.
    """
    calls = trace.calls
    rows = [i for i, start in enumerate(calls["start"]) if start < horizon]
    start, end = ([calls[name][i] for i in rows] for name in ("start", "end"))
    for i, lane in zip(rows, lanes(start, end), strict=True):
        if lane >= _CROWD:
            continue
        args = {name: calls[name][i] for name in ("request", "call")} | {"energy_J": calls["joules"][i]}
        name = trace.graphs[calls["graph"][i]].name
        yield _complete(name, pid, lane, calls["start"][i], calls["end"][i], args)


def _flows(trace: Trace, ops: Sequence[int], op_lanes: Sequence[int]) -> Iterator[Event]:
    """An arrow for each dependence between two shown op runs of one graph run."""
    spans = trace.spans
    at = {(spans["run"][i], spans["op"][i]): (i, lane) for i, lane in zip(ops, op_lanes, strict=True)}
    number = 0
    for run, graph in dict.fromkeys((spans["run"][i], spans["graph"][i]) for i in ops):
        for producer, consumer in trace.graphs[graph].edges:
            source, target = at.get((run, producer)), at.get((run, consumer))
            if source is None or target is None:
                continue
            (i, source_lane), (k, target_lane) = source, target
            # an arrow binds to the span that encloses its tail: its end, or earlier when streaming
            tail = max(spans["start"][i], min(spans["end"][i] - 1000, spans["start"][k]))
            common = {"name": "data", "cat": "data", "id": number}
            yield common | _end("s", spans["component"][i], source_lane, tail)
            yield common | _end("f", spans["component"][k], target_lane, spans["start"][k]) | {"bp": "e"}
            number += 1


def _end(phase: str, pid: int, lane: int, ticks: int) -> Event:
    return {"ph": phase, "pid": pid, "tid": lane, "ts": ticks / _MICROSECOND}


def _counters(trace: Trace, ops: Sequence[int], hops: Sequence[int], horizon: int) -> Iterator[Event]:
    """The power of each component and link whenever it changes, static power included."""
    offset = len(trace.components)
    for columns, key, rows, names, first in (
        (trace.spans, "component", ops, trace.components, 0),
        (trace.transfers, "link", hops, trace.links, offset),
    ):
        for index, name in enumerate(names):
            mine = [i for i in rows if columns[key][i] == index]
            yield from _power(columns, mine, first + index, trace.static_power(name), horizon)


def _power(columns: Any, rows: Sequence[int], pid: int, static: float, horizon: int) -> Iterator[Event]:
    changes: dict[int, list[float]] = {0: [], horizon: []}
    for i in rows:
        start, end, joules = columns["start"][i], columns["end"][i], columns["joules"][i]
        if end > start and joules:
            watts = joules / ((end - start) / 1e12)
            changes.setdefault(start, []).append(watts)
            changes.setdefault(end, []).append(-watts)
    if static == 0 and len(changes) == 2:
        return
    power, active = 0.0, 0
    for ticks in sorted(changes):
        active += sum(1 if w > 0 else -1 for w in changes[ticks])
        # nothing active is no power: rounding of a long running sum must not show
        power = power + sum(changes[ticks]) if active else 0.0
        watts = power + static if ticks < horizon else 0.0
        yield {"ph": "C", "name": "power", "pid": pid, "ts": ticks / _MICROSECOND, "args": {"W": watts}}
