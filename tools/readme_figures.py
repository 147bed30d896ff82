"""Make what the README shows of the demo: the table in it, and the pictures under docs/images.

    python tools/readme_figures.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import hetsim

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DEMO = "mnist_heterogeneous"
PICTURES = {
    "energy": "Energy of the demo by component and category",
    "timeline": "Timeline of the demo: ops on the components, transfers on the links",
}


def table() -> str:
    """What the command line prints for the demo."""
    command = [sys.executable, "-m", "hetsim", "run", DEMO]
    environment = os.environ | {"COLUMNS": "110", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = [line.strip() and line.rstrip() for line in run.stdout.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def draw() -> None:
    """Write the pictures."""
    result = hetsim.simulate(hetsim.load(DEMO))
    IMAGES.mkdir(exist_ok=True)
    for kind in PICTURES:
        result.plot(kind).savefig(IMAGES / f"demo_{kind}.png", dpi=150)


def main() -> None:
    """Draw, and put table and pictures between the README's markers."""
    draw()
    shown = "\n\n".join(f"![{text}](docs/images/demo_{kind}.png)" for kind, text in PICTURES.items())
    block = f"```console\n$ hetsim run {DEMO}\n{table()}\n```\n\n{shown}\n"
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = re.sub(r"(<!-- demo[^\n]*-->\n).*?(<!-- end -->)", rf"\1\n{block}\n\2", old, count=1, flags=re.DOTALL)
    readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
