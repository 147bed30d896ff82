"""Make what the README shows of the demo: the table in it, and the picture under docs/images.

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
DEMO = "mnist_heterogeneous"
PICTURE, TEXT = "energy", "Energy of the demo by component and category, with static power and without"


def table() -> str:
    """What the command line prints for the demo."""
    command = [sys.executable, "-m", "hetsim", "run", DEMO]
    environment = os.environ | {"COLUMNS": "110", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = [line.strip() and line.rstrip() for line in run.stdout.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def draw() -> str:
    """Write the picture and return its path, relative to the repository."""
    path = f"docs/images/demo_{PICTURE}.png"
    (ROOT / path).parent.mkdir(exist_ok=True)
    hetsim.simulate(hetsim.load(DEMO)).plot(PICTURE).savefig(ROOT / path, dpi=150)
    return path


def main() -> None:
    """Draw, and put picture and table between the README's markers."""
    block = f"![{TEXT}]({draw()})\n\n```console\n$ hetsim run {DEMO}\n{table()}\n```\n"
    readme = ROOT / "README.md"
    marks = re.compile(r"(<!-- demo[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    made = marks.sub(lambda m: f"{m[1]}\n{block}\n{m[2]}", readme.read_text(encoding="utf-8"))
    readme.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
