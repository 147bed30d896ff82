"""Devices of the library, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from hetsim.analog.device import DeviceSheet
from hetsim.catalog import filled, locate, stripped
from hetsim.document import read


def shipped_device(name: str, **changes: Any) -> DeviceSheet:
    """A device datasheet of the library, with changes."""
    path = locate(f"devices/{name}")
    data = filled(stripped(read(path)[0]), [path.parent]).plain()
    return DeviceSheet.model_validate(data | changes)


def levels_of(device: DeviceSheet, codes: np.ndarray) -> np.ndarray:
    """Siemens that programming aims at for level numbers."""
    return device.nearest((device.g_min + device.step * codes).astype(np.float32))
