"""Studies: every point of a scenario's ``sweep``, on all cores, as one table and its plots."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetsim import files
from hetsim.errors import HetsimError, InputError, tell

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from hetsim.scenario import Scenario

SCHEMA = "hetsim.study/1"
_FIGURES = ("makespan_s", "requests", "throughput_per_s", "latency_s", "energy_J", "metrics", "repeats", "tenants")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Progress = Callable[[int, int], None]


def study(scenario: Scenario, workers: int = 1, progress: Progress | None = None) -> StudyResult:
    """Simulate every point of the scenario's sweep; the same answer for any number of worker processes.

    A point that fails is kept with its error. ``progress(done, total)`` is called after each point. With more
    than one worker a script must guard its own start with ``if __name__ == "__main__"``.
    Raises InputError for a scenario without a sweep.
    """
    if not scenario.sweep:
        hint = "add sweep: {PATH: [value, …]}, or use hetsim run"
        raise InputError.of("the scenario has no sweep", hint).at(scenario.name, None, "sweep")
    points = scenario.points()
    questions = [question for _, question in points]
    answers = _here(questions) if workers <= 1 else _spread(questions, min(workers, len(questions)))
    rows: list[dict[str, Any]] = []
    for (values, _), answer in zip(points, answers, strict=True):
        rows.append({"point": dict(values), **answer})
        if progress is not None:
            progress(len(rows), len(points))
    trees = [question.resolved() for question in questions]
    axes = {path: _places(trees, path) for path in scenario.sweep}
    return StudyResult(
        {
            "schema": SCHEMA,
            "scenario": scenario.name,
            "seed": scenario.seed,
            "axes": {path: {"unit": unit, "places": places} for path, (unit, places) in axes.items()},
            "points": rows,
        }
    )


def _here(questions: Sequence[Scenario]) -> Iterator[dict[str, Any]]:
    return map(_answer, questions)


def _spread(questions: Sequence[Scenario], workers: int) -> Iterator[dict[str, Any]]:
    """Answer in spawned processes, in order of the questions; a process that dies takes its point with it."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    others = set(multiprocessing.active_children())
    # a forked process hangs in Numba after a parallel call in this one
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_single_threaded)
    try:
        with _deaf_children():
            waiting = [pool.submit(_answer, question) for question in questions]
        for future in waiting:
            try:
                yield future.result()
            except BrokenProcessPool:
                yield {"error": "the worker process died (out of memory?)"}
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started within never see an interrupt from the keyboard: this one answers it for all."""
    from multiprocessing import resource_tracker

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _single_threaded() -> None:
    """Keep each worker to one core; called before NumPy and Numba are imported there."""
    os.environ.update(dict.fromkeys(_THREADS, "1"))


def _answer(question: Scenario) -> dict[str, Any]:
    """The figures of one point, or its error."""
    from hetsim.engine import simulate

    try:
        document = simulate(question).document
    except HetsimError as error:
        return {"error": tell(error)}
    return {name: document[name] for name in _FIGURES if name in document}


def _places(trees: Sequence[Mapping[str, Any]], path: str) -> tuple[str, list[float | str]]:
    """Unit of an axis and where each point lies on it: resolved scenarios write quantities in SI units."""
    values = [_at(tree, path) for tree in trees]
    units = {value.partition(" ")[2] if isinstance(value, str) else "" for value in values}
    try:
        if len(units) == 1 and not any(isinstance(value, bool) for value in values):
            return units.pop(), [float(str(value).partition(" ")[0]) for value in values]
    except ValueError:
        pass
    return "", [str(value) for value in values]


def _at(tree: Any, path: str) -> Any:
    return functools.reduce(
        lambda node, key: node[int(key)] if isinstance(node, list) else node[key], path.split("."), tree
    )


@dataclass(frozen=True)
class StudyResult:
    """The answers of a study: ``document`` is what ``study.json`` holds."""

    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The object that ``study.json`` holds, in plain JSON types."""
        return self.document

    @property
    def failed(self) -> list[tuple[dict[str, Any], str]]:
        """The points that failed, each with its error."""
        return [(point["point"], point["error"]) for point in self.document["points"] if "error" in point]

    def rows(self) -> list[dict[str, Any]]:
        """A flat row a point: the axes' values, then makespan, throughput, latency, energy and metrics."""
        return [_row(point) for point in self.document["points"]]

    def scores(self) -> list[str]:
        """The metrics that workloads score, without what single components counted."""
        points = self.document["points"]
        found = dict.fromkeys(name for p in points for name in p.get("metrics", {}) if "." not in name)
        own = [f"{t}.{name}" for p in points for t, part in p.get("tenants", {}).items() for name in part["metrics"]]
        return [*found, *dict.fromkeys(name for name in own if name.count(".") == 1)]

    def frame(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame; InputError when pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise InputError.of("data frames need pandas", 'pip install "hetsim[frames]"') from None
        return pandas.DataFrame(self.rows())

    def plot(self, kind: str = "throughput") -> Figure:
        """Draw ``throughput``, ``energy`` or a metric against an axis, a line for each value of the others.

        The axis is the first whose values are numbers. InputError for a metric that no point has.
        """
        from hetsim.plots.study import Axis, Measure, against

        columns = dict(_DRAWN.get(kind, {kind: (kind.replace("_", " "), "")}))
        rows, axes = self.rows(), self.document["axes"]
        if all(row.get("energy_dynamic_J") == row.get("energy_total_J") for row in rows):
            columns.pop("energy_dynamic_J", None)  # without static power both are one
        if not any(name in row for name in columns for row in rows):
            known = ", ".join([*_DRAWN, *self.scores()])
            raise InputError.of(f"no point has {kind!r}", f"choose one of {known}")
        numeric = [path for path, axis in axes.items() if not isinstance(axis["places"][0], str)]
        path = (numeric or list(axes))[0]
        others = [other for other in axes if other != path]
        series = [", ".join(_said(o, p["point"][o]) for o in others) for p in self.document["points"]]
        intervals = [_interval(point, kind) for point in self.document["points"]]
        measures = [
            Measure(label, [row.get(name) for row in rows], unit, intervals) for name, (label, unit) in columns.items()
        ]
        unit = axes[path]["unit"]
        if unit == "1/s":
            unit = "/s" if path.endswith("rate") else "Hz"
        return against(Axis(short(path), axes[path]["places"], unit), measures, series)

    def save(self, folder: str | Path, *, plots: bool = True) -> list[str]:
        """Write ``study.json``, ``study.csv`` and the plots; return the names of the files.

        The folder appears whole or not at all, as with `Result.save`.
        """
        with files.whole(folder) as path:
            (path / "study.json").write_text(files.dump(self.document), encoding="utf-8")
            (path / "study.csv").write_text(self._csv(), encoding="utf-8")
            if plots:
                self.redraw(path)
            return sorted(entry.name for entry in path.iterdir())

    def redraw(self, folder: str | Path) -> list[str]:
        """Draw the plots (again) into a folder; return the names of the files."""
        from hetsim.plots import write

        kinds = [*_DRAWN, *self.scores()] if len(self.failed) < len(self.document["points"]) else []
        for kind in kinds:
            target = Path(folder) / f"study_{kind}.png"
            files.replace(target, functools.partial(write, self.plot(kind)))
        return [f"study_{kind}.png" for kind in kinds]

    def _csv(self) -> str:
        rows, text = self.rows(), io.StringIO()
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(text, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    @classmethod
    def load(cls, folder: str | Path) -> StudyResult:
        """Read a study back from the folder that `save` wrote; InputError when it is not one."""
        return cls(files.read_document(folder, "study.json"))

    def _repr_html_(self) -> str:
        import html

        rows = self.rows()
        names = list(dict.fromkeys(name for row in rows for name in row))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(row.get(name, '')))}</td>" for name in names) + "</tr>"
            for row in rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


_DRAWN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "throughput": {"throughput_per_s": ("throughput", " requests/s")},
    "energy": {"energy_total_J": ("energy", "J"), "energy_dynamic_J": ("energy without static", "J")},
}  # plot -> column of a row -> what its axis is called, unit


def short(path: str) -> str:
    """An axis' path without what goes without saying: ``imc.adc.bits``."""
    return path.removeprefix("system.components.").removeprefix("system.links.")


def _said(path: str, value: Any) -> str:
    """A point's value on an axis, in words: ``heft``, or ``imc.adc.bits 4``."""
    return value if isinstance(value, str) and value[:1].isalpha() else f"{short(path)} {value}"


def _interval(point: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    """The 95 % interval of a metric over several chips."""
    found = point.get("repeats", {}).get("metrics", {}).get(metric)
    return tuple(found["ci95"]) if found else None


def _row(point: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict(point["point"])
    if "error" in point:
        return row | {"error": point["error"]}
    energy, latency = point["energy_J"], point["latency_s"] or {}
    row |= {name: point[name] for name in ("makespan_s", "requests", "throughput_per_s")}
    row |= {f"latency_{name}_s": latency[name] for name in ("mean", "p99") if name in latency}
    row |= {"energy_total_J": energy["total"], "energy_dynamic_J": energy["total"] - energy["static"]}
    for tenant, part in point.get("tenants", {}).items():
        spent = part["latency_s"] or {}
        row |= {f"{tenant}.latency_{name}_s": spent[name] for name in ("mean", "p99") if name in spent}
    return {**row, **point["metrics"]}
