"""The physics of memristive crossbars, usable on its own: NumPy in, NumPy out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hetsim.analog.device import DeviceSheet
from hetsim.analog.macro import MacroSheet

if TYPE_CHECKING:
    from hetsim.analog.crossbar import Crossbar, Reading

__all__ = ["Crossbar", "DeviceSheet", "MacroSheet", "Reading"]


def __getattr__(name: str) -> Any:
    """Import what needs NumPy when it is first used: datasheets are read without it."""
    if name in ("Crossbar", "Reading"):
        from hetsim.analog import crossbar

        return getattr(crossbar, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
