"""Digital numbers put off until somebody looks at them, so that ops that follow each other are computed as one.

What a part computes in plain float32 depends on its inputs alone, not on when: so an op's outputs are only promised
when it starts, and worked out with all that was promised before them, in one onnxruntime session, when an analog part
or the host needs one of them. onnxruntime then fuses and orders them as it would in the whole network.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from hetsim.numerics import fitted, run
from hetsim.rewrites import REFUSED
from hetsim.sessions import Described, form, nodes, opened, opsets, wired

if TYPE_CHECKING:
    import onnxruntime

    from hetsim.workload import Array, Op, Tensor

_EMBEDDED = 1 << 30  # bytes of weights that a session's model may hold: a protocol buffer ends at 2 GiB


class Promise:
    """An output that is worked out when it is first taken. Dropping it says that nobody will."""

    __slots__ = ("__weakref__", "_pool", "tensor", "value")

    def __init__(self, pool: Pool, tensor: Tensor) -> None:
        self._pool, self.tensor = pool, tensor
        self.value: Array | None = None

    def take(self) -> Array:
        """The numbers."""
        if self.value is None:
            self._pool.settle()
        assert self.value is not None
        return self.value


def taken(value: Any) -> Any:
    """The numbers of a promise; anything else as it is."""
    return value.take() if isinstance(value, Promise) else value


def may_wait(op: Op) -> bool:
    """Whether an op of an ONNX file can be computed along with others: its own words stand, and nothing is refused."""
    if op.written is None or op.kind in REFUSED:
        return False
    return not (op.kind == "Conv" and op.outputs[0].dtype == "float64")


class Pool:
    """The ops of one run of a graph that were started and are not computed yet."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._ops: list[Op] = []
        self._feeds: dict[str, Array] = {}
        self._made: dict[str, weakref.ref[Promise]] = {}

    def promise(self, op: Op, inputs: Sequence[Any]) -> tuple[Promise, ...]:
        """Outputs of an op, for inputs that follow ``op.inputs``: arrays or promises; constants are the op's own."""
        for tensor, value in zip(op.inputs, inputs, strict=True):
            if tensor is None or tensor.constant or tensor.name in self._made:
                continue
            self._feeds[tensor.name] = taken(value)
        promises = tuple(Promise(self, tensor) for tensor in op.outputs)
        self._ops.append(op)
        self._made.update((t.name, weakref.ref(p)) for t, p in zip(op.outputs, promises, strict=True))
        return promises

    def settle(self) -> None:
        """Compute all that was promised and is still wanted."""
        ops, made, values = self._ops, self._made, self._feeds
        self._ops, self._made, self._feeds = [], {}, {}
        parts = [tuple(part) for _, part in groupby(ops, opsets)]
        for i, part in enumerate(parts):
            later = {t.name for other in parts[i + 1 :] for op in other for t in op.moving}
            alive = [t.name for op in part for t in op.outputs if made[t.name]() is not None or t.name in later]
            values.update(_computed(part, values, tuple(alive), self._threads))
        for name, reference in made.items():
            promise = reference()
            if promise is not None:
                promise.value = values[name]


def _computed(ops: tuple[Op, ...], values: dict[str, Array], wanted: tuple[str, ...], threads: int) -> dict[str, Array]:
    """The wanted tensors of ops that feed each other and are fed by ``values``."""
    if not wanted:
        return {}
    stored = sum(t.nbytes for op in ops for t in op.constants)
    if len(ops) == 1 or stored > _EMBEDDED:
        return _one_by_one(ops, values, threads)
    try:
        return together(ops, values, wanted, threads)
    except Exception:  # name the op that fails, or do without what onnxruntime makes of them together
        return _one_by_one(ops, values, threads)


def together(ops: tuple[Op, ...], values: dict[str, Array], wanted: tuple[str, ...], threads: int) -> dict[str, Array]:
    """The wanted tensors, by one session of all ops."""
    feeds = _outside(ops)
    arrays = {f"~{name}": values[name].astype(dtype, copy=False) for name, dtype in feeds}
    session = _session(ops, tuple((n, d, values[n].shape) for n, d in feeds), wanted, threads)
    results = session.run(None, arrays)
    makers = {t.name: (op, k) for op in ops for k, t in enumerate(op.outputs)}
    return {name: fitted(*makers[name], y) for name, y in zip(wanted, results, strict=True)}


def _one_by_one(ops: Iterable[Op], values: dict[str, Array], threads: int) -> dict[str, Array]:
    known = dict(values)
    for op in ops:
        inputs = [None if t is None else t.value if t.constant else known[t.name] for t in op.inputs]
        known.update(zip((t.name for t in op.outputs), run(op, inputs, threads), strict=True))
    return known


@lru_cache(maxsize=256)
def _outside(ops: tuple[Op, ...]) -> tuple[tuple[str, str], ...]:
    """Name and dtype of the tensors that ops read and none of them makes."""
    made = {t.name for op in ops for t in op.outputs}
    return tuple({t.name: wired(op, t) for op in ops for t in op.moving if t.name not in made}.items())


@lru_cache(maxsize=64)
def _session(
    ops: tuple[Op, ...], feeds: tuple[tuple[str, str, tuple[int, ...]], ...], wanted: tuple[str, ...], threads: int
) -> onnxruntime.InferenceSession:
    """A session of ops that feed each other. What an op reads in another shape than it was made in, is reshaped."""
    from onnx import helper

    shapes = {name: shape for name, _, shape in feeds} | {t.name: t.shape for op in ops for t in op.outputs}
    constants: dict[str, Array] = {}
    made: list[Any] = []
    for number, op in enumerate(ops):
        inputs: list[str] = []
        for tensor in op.inputs:
            if tensor is None:
                inputs.append("")
                continue
            name = f"~{tensor.name}"
            if tensor.constant:
                constants[name] = tensor.value.astype(wired(op, tensor), copy=False).reshape(tensor.shape)
            elif shapes[tensor.name] != tensor.shape:
                target, seen = f"~shape/{tensor.shape}", f"{name}/{number}.{len(inputs)}"
                constants[target] = np.array(tensor.shape, np.int64)
                made.append(helper.make_node("Reshape", [name, target], [seen]))
                if 0 in tensor.shape:
                    made[-1].attribute.append(helper.make_attribute("allowzero", 1))
                name = seen
            inputs.append(name)
        dtypes = [None if t is None else wired(op, t) for t in op.inputs]
        made += nodes(form(op, dtypes), inputs, [f"~{t.name}" for t in op.outputs], str(number))
    described: dict[str, Described] = {f"~{name}": (dtype, shape) for name, dtype, shape in feeds}
    outputs = [f"~{name}" for name in wanted]
    return opened(made, described, outputs, opsets(ops[0]), threads, constants, many=True)
