"""Precision: analog answers are not exact, and this policy knows by how much, op by op and component by component."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field, StrictInt

from hetsim.errors import InputError
from hetsim.schedulers.delegation import Delegation, DelegationSheet, named
from hetsim.schedulers.fixed import Assigned
from hetsim.schedulers.objective import AnyGoal, Figures, Goal
from hetsim.schedulers.scheduler import Decision, Job, View, register
from hetsim.schedulers.trials import Sample, Trials
from hetsim.units import Ratio

AXES = ("energy", "latency", "accuracy")


class PrecisionSheet(DelegationSheet):
    """``choices`` are what may be set on the components, by path (``{imc.adc.bits: [4, 6, 8]}``) or, for several alike,
    by a pattern (``imc*.adc.bits``).

    ``calibration`` names the data on which errors and figures are measured (default: the scenario's own);
    ``margin`` is by how much more than is asked for the accuracy on them has to be, since they are a sample.
    ``policy`` makes a placement to start from; another is that of the least energy for each op. The best is then
    changed up to ``rounds`` times: each op in turn is tried on each other component, and the best of all is kept.
    """

    objective: AnyGoal = Goal(minimise="energy")  # type: ignore[assignment]  # of a whole run
    choices: Mapping[str, tuple[Any, ...]] = {}
    calibration: str | None = None
    margin: Ratio = Field(default=0.005, ge=0)
    rounds: StrictInt = Field(default=0, ge=0)


@dataclass(frozen=True)
class Alternative:
    """A way to run the workload: settings by path, the component of each op by name, and what came out."""

    settings: Mapping[str, Any]
    places: Mapping[str, str]
    figures: Figures
    chosen: bool = False

    def beats(self, other: Alternative) -> bool:
        """Whether it is nowhere worse, and somewhere better, in energy, latency and accuracy."""
        mine, others = self.costs(), other.costs()
        return mine != others and all(a <= b for a, b in zip(mine, others, strict=True))

    def costs(self) -> tuple[float, ...]:
        """Energy, mean latency and what is missing in accuracy."""
        found = self.figures
        return found["energy"], found.get("latency", 0.0), -found.get("accuracy", 0.0)


@register
class Precision(Delegation[PrecisionSheet]):
    """The placement and the settings that are best for the objective and keep to its bounds, on calibration data.

    For each setting the error of every op on every component is measured: the components compute it, on exact
    inputs, and what they make is held against the exact result. From a starting placement the op of the greatest
    error then goes to a more exact component, and so on. Each of these placements is simulated with its numbers;
    the best that keeps to all bounds is taken. The device that is measured is the one that runs afterwards.
    """

    kind, sheet_type, prepares = "precision", PrecisionSheet, True

    def __init__(self, sheet: PrecisionSheet, seed: int = 0) -> None:
        super().__init__(sheet, seed)
        self._tried: list[Alternative] = []
        self._missed = False

    def prepare(self, trials: Trials) -> Mapping[str, Any]:
        data = {} if self.sheet.calibration is None else {"workload.data": self.sheet.calibration}
        for settings in self._settings(trials.components):
            changed = trials.changed({**data, **settings})
            for places in self._candidates(changed):
                self._try(settings, places, changed)
        best = min(self._tried, key=self._score)
        changed = trials.changed({**data, **best.settings})
        for _ in range(self.sheet.rounds):
            for places in [places for places in _neighbours(best.places, changed) if not self._known(best, places)]:
                self._try(best.settings, places, changed)
            before, best = best, min(self._tried, key=self._score)
            if best is before:
                break
        self._missed = self._score(best)[0] > 0
        self._tried = [replace(each, chosen=each is best) for each in self._tried]
        self.policy = Assigned(best.places)
        return best.settings

    def arrived(self, job: Job, view: View) -> Iterator[Decision]:
        yield from self.policy.arrived(job, view)

    def _try(self, settings: Mapping[str, Any], places: Mapping[str, str], trials: Trials) -> None:
        """Simulate a placement, in trials with the settings."""
        figures, _ = trials.of(Assigned(places), numbers=True)
        self._tried.append(Alternative(settings, places, figures))

    def _known(self, best: Alternative, places: Mapping[str, str]) -> bool:
        """Whether a placement has been simulated with the settings of the best one."""
        return any(each.settings == best.settings and each.places == places for each in self._tried)

    def _candidates(self, trials: Trials) -> Sequence[Mapping[str, str]]:
        """Placements between those of the policies and those of the least errors, each once."""
        samples, found = trials.samples(), list[Mapping[str, str]]()
        for policy in dict.fromkeys((self.sheet.policy, "energy")):
            start = trials.of(named(policy, self.sheet, self.seed))[1].items()
            first = {op.name: name for g, p in start for op, name in zip(g.ops, p.components, strict=True)}
            found += [places for places in _chain(first, samples) if places not in found]
        return found

    def _settings(self, components: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Every combination of the choices; of a pattern all components that match are set alike."""
        for values in itertools.product(*self.sheet.choices.values()):
            settings = {}
            for path, value in zip(self.sheet.choices, values, strict=True):
                pattern, _, rest = path.partition(".")
                for name in [name for name in components if fnmatchcase(name, pattern)]:
                    settings[f"system.components.{name}.{rest}"] = value
            yield settings

    def _score(self, alternative: Alternative) -> tuple[float, float]:
        """What the objective makes of it, with the margin taken off its accuracy."""
        figures = dict(alternative.figures)
        missing = [name for name in self.sheet.objective.figures if name not in figures]
        if missing:
            hint = "an accuracy needs labelled data, and numerics"
            raise InputError.of(f"the run has no {missing[0]} to decide by", hint, path="scheduler.objective")
        if "accuracy" in figures:
            figures["accuracy"] -= self.sheet.margin
        return self.sheet.objective.score(figures, self._tried[0].figures)

    def alternatives(self) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "settings": dict(each.settings), "places": dict(each.places), "chosen": each.chosen,
                "front": not any(other.beats(each) for other in self._tried),
                **{name: each.figures[name] for name in AXES if name in each.figures},
            }
            for each in self._tried
        ]  # fmt: skip

    def remarks(self) -> Sequence[str]:
        best = next((each for each in self._tried if each.chosen), None)
        if best is None:
            return []
        told = ", ".join(f"{name} {best.figures[name]:.4g}" for name in AXES if name in best.figures)
        said = [f"{path.removeprefix('system.components.')} {value}" for path, value in best.settings.items()]
        lines = [f"precision: {', '.join([*said, told])} on calibration data, the best of {len(self._tried)}"]
        return lines + ["precision: no alternative keeps to all bounds"] * self._missed


def _chain(first: Mapping[str, str], samples: Mapping[tuple[str, str], Sample]) -> Iterator[Mapping[str, str]]:
    """From a placement to ever more exact ones: the op of the greatest error goes to the component of the least energy
    among those on which its error is less than half, until no op has such a component."""
    places = dict(first)
    yield dict(places)
    while True:
        for op in sorted(places, key=lambda op: -samples[op, places[op]].error):
            better = [
                (sample.joules, sample.error, name) for (other, name), sample in samples.items()
                if other == op and sample.error < samples[op, places[op]].error / 2
            ]  # fmt: skip
            if better:
                places[op] = min(better)[2]
                yield dict(places)
                break
        else:
            return


def _neighbours(places: Mapping[str, str], trials: Trials) -> Iterator[Mapping[str, str]]:
    """The placements in which one op is elsewhere."""
    for graph in trials.graphs:
        for i, op in enumerate(graph.ops):
            yield from ({**places, op.name: name} for name in trials.options(graph, i) if name != places.get(op.name))
