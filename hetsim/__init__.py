"""hetsim simulates machine learning on CPUs, GPUs, accelerators and memristive in-memory computing.

import hetsim

scenario = hetsim.load("mnist_heterogeneous")
result = hetsim.simulate(scenario)
result.plot("energy").savefig("energy.png")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hetsim.engine import simulate
    from hetsim.errors import HetsimError, InputError, RunError
    from hetsim.result import Result
    from hetsim.scenario import Scenario, load
    from hetsim.studies import StudyResult, study

__version__ = "0.1.0"
__all__ = [
    "HetsimError",
    "InputError",
    "Result",
    "RunError",
    "Scenario",
    "StudyResult",
    "__version__",
    "load",
    "simulate",
    "study",
]

_HOMES = {
    "HetsimError": "errors",
    "InputError": "errors",
    "Result": "result",
    "RunError": "errors",
    "Scenario": "scenario",
    "StudyResult": "studies",
    "load": "scenario",
    "simulate": "engine",
    "study": "studies",
}


def __getattr__(name: str) -> Any:
    # lazy, so that the command line starts without NumPy and the engine
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
