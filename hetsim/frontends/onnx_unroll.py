"""Recurrent layers as their matrix products, step by step, so that hardware can hold their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hetsim.frontends.onnx_nodes import Node
from hetsim.workload import Tensor

if TYPE_CHECKING:
    from hetsim.workload import Array

_DIRECTIONS = {"forward": (1,), "reverse": (-1,), "bidirectional": (1, -1)}


def unrolls(node: Node, constants: Sequence[Tensor | None]) -> bool:
    """Whether a node is a recurrent layer that can be unrolled: an LSTM in its plain form, with stored weights.

    ``constants`` are its inputs where they are stored. Plain is: time first, all sequences of the same length, no
    peepholes, no bounds, and the activations that are the operator's defaults.
    """
    given = [name != "" for name in node.inputs] + [False] * 8
    odd = {
        "activations",
        "activation_alpha",
        "activation_beta",
        "clip",
        "input_forget",
        "layout",
    } & node.attributes.keys()
    stored = len(constants) > 2 and None not in (constants[1], constants[2])
    biased = not given[3] or constants[3] is not None
    return node.kind == "LSTM" and stored and biased and not given[4] and not given[7] and not odd


class Unrolled:
    """The nodes that an LSTM over ``steps`` steps comes to [Hochreiter 1997; gates as ONNX orders them: i, o, f, c].

    One product for the inputs of all steps, then one for the state of each step. ``constants`` holds the weights as
    they are multiplied, [inputs, 4 H] and [H, 4 H], and what else is stored.
    """

    def __init__(self, node: Node, steps: int, batch: int, stored: Sequence[Tensor | None]) -> None:
        self._node, self._stored, self._batch = node, stored, batch
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self._hidden = int(node.attributes["hidden_size"])
        ways = _DIRECTIONS[str(node.attributes.get("direction", "forward"))]
        ends = [self._direction(d, way, len(ways), steps) for d, way in enumerate(ways)]
        outputs = [*node.outputs, "", ""][:3]
        for name, parts, axis in zip(outputs, zip(*ends, strict=True), (1, 0, 0), strict=True):
            if name and len(parts) == 1:
                self._append("Identity", parts[:1], name)
            elif name:
                self._append("Concat", parts, name, axis=axis)

    def _direction(self, d: int, way: int, ways: int, steps: int) -> tuple[str, str, str]:
        """Hidden states of all steps [T, 1, B, H], the last one and the last cell state [1, B, H]."""
        size, here = self._hidden, f"{self._node.name}/{d}"
        inputs = self._append("MatMul", (self._node.inputs[0], self._weights(1, d)), f"{here}/inputs")
        if self._stored[3:4] and self._stored[3] is not None:
            inputs = self._append("Add", (inputs, self._bias(d)), f"{here}/biased")
        each = [f"{here}/input{t}" for t in range(steps)]
        self._append("Split", (inputs, self._numbers(f"{here}/ones", [1] * steps)), *each, axis=0)
        weights = self._weights(2, d)
        parts, gates = self._numbers(f"{here}/parts", [3 * size, size]), self._numbers(f"{here}/gates", [size] * 3)
        hidden, cell = self._start(5, d, ways), self._start(6, d, ways)
        states = [""] * steps
        for t in range(steps)[::way]:
            at = f"{here}/{t}"
            product = self._append("MatMul", (hidden, weights), f"{at}/state")
            total = self._append("Add", (each[t], product), f"{at}/sum")
            self._append("Split", (total, parts), f"{at}/iof", f"{at}/c", axis=-1)
            opened = self._append("Sigmoid", (f"{at}/iof",), f"{at}/open")
            self._append("Split", (opened, gates), f"{at}/i", f"{at}/o", f"{at}/f", axis=-1)
            fresh = self._append("Tanh", (f"{at}/c",), f"{at}/fresh")
            kept = self._append("Mul", (f"{at}/f", cell), f"{at}/kept")
            added = self._append("Mul", (f"{at}/i", fresh), f"{at}/added")
            cell = self._append("Add", (kept, added), f"{at}/cell")
            bounded = self._append("Tanh", (cell,), f"{at}/bounded")
            states[t] = hidden = self._append("Mul", (f"{at}/o", bounded), f"{at}/hidden")
        whole = self._append("Concat", states, f"{here}/all", axis=0)
        axes = self._numbers(f"{here}/axis", [1])
        return self._append("Unsqueeze", (whole, axes), f"{here}/states"), hidden, cell

    def _append(self, kind: str, inputs: Sequence[str], *outputs: str, **attributes: int) -> str:
        self.nodes.append(Node(outputs[0], kind, tuple(inputs), outputs, attributes))
        return outputs[0]

    # --- what is stored ---

    def _keep(self, name: str, shape: Sequence[int], load: Callable[[], Array], dtype: str = "float32") -> str:
        self.constants[name] = Tensor(name, shape, dtype, load=load)
        return name

    def _numbers(self, name: str, numbers: list[int]) -> str:
        def load() -> Array:
            import numpy as np

            return np.array(numbers, np.int64)

        return self._keep(name, (len(numbers),), load, "int64")

    def _weights(self, position: int, d: int) -> str:
        """The matrix of a direction, transposed."""
        source = self._stored[position]
        assert source is not None
        _, rows, columns = source.shape
        return self._keep(f"{source.name}/{d}", (columns, rows), lambda: source.value[d].T.copy())

    def _bias(self, d: int) -> str:
        """The biases of inputs and state, which are only ever added."""
        source = self._stored[3]
        assert source is not None
        half = 4 * self._hidden
        return self._keep(f"{source.name}/{d}", (half,), lambda: source.value[d][:half] + source.value[d][half:])

    def _start(self, position: int, d: int, ways: int) -> str:
        """The state before the first step [1, B, H]: given, or zero."""
        name = self._node.inputs[position] if len(self._node.inputs) > position else ""
        if not name:
            shape = (1, self._batch, self._hidden)

            def zeros() -> Array:
                import numpy as np

                return np.zeros(shape, np.float32)

            return self._keep(f"{self._node.name}/{d}/zero", shape, zeros)
        if ways == 1:
            return name
        split = [f"{self._node.name}/{name}/{k}" for k in range(ways)]
        if d == 0:
            self._append("Split", (name, self._numbers(f"{self._node.name}/{name}/ones", [1] * ways)), *split, axis=0)
        return split[d]
