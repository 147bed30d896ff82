"""A trace as tables with readable names, seconds, bytes and joules: for data frames and for Parquet files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError
from hetsim.spans import TICKS_PER_SECOND, Columns, GraphShape, Trace

if TYPE_CHECKING:
    import pandas
    import pyarrow

TABLES = ("spans", "transfers", "requests", "calls")

_TIMES = ("ready", "asked", "arrival", "start", "end")
_RENAMED = {**{name: f"{name}_s" for name in _TIMES}, "joules": "energy_J", "size": "bytes"}
_ORIGINAL = {new: old for old, new in _RENAMED.items()}


def _words(trace: Trace, table: str) -> Mapping[str, Sequence[str]]:
    """The names that a table's integer columns index."""
    return {
        "spans": {"component": trace.components, "graph": [g.name for g in trace.graphs]},
        "transfers": {
            "tensor": trace.tensors,
            "link": trace.links,
            "source": trace.components,
            "target": trace.components,
        },
        "requests": {},
        "calls": {"graph": [g.name for g in trace.graphs]},
    }[table]


def arrow(trace: Trace, table: str = "spans") -> pyarrow.Table:
    """Return one of the four tables (`TABLES`) as an Arrow table; names are dictionary-encoded."""
    import pyarrow as pa

    columns, words = getattr(trace, table), _words(trace, table)
    made: dict[str, Any] = {}
    for name in columns.names:
        numbers = columns.numpy(name)
        if name == "op":
            made[name] = _encoded(*op_codes(trace))
        elif name in words:
            made[name] = _encoded(numbers, words[name])
        elif name in _TIMES:
            made[_RENAMED[name]] = pa.array(numbers / TICKS_PER_SECOND)
        else:
            made[_RENAMED.get(name, name)] = pa.array(numbers)
    if trace.tenants:
        made["tenant"] = _encoded(columns.numpy("request") % len(trace.tenants), trace.tenants)
    return pa.table(made)


def op_codes(trace: Trace) -> tuple[Any, list[str]]:
    """For each op run the position of its name in a list of all ops' names, each once, and that list."""
    import numpy as np

    names = list(dict.fromkeys(op for graph in trace.graphs for op in graph.ops))
    index = {name: i for i, name in enumerate(names)}
    codes = np.array([index[op] for graph in trace.graphs for op in graph.ops], dtype=np.int64)
    first = np.cumsum([0] + [len(graph.ops) for graph in trace.graphs])
    at = first[trace.spans.numpy("graph")] + trace.spans.numpy("op")
    return (codes[at] if len(at) else at), names


def _encoded(codes: Any, names: Sequence[str]) -> Any:
    """A dictionary-encoded column; a name that occurs twice in the list becomes one."""
    import numpy as np
    import pyarrow as pa

    unique = list(dict.fromkeys(names))
    if len(unique) < len(names):
        index = {name: i for i, name in enumerate(unique)}
        codes = np.array([index[name] for name in names])[codes]
    return pa.DictionaryArray.from_arrays(pa.array(codes, type=pa.int32()), pa.array(unique, type=pa.string()))


def frame(trace: Trace, table: str = "spans") -> pandas.DataFrame:
    """Return one of the four tables as a pandas DataFrame; InputError when pandas is not installed."""
    if table not in TABLES:
        raise InputError.of(f"{table!r} is not a table of a result", f"choose one of {', '.join(TABLES)}")
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise InputError.of("data frames need pandas", 'pip install "hetsim[frames]"') from None
    return arrow(trace, table).to_pandas()


def save(trace: Trace, folder: Path) -> None:
    """Write the four tables as Parquet files; ``spans.parquet`` carries in its metadata what `load` needs."""
    import pyarrow.parquet as pq

    for table in TABLES:
        made = arrow(trace, table)
        if table == "spans":
            made = made.replace_schema_metadata({"hetsim": json.dumps(_rest(trace))})
        pq.write_table(made, folder / f"{table}.parquet")


def _rest(trace: Trace) -> dict[str, Any]:
    """What the tables leave out: indices are restored by these lists."""
    return {
        "components": trace.components,
        "links": trace.links,
        "graphs": [[g.name, g.ops, g.edges] for g in trace.graphs],
        "tensors": trace.tensors,
        "energy": [[place, category, joules] for (place, category), joules in trace.energy.items()],
        "tenants": trace.tenants,
        "end": trace.end,
    }


def load(folder: Path) -> Trace:
    """Read back a trace that `save` wrote; InputError when a file is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        tables = {table: pq.read_table(folder / f"{table}.parquet") for table in TABLES}
        rest = json.loads((tables["spans"].schema.metadata or {})[b"hetsim"])
        graphs = [
            GraphShape(name, tuple(ops), tuple((int(p), int(c)) for p, c in edges))
            for name, ops, edges in rest["graphs"]
        ]
        energy = {(place, category): joules for place, category, joules in rest["energy"]}
        trace = Trace(
            rest["components"], rest["links"], graphs, rest["tensors"],
            energy=energy, tenants=rest.get("tenants", []), end=rest["end"],
        )  # fmt: skip
        for table in TABLES:
            _fill(trace, table, tables[table])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise InputError.of(f"{folder!s}: the tables cannot be read: {error}") from None
    return trace


def _fill(trace: Trace, table: str, stored: pyarrow.Table) -> None:
    """Copy a stored table's columns into the trace: names back to positions, seconds to ticks."""
    import numpy as np

    columns: Columns = getattr(trace, table)
    words = _words(trace, table)
    graph = stored["graph"].to_pylist() if table == "spans" else []
    positions = {g.name: {op: i for i, op in enumerate(g.ops)} for g in trace.graphs}
    for name in (name for name in stored.column_names if name != "tenant"):
        original, column = _ORIGINAL.get(name, name), stored[name]
        if name == "op":
            numbers: Any = [positions[g][op] for g, op in zip(graph, column.to_pylist(), strict=True)]
        elif name in words:
            index = {word: i for i, word in reversed(list(enumerate(words[name])))}
            numbers = [index[word] for word in column.to_pylist()]
        elif original in _TIMES:
            numbers = np.rint(column.to_numpy() * TICKS_PER_SECOND).astype(np.int64).tolist()
        else:
            numbers = column.to_pylist()
        columns[original].extend(numbers)
