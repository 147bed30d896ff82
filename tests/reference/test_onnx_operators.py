"""ONNX's own operator tests, run as a user's network on a CPU.

Cases that do not pass are listed with their reasons in ``onnx_operators.csv``. A reason is hetsim's own error, so that
a person is told; a wrong number would be listed as ``WRONG``, and there is none. The file changes, by running
``operator_cases.py``, when onnx brings other cases or onnxruntime computes more of them.
"""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from onnx import __version__ as onnx_version
from onnxruntime import __version__ as onnxruntime_version

from tests.reference.operator_cases import LISTED, cases, outcome

SAMPLE = 12  # every so many cases are always run
WRITTEN_WITH = ("1.23.2", "1.32.0")  # versions of onnx and onnxruntime


@cache
def listed() -> dict[str, str]:
    with LISTED.open(newline="") as file:
        return dict(list(csv.reader(file))[1:])


def test_nothing_that_is_listed_is_a_wrong_number() -> None:
    reasons = Counter(reason.split()[0] for reason in listed().values())
    assert "WRONG" not in reasons
    assert reasons["ROUNDING"] <= 4


def _is_told(name: str, why: str) -> bool:
    """Whether a case passes, or is listed and fails with words."""
    return not why or (name in listed() and not why.startswith("WRONG"))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_sample_of_the_cases_passes(tmp_path: Path) -> None:
    names = sorted(cases())[::SAMPLE]
    results = {name: outcome(name, tmp_path) for name in names}
    assert not {name: why for name, why in results.items() if not _is_told(name, why)}
    assert sum(not why for why in results.values()) > 0.75 * len(names)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_cases_pass_but_those_that_are_listed(tmp_path: Path) -> None:
    results = {name: outcome(name, tmp_path) for name in cases()}
    assert not {name: why for name, why in results.items() if not _is_told(name, why)}
    assert sum(not why for why in results.values()) >= 1430
    if (onnx_version, onnxruntime_version) == WRITTEN_WITH:
        assert {name for name, why in results.items() if why} == listed().keys()
    else:
        warnings.warn("the list was written with other versions of onnx and onnxruntime", stacklevel=1)
