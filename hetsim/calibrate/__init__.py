"""Calibration: measure this machine and write its datasheet.

`cpu` and `gpu` return a `Card`; ``card.write(path)`` makes the file. Every figure says whether it was measured here
or assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hetsim.calibrate.card import Card
    from hetsim.calibrate.timing import Progress

__all__ = ["cpu", "gpu"]


def cpu(threads: int | None = None, seconds: float = 40.0, progress: Progress | None = None) -> Card:
    """Measure this machine's CPU with onnxruntime on so many threads (by default all cores it may use).

    ``seconds`` is about how long it may take; ``progress(done, total)`` is called meanwhile. Returns the
    datasheet, of kind ``cpu``.
    """
    from hetsim.calibrate.cores import calibrated

    return calibrated(threads, seconds, progress)


def gpu(device: int = 0, seconds: float = 40.0, progress: Progress | None = None) -> Card:
    """Measure a CUDA device with torch. Returns its datasheet, of kind ``gpu``, with the table of measured times.

    Raises InputError when there is no torch or no such device.
    """
    from hetsim.calibrate import cuda
    from hetsim.calibrate.kernels import Suite

    return Suite(cuda.device(device), seconds, progress).card()
