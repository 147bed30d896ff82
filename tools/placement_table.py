"""Write the tables of docs/placement.md: every policy, and every single component, in the twelve scenarios.

    python tools/placement_table.py            # rewrite what stands between the markers, and the pictures
    python tools/placement_table.py --check    # change nothing; exit status 1 when a figure is off by more than 2 %

Takes about ten minutes. The policy `optimal` needs the extra `optimise`, MNIST the extra `datasets`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import hetsim  # noqa: E402
from hetsim.figures import engineering, rate  # noqa: E402
from hetsim.plots import write  # noqa: E402
from hetsim.schedulers.scheduler import scheduler_kinds  # noqa: E402

PAGE, IMAGES = ROOT / "docs" / "placement.md", ROOT / "docs" / "images"
SCENARIOS = sorted(path.stem for path in (ROOT / "scenarios" / "placement").glob("*.yaml"))
MORE: Mapping[str, Mapping[str, Any]] = {
    "optimal": {"time_limit": "0.2 s"}, "search": {"trials": 60},
    "precision": {"calibration": "mnist/train[:128]", "objective": {
        "minimise": "energy", "subject_to": {"accuracy": ">= 0.97"}}},
}  # fmt: skip
ELSEWHERE = {"manual"}  # takes a schedule written by hand
TOLERANCE, FLOOR = 0.02, 0.975  # the floor that the scenarios in scenarios/floor ask for

Row = tuple[str, ...]


def kinds(scenario: hetsim.Scenario) -> list[str]:
    """The policies that can be asked of a scenario: errors are measured where there are numbers."""
    return [kind for kind in scheduler_kinds() if kind not in ELSEWHERE and _fits(kind, scenario)]


def _fits(kind: str, scenario: hetsim.Scenario) -> bool:
    return kind != "precision" or scenario.numerics != "none"


def settings(kind: str) -> dict[str, Any]:
    """A policy's scheduler block; accuracy is asked for on calibration data."""
    return {"kind": kind, **MORE.get(kind, {})}


def alone(scenario: hetsim.Scenario) -> Mapping[str, dict[str, Any]]:
    """For each component the scheduler block that gives it all that it can run, and the rest to the host."""
    system, host = scenario.system(), str(scenario.parts.host)
    ops = {op.name: op for graph in scenario.build_workload().graphs() for op in graph.ops}
    blocks = {}
    for name, part in system.components.items():
        able = {op: name for op, each in ops.items() if not part.supports(each)}
        rest = dict.fromkeys(ops.keys() - able.keys(), host)
        title = f"{name} alone" if not rest else f"{name}, the rest on {host}"
        if able:
            blocks[title] = {"kind": "greedy", "pin": {**able, **dict(sorted(rest.items()))}}
    return blocks


def row(name: str, title: str, scheduler: Mapping[str, Any]) -> Row:
    """A line of a table: makespan, throughput, energy, accuracy."""
    document = hetsim.simulate(hetsim.load(f"placement/{name}", [f"scheduler={_yaml(scheduler)}"])).document
    accuracy = document["metrics"].get("accuracy")
    return (
        title, engineering(document["makespan_s"], "s"), rate(document["throughput_per_s"]),
        engineering(document["energy_J"]["total"], "J"), "" if accuracy is None else f"{accuracy:.3f}",
    )  # fmt: skip


def _yaml(value: Any) -> str:
    import json

    return json.dumps(value)


def rows(name: str) -> Iterator[Row]:
    """All lines of a scenario: single components first, then the policies."""
    scenario = hetsim.load(f"placement/{name}")
    for title, block in alone(scenario).items():
        yield row(name, title, block)
    for kind in kinds(scenario):
        yield row(name, f"`{kind}`", settings(kind))


def table(name: str) -> str:
    """A scenario's table in Markdown, the shortest makespans of the policies first."""
    lines = ["| | makespan | throughput | energy | accuracy |", "|---|---|---|---|---|"]
    found = list(rows(name))
    singles = [each for each in found if not each[0].startswith("`")]
    policies = sorted((each for each in found if each[0].startswith("`")), key=lambda each: _number(each[1]))
    return "\n".join([f"### {name}", "", *lines, *("| " + " | ".join(each) + " |" for each in [*singles, *policies])])


def _number(text: str) -> float:
    value, _, unit = text.partition(" ")
    try:
        return float(value) * {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}.get(
            unit[:1] if len(unit) > 1 else "", 1.0
        )
    except ValueError:
        return 0.0


def written(text: str) -> Mapping[tuple[str, str], Row]:
    """The lines of the page's tables by scenario and title."""
    found, name = {}, ""
    for line in text.splitlines():
        if line.startswith("### "):
            name = line[4:]
        elif name and line.startswith("| ") and not line.startswith("| |"):
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
            found[name, cells[0]] = cells
    return found


def close(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two lines tell the same within the tolerance."""
    pairs = [(_number(x), _number(y)) for x, y in zip(a[1:], b[1:], strict=True)]
    return all(abs(x - y) <= TOLERANCE * max(abs(x), abs(y)) for x, y in pairs)


def precision() -> Iterator[str]:
    """The lines of the table of placements under an accuracy floor, with converters that may be set."""
    yield "| scenario | | accuracy | energy without static | energy | conv1, conv2, dense |"
    yield "|---|---|---|---|---|---|"
    for name in ("edge", "workstation", "server"):
        for title, document in floor(name).items():
            spent = document["energy_J"]
            dynamic, total = engineering(spent["total"] - spent["static"], "J"), f"{spent['total']:.4f} J"
            where = "; ".join(" ".join(document["assignments"][op]) for op in ("conv1", "conv2", "dense"))
            yield f"| {name} | {title} | {document['metrics']['accuracy']:.3f} | {dynamic} | {total} | {where} |"


def floor(name: str) -> Mapping[str, dict[str, Any]]:
    """MNIST at 50 requests a second: what the policies of the scenario's sweep come to."""
    points = hetsim.load(f"floor/mnist_{name}").points()
    titles = ("`heft` for energy", "digital parts alone", "`precision`", "`precision`, static power too")
    return {title: hetsim.simulate(point).document for title, (_, point) in zip(titles, points, strict=True)}


def pictures() -> None:
    """Timelines of the demonstration that heterogeneity does not always pay."""
    for name, title in (("resnet50_edge", "imc, the rest on cpu"), ("resnet50_edge", "cpu alone")):
        block = alone(hetsim.load(f"placement/{name}"))[title]
        sets = [f"scheduler={_yaml(block)}", "traffic.requests=1"]
        result = hetsim.simulate(hetsim.load(f"placement/{name}", sets))
        write(result.plot("timeline"), IMAGES / f"placement_{title.split(',')[0].split()[0]}.png")


def main(check: bool) -> int:
    text = PAGE.read_text(encoding="utf-8")
    if check:
        old = written(text)
        fresh = {(name, each[0]): each for name in SCENARIOS for each in rows(name)}
        off = [place for place, each in fresh.items() if place not in old or not close(each, old[place])]
        print(*off, sep="\n")
        return int(bool(off) or old.keys() - fresh.keys() != set())
    bodies = {"table": "\n\n".join(table(name) for name in SCENARIOS), "precision": "\n".join(precision())}
    for mark, body in bodies.items():
        marked = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = marked.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    PAGE.write_text(text, encoding="utf-8")
    pictures()
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
