"""PyTorch on simulated hardware: `compile` runs a module on it, `harden` trains a module for its devices.

Needs PyTorch (``pip install 'hetsim[torch]'``); nothing else of hetsim imports it.

import hetsim.torch

compiled = hetsim.torch.compile(module, (images,), system="mnist_heterogeneous", seed=7)
scores = compiled(images)
compiled.result.plot("energy").savefig("energy.png")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hetsim.torch.compiled import Compiled, compile
    from hetsim.torch.hardening import Noise, harden

__all__ = ["Compiled", "Noise", "compile", "harden"]

_HOMES = {"Compiled": "compiled", "Noise": "hardening", "compile": "compiled", "harden": "hardening"}


def __getattr__(name: str) -> Any:
    # lazy, so that the lack of PyTorch is told in words when it is needed
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        importlib.import_module("torch.export")
    except ImportError as error:
        from hetsim.errors import InputError

        raise InputError.of(f"PyTorch cannot be imported: {error}", "pip install 'hetsim[torch]'") from None
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
