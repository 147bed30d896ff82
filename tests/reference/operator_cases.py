"""ONNX's own operator tests through hetsim's frontend, engine and a CPU component.

Run as a program it writes ``onnx_operators.csv``: every case that does not pass, and why.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from hetsim.engine.run import Run
from hetsim.errors import InputError, RunError
from hetsim.scenario import load

LISTED = Path(__file__).with_name("onnx_operators.csv")
PLAIN = frozenset(
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)


@cache
def cases() -> dict[str, Any]:
    """Every case by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: case for case in collect_testcases(None)}


def outcome(name: str, folder: Path) -> str:
    """Empty for a case that passes, else why it does not: hetsim's error, or ``WRONG`` and what differs.

    ``ROUNDING`` is a difference below a millionth of the largest number, that the case's own tolerance does not allow.
    """
    case = cases()[name]
    try:
        for inputs, expected in case.data_sets:
            got = answer(case.model, [plain(value) for value in inputs], folder)
            for right, value in zip(expected, got, strict=True):
                different = difference(plain(right), value, case.rtol, case.atol)
                if different:
                    return different
    except (InputError, RunError) as error:
        return " ".join(str(error).splitlines()[0].replace(f"{folder}/", "").split())[:200]
    return ""


def answer(model: onnx.ModelProto, inputs: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    """The outputs of a model on a CPU, in the file's order and dtypes."""
    (folder / "case.onnx").write_bytes(model.SerializeToString())
    names = [given.name for given in model.graph.input]
    np.savez(folder / "inputs.npz", **dict(zip(names, inputs, strict=False)))
    scenario = load({
        "system": {"components": {"cpu": {"use": "cpus/xeon_platinum_8180"}}},
        "workload": {"onnx": str(folder / "case.onnx"), "inputs": str(folder / "inputs.npz"), "scores": "deviation"},
    })  # fmt: skip
    run = Run(scenario)
    run.go()
    _, outputs = run.sources[0].answers[0]
    return list(outputs.values())


def plain(value: Any) -> np.ndarray:
    """A value of a case as an array; InputError for what is no array of plain numbers."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if value is None or isinstance(value, list | dict | onnx.SequenceProto | onnx.OptionalProto):
        raise InputError.of("the case has sequences or optional values")
    array = np.asarray(value)
    if array.dtype.name not in PLAIN:
        raise InputError.of(f"the case has values of dtype {array.dtype.name}")
    return array


def difference(right: np.ndarray, value: np.ndarray, rtol: float, atol: float) -> str:
    if right.dtype != value.dtype:
        return f"WRONG dtype {value.dtype}, not {right.dtype}"
    if right.shape != value.shape:
        return f"WRONG shape {value.shape}, not {right.shape}"
    if np.allclose(value, right, rtol, atol, equal_nan=True):
        return ""
    off = np.abs(value.astype(np.float64) - right.astype(np.float64)).max()
    largest = np.abs(right.astype(np.float64)).max()
    return f"{'ROUNDING' if off < 1e-6 * largest else 'WRONG'} off by {off:.2g} of {largest:.3g}"


def failures(names: Iterator[str]) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            why = outcome(name, Path(folder))
            if why:
                yield name, why


if __name__ == "__main__":
    found = list(failures(iter(cases())))
    with LISTED.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("case", "reason"), *found])
    sys.stdout.write(f"{len(cases()) - len(found)} of {len(cases())} pass\n")
