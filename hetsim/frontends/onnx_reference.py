"""What onnxruntime makes of a whole ONNX file, and how far from it a run came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hetsim.errors import InputError

if TYPE_CHECKING:
    from hetsim.frontends.onnx_file import OnnxFile
    from hetsim.workload import Array

Feeds = Mapping[str, "Array"]


def whole(file: OnnxFile, threads: int = 1) -> Callable[[Feeds], Feeds]:
    """The file in onnxruntime, in float32 and as its optimiser will have it: inputs to outputs, by name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 4
    options.use_deterministic_compute = True
    try:
        session = onnxruntime.InferenceSession(str(file.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError.of(f"onnxruntime does not take {file.title}: {error}", "set scores: none") from None
    wanted = {given.name: given.dtype for given in file.inputs}

    def outputs(feeds: Feeds) -> Feeds:
        given = {name: feeds[name].astype(dtype, copy=False) for name, dtype in wanted.items()}
        return dict(zip(file.outputs, session.run(file.outputs, given), strict=True))

    return outputs


class Deviation:
    """How far outputs are from what they should be, over all requests, by output.

    It keeps the sums of squared differences and of squares, and the largest difference.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float, float]] = {}

    def add(self, outputs: Feeds, expected: Feeds) -> None:
        """Take in the outputs of a request, and what they should be."""
        import numpy as np

        for name, right in expected.items():
            wide = right.astype(np.float64)
            difference = outputs[name].astype(np.float64) - wide
            squares, size, largest = self._sums.get(name, (0.0, 0.0, 0.0))
            largest = max(largest, float(np.abs(difference).max(initial=0.0)))
            self._sums[name] = (squares + float(np.sum(difference**2)), size + float(np.sum(wide**2)), largest)

    def metrics(self) -> Mapping[str, float]:
        """``deviation.NAME``, relative, and ``max_difference.NAME``, in the output's unit."""
        out = {}
        for name, (difference, square, largest) in self._sums.items():
            out[f"deviation.{name}"] = float((difference / square) ** 0.5) if square else float(difference > 0)
            out[f"max_difference.{name}"] = float(largest)
        return out
