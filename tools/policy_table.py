"""Write the table of docs/policies.md: how far from the optimum each policy is on the graphs of the study.

    python tools/policy_table.py            # rewrite what stands between the markers; takes about ten minutes
    python tools/policy_table.py --check    # change nothing; exit status 1 when something would change

Needs the extra `optimise`. Everything is deterministic, so the table is the same on every machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hetsim  # noqa: E402
from hetsim.schedulers.scheduler import scheduler_kinds  # noqa: E402
from tests.taskgraphs import Tasks, sample, scenario  # noqa: E402

PAGE = ROOT / "docs" / "policies.md"
LIMIT = "2 s"
PROVABLE = 15  # tasks: up to so many a proof is asked for
# what these are for is not a short makespan of one graph, or is the same as another's for it
ELSEWHERE = {"batching", "edf", "energy", "load_balance", "manual", "precision", "priority", "whole"}
GROUPS = {"random": "random", "gauss": "elimination", "fft": "FFT", "montage": "mosaic"}


class Graph(NamedTuple):
    """What came out for a graph: seconds of each policy, and the bound that none can beat."""

    name: str
    size: int
    makespans: Mapping[str, float]
    bound: float

    @property
    def proved(self) -> bool:
        return self.makespans["optimal"] == self.bound

    def ratio(self, kind: str) -> float:
        """Makespan over that of the best schedule known, which is the optimum where that is proved."""
        return self.makespans[kind] / min(self.makespans.values())


def study() -> Iterator[Graph]:
    """Every graph with every policy. Raises AssertionError if a policy beats the bound, or a proof is missing."""
    kinds = sorted(set(scheduler_kinds()) - ELSEWHERE)
    for name, tasks, processors in sample():
        results = {kind: simulated(tasks, processors, kind) for kind in kinds}
        bound = results["optimal"].document["metrics"]["scheduler.lower_bound_s"]
        graph = Graph(name, len(tasks), {k: r.document["makespan_s"] for k, r in results.items()}, bound)
        assert min(graph.makespans.values()) >= bound, f"{name}: a schedule is shorter than can be"
        assert graph.proved or graph.size > PROVABLE, f"{name}: no proof"
        yield graph


def simulated(tasks: Tasks, processors: int, kind: str) -> hetsim.Result:
    more = {"time_limit": LIMIT} if kind == "optimal" else {}
    return hetsim.simulate(hetsim.load(scenario(tasks, processors, kind, **more)))


def table(graphs: Sequence[Graph]) -> Iterator[str]:
    """The lines of the table, the best policy first."""
    proved = [graph for graph in graphs if graph.proved]
    families = {key: [g for g in graphs if g.name.startswith(key)] for key in GROUPS}
    small = sum(graph.size <= PROVABLE for graph in graphs)
    yield f"{len(graphs)} graphs; the optimum is proved for {len(proved)} of them, and for all {small} of up to"
    yield f"{PROVABLE} tasks."
    yield ""
    heads = [f"{word} ({len(families[key])})" for key, word in GROUPS.items()]
    yield "| policy | mean | worst | optimal | " + " | ".join(heads) + " |"
    yield "|---|---|---|---|" + "---|" * len(heads)
    for kind in sorted(graphs[0].makespans, key=lambda kind: mean(g.ratio(kind) for g in proved)):
        ratios = [graph.ratio(kind) for graph in proved]
        found = sum(ratio == 1 for ratio in ratios) / len(ratios)
        groups = [f"{mean(g.ratio(kind) for g in group):.3f}" for group in families.values()]
        yield f"| `{kind}` | {mean(ratios):.3f} | {max(ratios):.2f} | {found:.0%} | " + " | ".join(groups) + " |"


def spreads(graphs: Sequence[Graph]) -> Iterator[str]:
    """The lines of a table of what HEFT's successors gain, by how much processors differ."""
    groups: dict[float, list[Graph]] = {}
    for graph in graphs:
        if graph.name.startswith("random"):
            groups.setdefault(float(graph.name.partition("_")[2]), []).append(graph)
    yield "| spread | graphs | `peft` over `heft` | `lookahead` over `heft` |"
    yield "|---|---|---|---|"
    for spread, group in sorted(groups.items()):
        gains = [mean(g.makespans[kind] / g.makespans["heft"] for g in group) for kind in ("peft", "lookahead")]
        yield f"| {spread} | {len(group)} | " + " | ".join(f"{gain:.3f}" for gain in gains) + " |"


def main(check: bool) -> int:
    text, graphs = PAGE.read_text(encoding="utf-8"), list(study())
    body = "\n".join([*table(graphs), "", *spreads(graphs)])
    fresh = re.sub(r"(<!-- table -->\n).*?(\n<!-- end -->)", lambda m: m[1] + body + m[2], text, flags=re.DOTALL)
    if check:
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
