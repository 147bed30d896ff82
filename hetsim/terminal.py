"""What a person sees in the terminal: tables of a result, an op's plan, a study; and a progress bar."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetsim.figures import engineering, percent, plain, rate
from hetsim.result import headline

if TYPE_CHECKING:
    from rich import progress
    from rich.console import Console, RenderableType
    from rich.table import Table

    from hetsim.studies import StudyResult
    from hetsim.validate import Row

_NARROWEST, _FILE = 88, 200  # characters: a narrower terminal wraps by itself and loses nothing
_PATIENCE = 1.5  # seconds that pass before a progress bar appears


def console(stderr: bool = False) -> Console:
    """A console that wraps only for terminals: what goes into a file or pipe keeps its lines."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = max(shutil.get_terminal_size().columns, _NARROWEST) if stream.isatty() else _FILE
    return Console(stderr=stderr, highlight=False, width=wide, emoji=False, markup=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """An aligned table: to the left the first column and those whose title starts with ``<``."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for i, name in enumerate(titles):
        fold = name.startswith("<")
        made.add_column(name.lstrip("<"), justify="left" if fold or i == 0 else "right", no_wrap=not fold)
    for row in rows:
        made.add_row(*row)
    return made


def summary(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    """A result: headline, tables of tenants, components and links, notes."""
    from rich.table import Table

    head = Table.grid(padding=(0, 2))
    for name, text in headline(dict(document)):
        head.add_row(name, text)
    yield f"{document['scenario']}, seed {document['seed']}"
    yield head
    if "tenants" in document:
        yield _tenants(document["tenants"])
    yield _components(document)
    if document["links"]:
        yield _links(document["links"])
    for note in document.get("notes", ()):
        yield f"note: {note}"


def _tenants(tenants: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            plain(part["requests"]),
            plain(part["dropped"]),
            rate(part["throughput_per_s"]),
            *(engineering(part["latency_s"][p], "s") if part["latency_s"] else "–" for p in ("mean", "p99", "max")),
            plain(part["metrics"].get("deadline_misses")),
            engineering(part["energy_J"]["dynamic"], "J"),
            percent(part["energy_J"]["share"]),
        )
        for name, part in tenants.items()
    ]
    titles = ("requests", "dropped", "throughput", "latency", "p99", "max", "late", "dynamic energy", "share")
    return table(("tenant", *titles), rows)


def _components(document: Mapping[str, Any]) -> Table:
    energy = document["energy_J"]["by_component"]
    ran: dict[str, list[str]] = {}
    for op, places in document["assignments"].items():
        for place in places:
            ran.setdefault(place, []).append(op)
    rows = [
        (
            name,
            engineering(part["busy_s"], "s"),
            percent(part["utilization"]),
            engineering(part["ops"], "OP"),
            engineering(part.get("energy_J", energy.get(name)), "J"),
            _efficiency(part),
            _ops(ran.get(name, [])),
        )
        for name, part in document["components"].items()
    ]
    return table(("component", "busy", "utilization", "work", "energy", "efficiency", "<ran"), rows)


def _efficiency(part: Mapping[str, Any]) -> str:
    value = part.get("energy_efficiency_ops_per_J")
    return engineering(value, "OP/J") if value else "–"


def _ops(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" … {len(names)} ops" if len(names) > 6 else "")


def _links(links: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            engineering(part["bytes"], "B"),
            engineering(part["busy_s"], "s"),
            percent(part["utilization"]),
            engineering(part["energy_J"], "J"),
        )
        for name, part in links.items()
    ]
    return table(("link", "moved", "busy", "utilization", "energy"), rows)


def explanation(op: str, options: Sequence[Mapping[str, Any]]) -> Iterable[RenderableType]:
    """How an op would run on each component: the chosen one first, step by step, and why it was chosen."""
    for option in sorted(options, key=lambda o: not o["chosen"]):
        able = "steps" in option
        mark = "runs on" if option["chosen"] else "could run on" if able else "cannot run on"
        yield f"\n{op} {mark} {option['component']}: {option['reason']}"
        if able:
            yield _plan(option)
            yield _steps(option["steps"], option["component"])


def _plan(option: Mapping[str, Any]) -> str:
    parts = [f"takes {engineering(option['duration_s'], 's')} and {engineering(option['energy_J'], 'J')}"]
    parts.append(f"setup {engineering(option['setup_s'], 's')}")
    chunks = option["chunks"]
    fill, interval = engineering(option["fill_s"], "s"), engineering(option["interval_s"], "s")
    then = f"{plain(chunks)} chunks, the first after {fill}, then one every {interval}"
    parts.append(then if chunks > 1 else f"work {fill}")
    if option["holds"]:
        parts.append("holds " + ", ".join(option["holds"]))
    parts += [f"asks {engineering(amount)} of {port}" for port, amount in option.get("demands", {}).items()]
    return "  " + "; ".join(parts)


def _steps(steps: Sequence[Mapping[str, Any]], component: str) -> Table:
    rows = [
        (
            step["name"],
            plain(step["count"]),
            engineering(step["seconds"], "s"),
            engineering(step["count"] * step["seconds"], "s"),
            engineering(step["joules"], "J"),
            engineering(step["count"] * step["joules"], "J"),
            _category(step, component),
        )
        for step in steps
    ]
    return table(("step", "count", "time each", "time", "energy each", "energy", "<category"), rows)


def _category(step: Mapping[str, Any], component: str) -> str:
    payer = step.get("component") or component
    said = step["category"] if payer == component else f"{payer} {step['category']}"
    return said + (" (expected)" if step["expected"] else "")


def study(answer: StudyResult) -> Iterable[RenderableType]:
    """A study as one table, then the points that failed."""
    from hetsim.studies import short

    axes, scores = list(answer.document["axes"]), answer.scores()
    rows = []
    for point, row in zip(answer.document["points"], answer.rows(), strict=True):
        figures = ["failed", "", "", "", ""]
        if "error" not in row:
            figures = [
                engineering(row["makespan_s"], "s"),
                rate(row["throughput_per_s"]),
                engineering(row.get("latency_mean_s"), "s"),
                engineering(row["energy_total_J"], "J"),
                engineering(row["energy_dynamic_J"], "J"),
            ]
        rows.append((*(str(point["point"][p]) for p in axes), *figures, *(plain(row.get(s)) for s in scores)))
    titles = (
        *map(short, axes),
        "makespan",
        "throughput",
        "mean latency",
        "energy",
        "without static",
        *scores,
    )
    yield f"{answer.document['scenario']}, seed {answer.document['seed']}"
    yield table(titles, rows)


def validation(rows: Sequence[Row]) -> Iterable[RenderableType]:
    """Published figures beside simulated ones; what misses is red, and its reason stands below the table."""
    made = table(("scenario", "<metric", "published", "simulated", "deviation", "allowed", "", "<source"), ())
    reasons = dict.fromkeys(row.expected.known_miss for row in rows if row.verdict == "known miss")
    notes = {reason: number for number, reason in enumerate(reasons, 1)}
    for row in rows:
        note = f" ({notes[row.expected.known_miss]})" if row.verdict == "known miss" else ""
        cells = (*row.told(), row.verdict + note, row.expected.source)
        made.add_row(*cells, style=None if row.met else "red")
    yield made
    for reason, number in notes.items():
        yield f"({number}) {reason}"
    counts = [(sum(row.verdict == verdict for row in rows), verdict) for verdict in ("ok", "known miss", "out")]
    yield ", ".join(f"{count} {verdict}" for count, verdict in counts if count)


class Progress:
    """A bar on standard error: appears when work takes longer than a moment, in a terminal only.

    Used as a context manager; calling it with (done, total) moves the bar.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: progress.Progress | None = None
        self._next = time.monotonic() + _PATIENCE if sys.stderr.isatty() else float("inf")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 0.1
        if self._bar is None:
            self._bar = self._started()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def _started(self) -> progress.Progress:
        from rich import progress
        from rich.console import Console

        bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        bar.start()
        bar.add_task(self._what, total=None)
        return bar

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
