"""Validation: scenarios that say what is expected of them, with published and simulated figures side by side.

A metric is a figure, or several with ``*``, ``/``, ``+`` and ``-`` between them (``energy_J.total / requests``),
products before sums. A figure is a number with or without a unit, or a path:

- into the result, as it stands in ``result.json``: ``metrics.accuracy``, ``components.npu.busy_s``;
- ``ops.<op>.seconds`` and ``.joules``: what a run of the op took, the mean over its runs;
- ``plan.<op>.<step>.<what>``: the plan of the op where it ran, by name of step or by category of energy, its
  ``count``, ``seconds``, ``joules`` and ``rate`` (repeats a second).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, Any

from hetsim import catalog, engine
from hetsim.document import read
from hetsim.errors import InputError, did_you_mean
from hetsim.figures import engineering, plain
from hetsim.scenario import Expectation, Scenario, load
from hetsim.spans import TICKS_PER_SECOND
from hetsim.units import si

if TYPE_CHECKING:
    from hetsim.hardware.component import Plan, Step
    from hetsim.result import Result

Progress = Callable[[int, int], None]
_STEP = ("count", "seconds", "joules", "rate")
_UNITS = (  # what the last word of a path tells of its unit
    (r"_ops_per_J$", "OP/J"), (r"_ops_per_s$", "OP/s"), (r"_bytes_per_s$", "B/s"), (r"(_per_s|\.rate)$", "/s"),
    (r"(_s|\.seconds|latency_s\.\w+)$", "s"), (r"(_J|\.joules|energy_J\.\S+)$", "J"), (r"_W$", "W"),
    (r"\d\s*[munp]?s$", "s"), (r"\d\s*[munpf]?J$", "J"),
    (r"_mm2$", "mm2"), (r"\.ops$", "OP"),
    (r"(\.bytes|\.(memory|spill|load_weights|move)\.count)$", "B"), (r"\d\s*\w?Hz$", "/s"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One expectation beside what was simulated; ``point`` names the point of a sweep."""

    scenario: str
    expected: Expectation
    simulated: float
    point: Mapping[str, Any]

    @property
    def deviation(self) -> float | None:
        """Relative deviation from the published value, or from the bound that is broken; None within bounds."""
        published = self.published
        return None if published is None else self.simulated / published - 1 if published else self.simulated

    @property
    def published(self) -> float | None:
        """The value, or the bound that is broken."""
        e = self.expected
        if e.value is not None:
            return e.value
        broken = [b for b, is_broken in self._bounds() if is_broken]
        return broken[0] if broken else None

    @property
    def met(self) -> bool:
        """Whether the figure is within tolerance and bounds."""
        e = self.expected
        near = e.value is None or abs(self.simulated - e.value) <= (e.within or 0.0) * abs(e.value)
        return near and not any(is_broken for _, is_broken in self._bounds())

    @property
    def verdict(self) -> str:
        """``ok``, ``known miss`` or ``out``."""
        return "ok" if self.met else "known miss" if self.expected.known_miss else "out"

    def told(self) -> tuple[str, str, str, str, str, str]:
        """Scenario and point, metric, published, simulated, deviation and what is allowed, for a person."""
        e, symbol = self.expected, unit(self.expected.metric)
        words = [f"{path.rpartition('.')[2]}={value}" for path, value in self.point.items()]
        bounds = [f"{sign} {_figure(b, symbol)}" for sign, b in (("≥", e.min), ("≤", e.max)) if b is not None]
        published = [_figure(e.value, symbol)] if e.value is not None else []
        deviation = "–" if self.deviation is None else f"{100 * self.deviation:+.1f} %"
        allowed = f"± {100 * e.within:.3g} %" if e.within is not None else "–"
        name = self.scenario.removeprefix("validation/")
        head = (" ".join([name, *words]), e.metric, ", ".join(published + bounds))
        return *head, _figure(self.simulated, symbol), deviation, allowed

    def _bounds(self) -> Iterator[tuple[float, bool]]:
        if self.expected.min is not None:
            yield self.expected.min, self.simulated < self.expected.min
        if self.expected.max is not None:
            yield self.expected.max, self.simulated > self.expected.max


def unit(metric: str) -> str:
    """The SI unit of a metric as its words tell it, empty when they do not; J/s is W. A sum has that of a term."""
    metric = re.split(r"\s+[+-]\s+", metric)[0]
    powers: Counter[str] = Counter()
    for sign, word in re.findall(r"(?:^|\s([*/])\s+)(.+?)(?=\s[*/]\s|$)", metric):
        symbol = next((symbol for ending, symbol in _UNITS if re.search(ending, word)), "")
        over, _, under = symbol.partition("/")
        powers.update({over: -1, under: 1} if sign == "/" else {over: 1, under: -1})
    over, under = ("·".join(s for s, n in powers.items() if s and n * way > 0) for way in (1, -1))
    told = f"{over}/{under}" if under else over
    return {"J/s": "W", "W·s": "J", "s·W": "J", "s/OP": "s"}.get(told, told)


def _figure(value: float, symbol: str) -> str:
    if symbol.startswith("mm2"):  # has its prefix
        return f"{plain(value)} {symbol}"
    return engineering(value, symbol, 4) if symbol else plain(value)


def failures(rows: Iterable[Row], strict: bool = False) -> int:
    """How many rows are out of tolerance; known misses count when ``strict``."""
    return sum(not row.met and (strict or not row.expected.known_miss) for row in rows)


def expecting() -> list[str]:
    """Names of the library's scenarios that expect something."""
    names = catalog.names("scenarios")
    return [name for name in names if read(catalog.locate(name, ("scenarios",)))[0].child("expect") is not None]


def validate(names: Sequence[str] = (), progress: Progress | None = None) -> list[Row]:
    """Run scenarios (by default all of the library that expect something) and return a row for each expectation.

    An expectation of a study holds at each of its points. Raises InputError for a scenario that expects nothing
    and for a metric that the answer does not have.
    """
    scenarios = [load(name) for name in names or expecting()]
    idle = [scenario.name for scenario in scenarios if not scenario.expect]
    if idle:
        raise InputError.of(f"{', '.join(idle)}: nothing is expected", "add expect to the scenario")
    points = [(s, point, at) for s in scenarios for point, at in (s.points() if s.sweep else [({}, s)])]
    rows: list[Row] = []
    for done, (scenario, point, at) in enumerate(points, 1):
        answer = Answer(at, engine.simulate(at))
        rows += [Row(scenario.name, e, answer.figure(e.metric, i), point) for i, e in enumerate(scenario.expect)]
        if progress is not None:
            progress(done, len(points))
    return rows


class Answer:
    """The figures of a run, by the words in which expectations ask for them."""

    def __init__(self, scenario: Scenario, result: Result) -> None:
        self._scenario, self._result = scenario, result

    def figure(self, metric: str, number: int = 0) -> float:
        """The value of a metric; ``number`` is that of the expectation, to say where it stands."""
        first, *rest = re.split(r"\s+([+-])\s+", metric)
        terms = [(1, first), *((-1 if sign == "-" else 1, t) for sign, t in zip(rest[::2], rest[1::2], strict=True))]
        return fsum(sign * self._term(term, metric, number) for sign, term in terms)

    def _term(self, term: str, metric: str, number: int) -> float:
        """Figures multiplied and divided from left to right."""
        first, *rest = re.split(r"\s+([*/])\s+", term)
        value = self._operand(first, number)
        for sign, word in zip(rest[::2], rest[1::2], strict=True):
            operand = self._operand(word, number)
            if sign == "/" and not operand:
                raise self._wrong(f"{word} is 0, and {metric} divides by it", "", number)
            value = value * operand if sign == "*" else value / operand
        return value

    def _operand(self, word: str, number: int) -> float:
        try:
            return si(word)
        except ValueError:
            head, *path = word.split(".")
        if head == "ops" and len(path) > 1:
            return self._span(".".join(path[:-1]), path[-1], number)
        if head == "plan" and len(path) > 2:
            return self._planned(".".join(path[:-2]), path[-2], path[-1], number)
        return self._stored(word, number)

    def _stored(self, word: str, number: int) -> float:
        """A number of the result; names with dots in them (``imc.adc_clipped``) are looked up whole first."""
        found, rest = self._result.document, word
        while rest:
            keys = [k for k in found if rest == k or rest.startswith(f"{k}.")] if isinstance(found, Mapping) else []
            if not keys:
                hint = did_you_mean(rest, found) if isinstance(found, Mapping) else ""
                raise self._wrong(f"the answer has no {word!r}", hint, number)
            key = max(keys, key=len)
            found, rest = found[key], rest[len(key) + 1 :]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(f"{word!r} of the answer is no number", "", number)
        return float(found)

    @cached_property
    def _spans(self) -> Mapping[str, tuple[float, float]]:
        """Mean seconds and joules of each op's runs."""
        from hetsim.tables import op_codes

        trace = self._result.trace
        codes, names = op_codes(trace)
        seconds = (trace.spans.numpy("end") - trace.spans.numpy("start")) / TICKS_PER_SECOND
        joules = trace.spans.numpy("joules")
        ran = {name: codes == i for i, name in enumerate(names)}
        return {name: (seconds[m].mean().item(), joules[m].mean().item()) for name, m in ran.items() if m.any()}

    def _span(self, op: str, what: str, number: int) -> float:
        if op not in self._spans:
            raise self._wrong(f"no op {op!r} ran", did_you_mean(op, self._spans), number)
        if what not in ("seconds", "joules"):
            raise self._wrong(f"an op has no {what!r}", "known: seconds, joules", number)
        return self._spans[op][what == "joules"]

    def _planned(self, op: str, step: str, what: str, number: int) -> float:
        steps = self._plan(op, number).steps
        chosen = [s for s in steps if s.name == step] or [s for s in steps if s.category == step]
        if not chosen:
            known = {s.name for s in steps} | {s.category for s in steps}
            raise self._wrong(f"the plan of {op!r} has no step {step!r}", did_you_mean(step, known), number)
        if what not in _STEP:
            raise self._wrong(f"a step has no {what!r}", f"known: {', '.join(_STEP)}", number)
        if what == "rate":
            return 1 / chosen[0].seconds
        return fsum(_total(s, what) for s in chosen)

    def _plan(self, op: str, number: int) -> Plan:
        """The plan of an op on the component that ran it first, with nothing stored before."""
        ran = self._result.document["assignments"]
        if not ran.get(op):
            raise self._wrong(f"no op {op!r} ran", did_you_mean(op, ran), number)
        component = self._scenario.system().components[ran[op][0]]
        graphs = self._scenario.build_workload().graphs()
        return component.plan(next(o for g in graphs for o in g.ops if o.name == op), component.residency())

    def _wrong(self, message: str, hint: str, number: int) -> InputError:
        return InputError.of(message, hint, path=f"expect.{number}.metric").at(self._scenario.name)


def _total(step: Step, what: str) -> float:
    """What all repeats of a step take."""
    return step.count * {"count": 1.0, "seconds": step.seconds, "joules": step.joules}[what]
