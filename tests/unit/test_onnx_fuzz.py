"""Damaged ONNX files never end in a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_fuzz import fuzz


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    seen = fuzz(tmp_path, seed=7, count=2000)
    assert seen["refused"] > 1000
    assert seen["ran"] > 200
