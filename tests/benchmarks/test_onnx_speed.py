"""What a digital ONNX run with numbers costs, against onnxruntime on the same file, in the same run.

Two threads each, batch 16 (1 where the file fixes it); the simulation is included, building sessions and graphs is
told apart. onnxruntime has its own defaults. Both take turns; the figures are printed, never asserted.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

from hetsim.engine.run import Run
from hetsim.scenario import load
from tests.reference.trained_models import MODELS

REQUESTS = 10


def alone(path: str, feeds: dict[str, np.ndarray]) -> tuple[float, float]:
    """Seconds to open a session, and of a run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 4
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    session.run(None, feeds)
    opened = time.perf_counter()
    for _ in range(REQUESTS):
        session.run(None, feeds)
    return opened - started, (time.perf_counter() - opened) / REQUESTS


def simulated(block: dict[str, object]) -> tuple[float, float]:
    """Seconds until the first request is done, and of each request after it."""
    system = {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}}
    traffic = {"kind": "closed", "requests": REQUESTS + 1}
    ends: list[float] = []
    started = time.perf_counter()
    question = {"system": system, "workload": {**block, "scores": "none"}, "traffic": traffic, "threads": 2}
    Run(load(question), lambda done, total: ends.append(time.perf_counter())).go()
    return ends[0] - started, (ends[-1] - ends[0]) / REQUESTS


@pytest.mark.parametrize("name", sorted(MODELS))
def test_against_onnxruntime(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if MODELS[name].path() is None:
        pytest.skip(f"{MODELS[name].package} is not installed (see tests/reference/trained_models.py)")
    block = MODELS[name].workload(tmp_path, 16)
    with np.load(tmp_path / "inputs.npz") as file:
        feeds = {key: file[key] for key in file.files}
    rounds = [(alone(block["onnx"], feeds), simulated(block)) for _ in range(5)]
    ratio = statistics.median(ours[1] / theirs[1] for theirs, ours in rounds)
    first = statistics.median(ours[0] / theirs[0] for theirs, ours in rounds)
    each = statistics.median(theirs[1] for theirs, _ in rounds)
    with capsys.disabled():
        print(f"\n{name}: {ratio:.2f} times onnxruntime's {each * 1e3:.1f} ms (aim 3); to the first answer {first:.1f}")
