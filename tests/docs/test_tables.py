"""Tables in the documentation that stand somewhere else too: the files' from the schemas, the layers'."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.docs.pages import ROOT
from tests.unit.test_imports import LAYERS, modules, part


def test_file_tables_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "file_tables.py"), "--check"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr


def test_the_table_of_published_and_simulated_figures_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "validation_table.py"), "--check"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr


def test_layers_are_those_that_are_enforced() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (`[^|]*)\|([^|]*)\|$", page, re.MULTILINE)
    shown = {name: tuple(set(re.findall(r"\w+", cell)) for cell in cells) for name, *cells in rows}
    there = {part(module) for module in modules()}
    assert shown == {name: (there & set(parts.split()), set(lower.split())) for name, (parts, lower) in LAYERS.items()}
