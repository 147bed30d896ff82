"""Products of an in-memory computing chip: what goes into its crossbars, and what digital logic makes of what comes
out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hetsim.analog.bank import Stored
    from hetsim.analog.windows import Windows
    from hetsim.hardware.component import Moment
    from hetsim.workload import Array, Op


def lowered(op: Op, inputs: Sequence[Array | None]) -> tuple[Sequence[Array | Windows], Callable[[], Array]]:
    """The vectors of each group, and a way to their matrices [G, K, N], see `hetsim.numerics.lower`; vectors that a
    convolution takes from images stay there."""
    from hetsim.analog.windows import Windows
    from hetsim.numerics import as_stated, geometry, kernels, lower

    if not _whole_images(op):
        x, w = lower(op, inputs)
        return (list(x), lambda: w) if w.ndim == 3 else ([x], lambda: w[None])
    images, weights, *_ = as_stated(op, inputs)
    assert images is not None and weights is not None
    strides, pads, dilations = geometry(op, 2)
    kernel, strides, dilations = ((pair[0], pair[1]) for pair in (weights.shape[2:], strides, dilations))
    return [Windows.of(images, kernel, strides, pads, dilations)], lambda: kernels(op, weights)[None]


def _whole_images(op: Op) -> bool:
    """Whether the op is a convolution of all channels of images."""
    images, weights, *_ = op.inputs
    assert images is not None and weights is not None
    return op.kind == "Conv" and len(images.shape) == 4 and images.shape[1] == weights.shape[1]


def finished(op: Op, values: Array, inputs: Sequence[Array | None]) -> Array:
    """Products with what digital logic adds, as the op's output; see `hetsim.numerics.finish`."""
    import numpy as np

    from hetsim.numerics import finish, lift

    output, bias = op.outputs[0], inputs[2] if len(inputs) > 2 else None
    if not (_whole_images(op) and output.dtype == "float32" and op.activation in (None, "Relu")):
        return finish(op, lift(op, values), inputs)
    from hetsim.analog.kernels import images_of

    made = np.empty((output.shape[0], output.shape[1], values.shape[0] // output.shape[0]), np.float32)
    added = np.zeros(output.shape[1], np.float32) if bias is None else bias.reshape(-1)
    images_of(values, np.ascontiguousarray(added, np.float32), op.activation is not None, made)
    return made.reshape(output.shape)


def products(
    x: Sequence[Array | Windows], kept: Stored, moment: Moment, time: float, signed: bool, flipped: bool
) -> tuple[Array, float, Mapping[str, float]]:
    """Products of each group, [G, M, N], or of the only one, [M, N], the joules that cells dissipated, and what is
    counted."""
    import numpy as np

    from hetsim.keys import key

    mode: Literal["analog", "ideal"] = "ideal" if moment.ideal else "analog"
    readings = [
        layer.mvm(vectors, time, key(moment.key, g), mode, signed=signed, transposed=flipped)
        for g, (layer, vectors) in enumerate(zip(kept.layers, x, strict=True))
    ]
    counts = {
        "adc_conversions": float(sum(r.conversions for r in readings)),
        "adc_clipped": float(sum(r.clipped for r in readings)),
    }
    if any(r.checked for r in readings):
        counts["an_checked"] = float(sum(r.checked for r in readings))
        counts["an_wrong"] = float(sum(r.wrong for r in readings))
    values = [r.values for r in readings]
    return values[0] if len(values) == 1 else np.stack(values), sum(r.joules for r in readings), counts
