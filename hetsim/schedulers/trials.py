"""Trials: what a policy may find out by simulating, before the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hetsim.workload import Graph

if TYPE_CHECKING:
    from hetsim.schedulers.scheduler import Scheduler


class Places(NamedTuple):
    """The component of each op of a graph, and all its ops in an order in which each comes after its producers."""

    components: Sequence[str]
    order: Sequence[int]


class Sample(NamedTuple):
    """Relative root-mean-square error of an op's output on a component, and joules without moving data."""

    error: float
    joules: float


class Trials(Protocol):
    """Runs of the scenario, for policies that find out beforehand what is good.

    ``requests`` limits a run to its first requests; with ``numbers`` it computes what the scenario computes, without
    them it is for times and energies only. The figures are those of `objective.FIGURES` that the run has.
    """

    @property
    def graphs(self) -> Sequence[Graph]:
        """The graphs that the workload may emit, as they are run."""

    @property
    def components(self) -> Sequence[str]:
        """All components, in the order of the scenario."""

    def options(self, graph: Graph, op: int) -> Sequence[str]:
        """Components that may run an op of a graph."""

    def of(
        self, scheduler: Scheduler[Any], *, requests: int | None = None, numbers: bool = False
    ) -> tuple[Mapping[str, float], dict[Graph, Places]]:
        """What comes out with a policy, and where it has put the first job of each graph, in order of starts."""

    def changed(self, changes: Mapping[str, Any]) -> Trials:
        """Trials of the same question with other values, by path in the scenario; its graphs are others."""

    def samples(self) -> Mapping[tuple[str, str], Sample]:
        """What each op comes to on each component, both by name, when it is computed there on exact inputs."""

    def placed(
        self, places: Mapping[Graph, Places], *, requests: int | None = None, numbers: bool = False
    ) -> Mapping[str, float]:
        """What comes out with everything placed by hand."""
