"""Changes to ONNX nodes before they run: loops that must end, and kernels that are computed wider than stated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hetsim.errors import InputError

if TYPE_CHECKING:
    from hetsim.workload import Array, Op

MOST_LOOPS = 100_000  # iterations of a Loop, beyond which it is taken never to end
ENDLESS = f"a Loop that goes on beyond {MOST_LOOPS} iterations"
_WIDER = {"DFT": ("float32", 1, 11), "STFT": ("float32", 1, 11), "Attention": ("float16", 10, 1)}
# onnxruntime's kernels for these lose more than their dtype has: computed in the next wider one


def bounded(node: Any) -> None:
    """Let every Loop in a node, at whatever depth, fail when it goes on for too long; the node is changed in place.

    The condition of each body becomes true only if an element of an array of one is there to be taken, at the
    iteration's number over the bound, rounded down: beyond it there is none, and onnxruntime says so.
    """
    from onnx import helper

    for attribute in node.attribute:
        for body in (*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ())):
            for inner in body.node:
                bounded(inner)
            if node.op_type != "Loop" or len(body.input) < 2 or not body.output:
                continue
            condition, names = body.output[0].name, [f"~loop/{body.input[0].name}/{k}" for k in range(5)]
            most, yes, turn, going, both = names
            body.node.extend((
                helper.make_node("Constant", [], [most], value=helper.make_tensor("most", 7, [], [MOST_LOOPS])),
                helper.make_node("Constant", [], [yes], value=helper.make_tensor("yes", 9, [1], [1])),
                helper.make_node("Div", [body.input[0].name, most], [turn]),
                helper.make_node("Gather", [yes, turn], [going], name=ENDLESS),
                helper.make_node("And", [condition, going], [both]),
            ))  # fmt: skip
            body.output[0].name = both


def widened(made: list[Any], dtypes: Sequence[str | None], name: str) -> list[Any]:
    """The nodes of an op with casts around them, where its kernel is too coarse for its dtype."""
    from onnx import helper

    node = made[-1]
    dtype, narrow, wide = _WIDER.get(node.op_type, ("", 0, 0))
    if not dtype or dtypes[0] != dtype or len(node.output) > 1:
        return made
    before, after = [], []
    for i, (source, given) in enumerate(zip(list(node.input), dtypes, strict=False)):
        if given == dtype:
            node.input[i] = f"{name}in{i}"
            before.append(helper.make_node("Cast", [source], [node.input[i]], to=wide))
    for i, target in enumerate(list(node.output)):
        node.output[i] = f"{name}out{i}"
        after.append(helper.make_node("Cast", [node.output[i]], [target], to=narrow))
    return [*made[:-1], *before, node, *after]


def refuse(op: Op, inputs: Sequence[Array | None]) -> None:
    """Raise InputError where onnxruntime is known to compute something else than ONNX says, and does not tell."""
    doubt = REFUSED.get(op.kind)
    why = doubt(op, inputs) if doubt else ""
    if why:
        raise InputError.of(f"op {op.name!r} ({op.kind}): {why}", "use numerics: none, or another form of the operator")


def _resize(op: Op, inputs: Sequence[Array | None]) -> str:
    scales = inputs[2] if len(inputs) > 2 else None
    aligned = op.attributes.get("coordinate_transformation_mode") == "align_corners"
    if not aligned or scales is None or not scales.size or inputs[0] is None:
        return ""
    sizes = [n * float(scale) for n, scale in zip(inputs[0].shape, scales, strict=False)]
    whole = all(abs(size - round(size)) < 1e-4 for size in sizes)
    return "" if whole else "onnxruntime rounds the resized length before it aligns corners"


def _unpool(op: Op, inputs: Sequence[Array | None]) -> str:
    return "onnxruntime takes indices to be of the default output shape" if len(inputs) > 2 else ""


def _attention(op: Op, inputs: Sequence[Array | None]) -> str:
    masked = op.attributes.get("is_causal") and op.attributes.get("qk_matmul_output_mode", 0) > 0
    cached = len(inputs) > 4 and inputs[4] is not None
    wrong = masked and cached and len(op.outputs) > 3
    return "onnxruntime leaves the mask out of the scores that it gives out" if wrong else ""


def _dropout(op: Op, inputs: Sequence[Array | None]) -> str:
    ratio, training = (inputs[i] if len(inputs) > i else None for i in (1, 2))
    drops = training is not None and training.any() and (ratio is None or ratio.any())
    return "random numbers would differ from run to run" if drops else ""


def _random(op: Op, inputs: Sequence[Array | None]) -> str:
    return "random numbers would differ from run to run"


REFUSED: Mapping[str, Callable[[Op, Sequence[Array | None]], str]] = {
    "Resize": _resize, "MaxUnpool": _unpool, "Attention": _attention, "Dropout": _dropout,
    **dict.fromkeys(("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
                     "Bernoulli"), _random),
}  # fmt: skip
