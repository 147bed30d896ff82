"""Operators in onnxruntime: the same op several times in a row, so that what surrounds it cancels out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.calibrate.timing import Call, Probe
from hetsim.operators import OPSET

if TYPE_CHECKING:
    import onnxruntime

    from hetsim.workload import Array

    Node = tuple[str, list[str], list[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bench:
    """onnxruntime on so many threads."""

    threads: int

    def each(
        self, kind: str, shape: Sequence[int], weight: Array | None = None, lengths: tuple[int, int] = (2, 6),
        **attributes: Any,
    ) -> Probe:  # fmt: skip
        """One op that keeps its input's shape, without what a call of the session takes.

        The op's second input is ``weight``, if there is one. It is timed in chains of two lengths.
        """
        return Probe([self._chain(kind, shape, weight, n, attributes) for n in lengths], lengths)

    def once(self, kind: str, inputs: Sequence[Array], weight: Array, **attributes: Any) -> Probe:
        """A call of one op on inputs and a stored ``weight``."""
        names = [f"x{i}" for i in range(len(inputs))]
        return Probe([self._call([(kind, [*names, "w"], ["y"], attributes)], inputs, weight)])

    def _chain(
        self, kind: str, shape: Sequence[int], weight: Array | None, length: int, attributes: dict[str, Any]
    ) -> Call:
        more = [] if weight is None else ["w"]
        ends = ["x0", *(f"y{i}" for i in range(1, length)), "y"]
        nodes = [(kind, [ends[i], *more], [ends[i + 1]], attributes) for i in range(length)]
        return self._call(nodes, [filled(shape)], weight)

    def _call(self, nodes: Sequence[Node], inputs: Sequence[Array], weight: Array | None) -> Call:
        import onnxruntime
        from onnx import ValueInfoProto, helper, numpy_helper

        def described(name: str, value: Array) -> Any:
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)

        feeds = {f"x{i}": value for i, value in enumerate(inputs)}
        graph = helper.make_graph(
            [helper.make_node(kind, ins, outs, **attributes) for kind, ins, outs, attributes in nodes],
            "chain",
            [described(name, value) for name, value in feeds.items()],
            [ValueInfoProto(name="y")],
            [] if weight is None else [numpy_helper.from_array(weight, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(self.threads), providers=["CPUExecutionProvider"]
        )
        return lambda: session.run(None, feeds)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options with which networks are timed: all optimisations, one op at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    return options


def filled(shape: Sequence[int], dtype: str = "float32", scale: float = 1.0) -> Array:
    """Numbers between 0 and ``scale``; small ones keep long chains of products finite and normal."""
    return (np.random.default_rng(list(shape)).random(shape) * scale).astype(dtype)
