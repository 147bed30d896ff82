"""Measure how fast crossbars are read and put the table into the README.

    python tools/speed_table.py

What is printed by tests/benchmarks/test_analog.py stands there as it is: figures of one run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKS = re.compile(r"(<!-- speed[^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Run the benchmark and put its table between the README's markers."""
    command = [sys.executable, "tests/benchmarks/test_analog.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    readme = ROOT / "README.md"
    made = MARKS.sub(lambda m: f"{m[1]}\n{run.stdout.strip()}\n\n{m[2]}", readme.read_text(encoding="utf-8"))
    readme.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
