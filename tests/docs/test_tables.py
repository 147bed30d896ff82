"""The tables of docs/files.md are those that the schemas give."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT


def test_file_tables_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "file_tables.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=None, check=False)
    assert run.returncode == 0, run.stderr
