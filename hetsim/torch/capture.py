"""Capture: a module as `torch.export` sees it, in core ATen operators, becomes an ONNX model of hetsim's operators."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from hetsim.errors import InputError, Problem
from hetsim.operators import OPSET
from hetsim.torch.call import CODES, Call, StoredMatrix, UnsupportedError, Value, Writer
from hetsim.torch.operators import RULES
from hetsim.workload import ITEM_BYTES

if TYPE_CHECKING:
    from hetsim.workload import Array

KEPT = ("linear", "scaled_dot_product_attention", "softplus")  # operators that are not taken apart
_IR = 10


@dataclass(frozen=True)
class Captured:
    """A module as a serialised ONNX ``model``: tensors ``inputs`` (name, shape, dtype) in, ``outputs`` out.

    ``takes`` and ``gives`` are PyTorch's descriptions of the structures of the arguments and of the result; where the
    result holds something that is no tensor, ``fixed`` has it by its position. ``stored`` are the parameters that
    crossbars can hold, by their names in the module.
    """

    model: bytes
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    outputs: tuple[str, ...]
    takes: Any
    gives: Any
    fixed: Mapping[int, Any]
    stored: Mapping[str, StoredMatrix]

    def tensors(self, arguments: Sequence[Any]) -> dict[str, Any]:
        """Arguments as tensors by input; InputError where they differ from what was captured."""
        given, structure = pytree.tree_flatten((tuple(arguments), {}))
        wanted = [f"{dtype} {list(shape)}" for _, shape, dtype in self.inputs]
        found = [f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" if isinstance(x, torch.Tensor)
                 else type(x).__name__ for x in given]  # fmt: skip
        if structure != self.takes or found != wanted:
            raise InputError.of(
                f"the module was captured for {', '.join(wanted)}; given are {', '.join(found) or 'no tensors'}",
                "shapes are fixed when a module is captured: compile it again for others",
            )
        return {name: x for (name, _, _), x in zip(self.inputs, given, strict=True)}

    def result(self, outputs: Mapping[str, Any]) -> Any:
        """Outputs by name in the structure of the module's own result."""
        named, count = iter(self.outputs), len(self.outputs) + len(self.fixed)
        flat = [self.fixed[i] if i in self.fixed else outputs[next(named)] for i in range(count)]
        return pytree.tree_unflatten(flat, self.gives)


def exported(module: Any, example: Sequence[Any]) -> Any:
    """The module in evaluation mode as an ExportedProgram of core ATen operators; its own state is copied."""
    if not isinstance(module, torch.nn.Module):
        raise InputError.of(f"a torch.nn.Module is expected, found {type(module).__name__}")
    for x in pytree.tree_leaves(tuple(example)):
        if not isinstance(x, torch.Tensor):
            raise InputError.of(f"example inputs are tensors, found {type(x).__name__}", "such as (images,)")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            still = copy.deepcopy(module).eval()
            program = torch.export.export(still, tuple(example))
            table = torch.export.default_decompositions()
            for name in KEPT:
                table.pop(getattr(torch.ops.aten, name).default, None)
            return program.run_decompositions(table)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        hint = "it must run on the example inputs, and its shapes and branches must not depend on their numbers"
        raise InputError.of(f"torch.export does not capture {type(module).__name__}: {lines[0]}", hint) from error


def capture(module: Any, example: Sequence[Any]) -> Captured:
    """The module for inputs of the example's shapes.

    Raises InputError for a module that `torch.export` does not take, and with every operator that has no rule.
    """
    return _Capture(exported(module, example)).captured()


class _Capture:
    """Walks an exported graph once, writing what each of its nodes comes to."""

    def __init__(self, program: Any) -> None:
        self._program, self._writer = program, Writer()
        self._values: dict[str, Any] = {}
        self._unknown: dict[str, list[str]] = {}
        self._inputs: list[tuple[str, tuple[int, ...], str]] = []
        self._outputs: list[Value] = []
        self._fixed: dict[int, Any] = {}

    def captured(self) -> Captured:
        self._refuse_mutations()
        self._take_inputs()
        for node in self._program.graph.nodes:
            if node.op == "call_function":
                self._take(node)
            elif node.op not in ("placeholder", "output"):
                self._miss(f"{node.op} {node.target}", node)
        self._refuse_unknown()
        self._give_outputs()
        spec = self._program.call_spec
        names = tuple(value.name for value in self._outputs)
        return Captured(
            self._model(), tuple(self._inputs), names, spec.in_spec, spec.out_spec, self._fixed, self._writer.stored
        )

    # --- what goes in ---

    def _take_inputs(self) -> None:
        """Inputs of the user, and parameters and buffers as constants under their names in the module."""
        fakes = {node.name: node.meta["val"] for node in self._program.graph.nodes if node.op == "placeholder"}
        specs = self._program.graph_signature.input_specs
        for spec in specs:
            if spec.kind != InputKind.USER_INPUT:
                value = Value(spec.target, fakes[spec.arg.name], spec.target)
                self._known(value, spec.target)
                self._writer.constant(_numbers(self._stored(spec)), spec.target)
                self._values[spec.arg.name] = value
        for spec in specs:
            if spec.kind == InputKind.USER_INPUT:
                value = Value(self._writer.named(spec.arg.name), fakes[spec.arg.name])
                self._inputs.append((value.name, value.shape, self._known(value, spec.arg.name)))
                self._values[spec.arg.name] = value

    def _stored(self, spec: Any) -> Any:
        state, constants = self._program.state_dict, self._program.constants
        return state[spec.target] if spec.target in state else constants[spec.target]

    def _known(self, value: Value, name: str) -> str:
        if value.dtype not in ITEM_BYTES or value.dtype == "bfloat16":
            raise InputError.of(f"tensor {name!r} has dtype {value.dtype}", "convert the module, such as by .float()")
        return value.dtype

    def _refuse_mutations(self) -> None:
        changed = [s.target for s in self._program.graph_signature.output_specs
                   if s.kind not in (OutputKind.USER_OUTPUT, OutputKind.LOSS_OUTPUT)]  # fmt: skip
        if changed:
            raise InputError.of(
                f"the module changes its own state when it runs: {', '.join(map(str, changed))}",
                "give the state as an input, and return it",
            )

    # --- what is done ---

    def _take(self, node: Any) -> None:
        """Write what a node comes to, or note that it is not known."""
        self._writer.begin(node.name)
        if node.target is operator.getitem:
            made = self._values[node.args[0].name][node.args[1]]
            if made is None:
                self._miss(f"{node.args[0].target} (its output {node.args[1]})", node)
                made = Value(node.name, node.meta["val"])
            self._values[node.name] = made
            return
        found = node.meta.get("val")
        made = None if found is None else self._made(node, found)  # a check makes nothing
        if isinstance(made, str):
            self._miss(made, node)
            made = None
        if made is None:  # carry on, to name all that is not known
            alone = not isinstance(found, tuple | list)
            made = Value(node.name, found) if alone else [Value(node.name, fake) for fake in found]
        self._values[node.name] = made

    def _made(self, node: Any, found: Any) -> Any:
        """What a node comes to; a text that says what is not known."""
        target = node.target
        if not isinstance(target, torch._ops.OpOverload):
            return str(target)
        flat = found if isinstance(found, tuple | list) else (found,)
        if any(not isinstance(x, torch.Tensor) or not all(isinstance(n, int) for n in x.shape)
               for x in flat if x is not None):  # fmt: skip
            return f"{target}, whose result depends on numbers,"
        args, kwargs = self._resolved(node.args), self._resolved(node.kwargs)
        call = Call(node.name, target, args, kwargs, found)
        if not any(isinstance(x, Value) for x in pytree.tree_leaves((args, kwargs))):
            return self._evaluated(target, args, kwargs)
        rule = RULES.get(call.overload) or RULES.get(call.operator)
        if rule is None:
            return str(target)
        try:
            return rule(self._writer, call)
        except UnsupportedError as error:
            return f"{target} in this form ({error})"
        except KeyError:
            return str(target)  # its overload has other arguments

    def _resolved(self, arguments: Any) -> Any:
        """Arguments with values in the place of nodes."""
        return torch.fx.node.map_arg(arguments, lambda node: self._values[node.name])

    def _evaluated(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What reads no tensor makes a constant, unless it draws random numbers."""
        if torch.Tag.nondeterministic_seeded in target.tags:
            return f"{target}, which draws random numbers,"
        made = target(*args, **kwargs)
        name = self._writer.named(f"constant {target}")
        return self._writer.constant(_numbers(made), name)

    def _miss(self, what: str, node: Any) -> None:
        self._unknown.setdefault(what, []).append(_told(node))

    def _refuse_unknown(self) -> None:
        if self._unknown:
            raise InputError(
                Problem(f"operator {what} is not known (nodes: {', '.join(nodes[:8])}"
                        + (f" and {len(nodes) - 8} more)" if len(nodes) > 8 else ")"),
                        "write this part of the module with other operators")
                for what, nodes in self._unknown.items()
            )  # fmt: skip

    # --- what comes out ---

    def _give_outputs(self) -> None:
        specs = self._program.graph_signature.output_specs
        for i, spec in enumerate(specs):
            if not isinstance(spec.arg, TensorArgument):
                self._fixed[i] = getattr(spec.arg, "value", None)
                continue
            value = self._values[spec.arg.name]
            name = "output" if len(specs) == 1 else f"output{i}"
            self._outputs.append(self._writer.given_out(value, name))

    def _model(self) -> bytes:
        from onnx import helper, numpy_helper

        read = {name for node in self._writer.nodes for name in node.input}
        stored = [numpy_helper.from_array(x, name) for name, x in self._writer.constants.items() if name in read]
        inputs = [helper.make_tensor_value_info(n, CODES[dtype], shape) for n, shape, dtype in self._inputs]
        outputs = [helper.make_tensor_value_info(v.name, CODES[v.dtype], v.shape) for v in self._outputs]
        graph = helper.make_graph(self._writer.nodes, "module", inputs, outputs, stored)
        opsets = [helper.make_opsetid("", OPSET)]
        model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString()
        return model


def _numbers(tensor: Any) -> Array:
    numbers: Array = tensor.detach().cpu().contiguous().numpy()
    return numbers


def _told(node: Any) -> str:
    """A node's name, and the part of the module that it belongs to."""
    stack = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values() if path]
    return f"{node.name} in {stack[-1]}" if stack else str(node.name)
