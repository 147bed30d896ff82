"""Make the picture of docs/links.md: a wider bus, a faster bus, and a producer that moves.

python tools/link_figures.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import hetsim

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs" / "links.md", ROOT / "docs" / "images" / "links.png"
WIDTHS, CLOCKS = (2, 4, 8, 16, 32, 64), (50, 100, 200, 400, 800, 1600)
TICKS = (2, 5, 10, 20, 50)
PLACES = {"both on cpu": {}, "pool1 on npu": {"pool1": "npu"}, "both on npu": {"pool1": "npu", "pool2": "npu"}}


def scenario() -> str:
    """The scenario that the page shows."""
    found = re.search(r'```yaml title="bus.yaml"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, "the page shows no bus.yaml"
    return found[1]


def answered(path: str, *sets: str) -> tuple[float, float]:
    """Milliseconds in all, and those in which the bus is busy."""
    answer = hetsim.simulate(hetsim.load(path, sets)).to_dict()
    return answer["makespan_s"] * 1e3, answer["links"]["bus"]["busy_s"] * 1e3


def drawn(path: str) -> Figure:
    """Two curves against the bus, and bars against the place of the producer."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    wide, fast, moved = figure.subplots(1, 3)
    curves = [(wide, WIDTHS, "system.links.bus.width={} B", "width (bytes a cycle)"),
              (fast, CLOCKS, "system.links.bus.frequency={} MHz", "clock (MHz)")]  # fmt: skip
    for axes, values, change, label in curves:
        rows = [answered(path, change.format(value)) for value in values]
        axes.loglog(values, [row[0] for row in rows], "o-", label="makespan")
        axes.loglog(values, [row[1] for row in rows], "s--", label="bus busy")
        axes.set_xticks(values, [str(value) for value in values])
        axes.set_yticks(TICKS, [str(tick) for tick in TICKS])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylabel("ms")
        axes.legend(frameon=False)
    rows = [answered(path, *[f"scheduler.pin.{op}={part}" for op, part in pins.items()]) for pins in PLACES.values()]
    for shift, name, k in ((-0.2, "makespan", 0), (0.2, "bus busy", 1)):
        moved.bar([i + shift for i in range(len(rows))], [row[k] for row in rows], 0.4, label=name)
    moved.set_xticks(range(len(rows)), list(PLACES))
    moved.set_xlabel("where the poolings run")
    moved.set_ylabel("ms")
    moved.legend(frameon=False)
    return figure


def main() -> None:
    """Draw the picture of the page's scenario."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bus.yaml"
        path.write_text(scenario(), encoding="utf-8")
        drawn(str(path)).savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
