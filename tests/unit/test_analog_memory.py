"""What a large layer takes of memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LAYER = """
import json
from pathlib import Path

import numpy as np

from hetsim.analog.bank import Bank
from hetsim.analog.macro import MacroSheet
from hetsim.analog.programming import Programming

cell = {
    "g_min": "2 uS", "g_max": "20 uS", "levels": 16, "programming": {"unit": "1 uS", "polynomial": [0.5]},
    "read_noise": {"relative": {"polynomial": [0.02]}}, "endurance": 1e6,
    "write": {"voltage": "2 V", "time": "50 ns", "energy": "6 pJ", "pulses": 8.5, "verify": "50 ns"},
}
sheet = MacroSheet.model_validate({
    "rows": 256, "columns": 512, "device": cell, "pair": "columns", "subtraction": "analog",
    "dac": {"energy": "0.1 pJ"}, "read_voltage": "0.2 V", "integration_time": "50 ns",
    "adc": {
        "kind": "sar", "bits": 8, "columns": 8, "range": {"policy": "fraction", "fraction": 0.2},
        "reference": {"bits": 8, "energy": "2 pJ", "time": "1 ns"},
    },
})
numbers = np.random.default_rng(1)
weights = numbers.standard_normal((1, 4096, 4096), dtype=np.float32)
kept = Bank(sheet, Programming(), 256, 3).store(("w", 0), weights, 0.0, preloaded=True)
x = numbers.random((16, 4096), dtype=np.float32)
read = kept.layers[0].mvm(x, 1.0, 5).values
exact = x @ weights[0]
found = {"tiles": len(kept.tiles[0]), "error": float((read - exact).std() / exact.std())}
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps(found | {"bytes": 1024 * int(status["VmHWM"].split()[0])}))  # getrusage counts a parent's peak too
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_layer_on_256_tiles_is_written_and_read_in_a_gigabyte() -> None:
    done = subprocess.run([sys.executable, "-c", LAYER], capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    assert found["tiles"] == 256
    assert 0.01 < found["error"] < 0.3
    assert found["bytes"] < 1e9, f"{found['bytes'] / 1e6:.0f} MB"
