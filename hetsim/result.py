"""The answer of a run: what happened (`Trace`), the figures (`Result.document`), and both on disk."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim import files
from hetsim.errors import InputError
from hetsim.figures import engineering, plain, rate
from hetsim.spans import Columns, GraphShape, Trace

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SCHEMA", "TRACE_LIMIT", "Columns", "GraphShape", "Result", "Trace"]

SCHEMA = "hetsim.result/1"
TRACE_LIMIT = 20_000


@dataclass(frozen=True)
class Result:
    """The answer of one simulation: ``document`` is what ``result.json`` holds, ``trace`` what happened."""

    document: dict[str, Any]
    trace: Trace

    def to_dict(self) -> dict[str, Any]:
        """The object that ``result.json`` holds, in plain JSON types."""
        return self.document

    def frame(self, table: str = "spans") -> pandas.DataFrame:
        """Op runs (or ``transfers``, ``requests``, ``calls``) as a data frame with names, seconds, joules."""
        from hetsim import tables

        return tables.frame(self.trace, table)

    def plot(self, kind: str = "timeline", **options: Any) -> Figure:
        """Draw ``timeline``, ``power``, ``energy`` or ``throughput``: a figure with ``.savefig``.

        ``pareto`` is there when the scheduler has weighed alternatives.
        ``timeline`` takes ``window=(from, to)`` in seconds. InputError for a kind that does not exist.
        """
        from hetsim import plots

        if kind == "pareto" and "alternatives" in self.document:
            return plots.pareto(self.document["alternatives"])
        if kind not in plots.KINDS:
            raise InputError.of(f"there is no plot {kind!r}", f"choose one of {', '.join(plots.KINDS)}")
        return plots.KINDS[kind](self.trace, **options)

    def save(self, folder: str | Path, *, trace_limit: int = TRACE_LIMIT, plots: bool = True) -> list[str]:
        """Write ``result.json``, ``trace.json``, the tables and the plots; return the names of the files.

        The folder appears whole or not at all. An older output folder is replaced; InputError for a folder
        that holds anything else. ``trace_limit`` bounds the spans in ``trace.json``.
        """
        from hetsim import perfetto, tables

        with files.whole(folder) as path:
            (path / "result.json").write_text(files.dump(self.document), encoding="utf-8")
            events = perfetto.chrome_trace(self.trace, trace_limit)
            (path / "trace.json").write_text(files.dump_events(events), encoding="utf-8")
            tables.save(self.trace, path)
            if plots:
                self._draw(path)
            return sorted(entry.name for entry in path.iterdir())

    def redraw(self, folder: str | Path) -> list[str]:
        """Draw all plots again into a folder that holds this result; return the names of the files."""
        return self._draw(Path(folder))

    def _draw(self, folder: Path) -> list[str]:
        from hetsim import plots

        kinds = [*plots.KINDS, *(["pareto"] if "alternatives" in self.document else [])]
        for kind in kinds:
            files.replace(folder / f"{kind}.png", functools.partial(plots.write, self.plot(kind)))
        return [f"{kind}.png" for kind in kinds]

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """Read a result back from the folder that `save` wrote; InputError when it is not one."""
        from hetsim import tables

        document = files.read_document(folder, "result.json")
        return cls(document, tables.load(Path(folder)))

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><th {left}>{html.escape(name)}</th><td {left}>{html.escape(text)}</td></tr>"
            for name, text in headline(self.document)
        )
        title = html.escape(str(self.document.get("scenario") or "result"))
        return f"<table><caption>hetsim: {title}</caption>{rows}</table>"


def headline(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The first figures of a result as (name, text): time, energy, what the workload scores, deployment."""
    latency, energy, deployment = (
        document["latency_s"],
        document["energy_J"],
        document.get("deployment") or {},
    )
    lines = [
        ("requests", plain(document["requests"])),
        ("makespan", engineering(document["makespan_s"], "s")),
        ("throughput", rate(document["throughput_per_s"])),
    ]
    if latency:
        named = (f"{name} {engineering(latency[name], 's')}" for name in ("mean", "p50", "p95", "p99", "max"))
        lines.append(("latency", "  ".join(named)))
    static, dynamic = energy["static"], energy["total"] - energy["static"]
    parts = f" (static {engineering(static, 'J')}, dynamic {engineering(dynamic, 'J')})" if static else ""
    lines.append(("energy", engineering(energy["total"], "J") + parts))
    lines += _metrics(document)
    if any(deployment.values()):
        took = (engineering(deployment["time_s"], "s"), engineering(deployment["energy_J"], "J"))
        pulses = f", {plain(deployment['pulses'], 3)} pulses" if deployment.get("pulses") else ""
        lines.append(("deployment", f"{took[0]}, {took[1]}{pulses}, before t = 0"))
    return lines


def _metrics(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each score of the workload, and in a line a component what it counted (``imc.adc_clipped``)."""
    repeats = document.get("repeats") or {}
    counted: dict[str, list[str]] = {}
    for name, value in document["metrics"].items():
        component, dot, what = name.partition(".")
        text = plain(value)
        if name in repeats.get("metrics", {}):
            low, high = repeats["metrics"][name]["ci95"]
            text += f" (95 %: {plain(low)} to {plain(high)}, {len(repeats['seeds'])} chips)"
        if dot:
            counted.setdefault(component, []).append(f"{what.replace('_', ' ')} {text}")
        else:
            yield name.replace("_", " "), text
    for component, texts in counted.items():
        yield component, "  ".join(texts)
