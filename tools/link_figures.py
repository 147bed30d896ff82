"""Make the picture of docs/links.md: a wider bus, a faster bus, and a producer that moves.

python tools/link_figures.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import hetsim
from hetsim.plots.style import PALETTE, mosaic, styled, write

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


@styled
def drawn(path: str) -> Figure:
    """Two curves against the bus, and bars against the place of the producer."""
    figure, axes = mosaic(4.2, [["wide", "fast"], ["moved", "moved"]])
    looks = list(zip(("makespan", "bus busy"), ("o-", "s--"), PALETTE, strict=False))
    curves = [(axes["wide"], WIDTHS, "system.links.bus.width={} B", "width (bytes a cycle)"),
              (axes["fast"], CLOCKS, "system.links.bus.frequency={} MHz", "clock (MHz)")]  # fmt: skip
    for panel, values, change, label in curves:
        rows = [answered(path, change.format(value)) for value in values]
        for k, (name, line, colour) in enumerate(looks):
            panel.loglog(values, [row[k] for row in rows], line, color=colour, label=name)
        panel.set_xticks(values, [str(value) for value in values])
        panel.set_yticks(TICKS, [str(tick) for tick in TICKS])
        panel.minorticks_off()
        panel.set_xlabel(label)
        panel.legend()
    rows = [answered(path, *[f"scheduler.pin.{op}={part}" for op, part in pins.items()]) for pins in PLACES.values()]
    moved = axes["moved"]
    for shift, k, (name, _, colour) in zip((-0.2, 0.2), (0, 1), looks, strict=True):
        moved.bar([i + shift for i in range(len(rows))], [row[k] for row in rows], 0.4, color=colour, label=name)
    moved.set_xticks(range(len(rows)), list(PLACES))
    moved.set_xlabel("where the poolings run")
    for panel in axes.values():
        panel.set_ylabel("time (ms)")
    return figure


def main() -> None:
    """Draw the picture of the page's scenario."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bus.yaml"
        path.write_text(scenario(), encoding="utf-8")
        write(drawn(str(path)), PICTURE)


if __name__ == "__main__":
    main()
