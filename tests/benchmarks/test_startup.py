"""What the command line costs before it does anything: CPU time against importing what it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = "\nclass Model(pydantic.BaseModel):\n    x: int = 1"
COMMANDS = {
    "import pydantic, typer, rich": ["-c", "import pydantic, typer, rich"],
    "the same, and one model of one field": ["-c", "import pydantic, typer, rich" + MODEL],
    "the same, and rich's tables": ["-c", "import pydantic, typer, rich.console, rich.table" + MODEL],
    "hetsim --help": ["-m", "hetsim", "--help"],
    "hetsim check heft_textbook": ["-m", "hetsim", "check", "heft_textbook"],
    "hetsim check mnist_heterogeneous": ["-m", "hetsim", "check", "mnist_heterogeneous"],
}


def cpu_seconds(arguments: list[str]) -> float:
    before = os.times()
    command = [sys.executable, *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=Path(__file__).parents[2])
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_start_up(capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(11):
        for name, arguments in COMMANDS.items():
            found[name].append(cpu_seconds(arguments))
    floor = min(next(iter(found.values())))
    with capsys.disabled():
        print()
        for name, seconds in found.items():
            print(f"{name:40} {1e3 * min(seconds):5.0f} ms  {min(seconds) / floor:.2f} of the imports (aim 1.5)")
