"""Workload kind ``transformer``: a language model by its hyper-parameters, without numbers, for timing.

A request reads a prompt (prefill) and then makes tokens one by one (decode), each of which looks at the keys and values
of all before it. Keys and values of the past stay where attention runs, as weights do [Vaswani 2017; Pope 2023].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hetsim.errors import InputError
from hetsim.operators import arithmetic, matrix_view
from hetsim.workload import Call, Graph, Op, Program, Tensor, Workload, WorkloadSheet, register


class Shape(BaseModel):
    """Hyper-parameters. ``kv_heads`` is how many heads of keys and values the ``heads`` share (default: as many).

    ``gated`` feed-forward layers multiply two projections of the input, others apply ``Gelu`` to one. With
    ``positions`` these are looked up in a table of so many, without it they turn queries and keys (rotary). ``tied``:
    the table of tokens is the last layer's matrix too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int | None = Field(default=None, gt=0)
    feed_forward: int = Field(gt=0)
    vocabulary: int = Field(gt=0)
    positions: int | None = Field(default=None, gt=0)
    gated: bool = True
    biases: bool = False
    norm: Literal["rms", "layer"] = "rms"
    tied: bool = False
    dtype: Literal["float16", "bfloat16", "float32"] = "float16"

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % self.heads or self.heads % self.shared:
            raise ValueError(f"hidden {self.hidden}, heads {self.heads}, kv_heads {self.shared}: one does not divide")
        return self

    @property
    def shared(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def size(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads


class TransformerSheet(WorkloadSheet):
    """A language model and what it is asked: a ``prompt`` of so many tokens, and so many to ``generate``.

    With ``generate: 1`` a request is the prefill alone, which makes the first token.
    """

    transformer: Shape
    prompt: int = Field(gt=0)
    generate: int = Field(default=1, gt=0)
    batch: int = Field(default=1, gt=0)


@register
class Transformer(Workload):
    """A request is one prefill and a decode step for each further token. Weights have shapes only."""

    kind: ClassVar[str] = "transformer"
    sheet_type: ClassVar[type[WorkloadSheet]] = TransformerSheet
    passing: ClassVar[set[str]] = {*Workload.passing, "prompt", "generate", "batch"}
    sheet: TransformerSheet

    def __init__(self, sheet: TransformerSheet, folder: Path | None = None) -> None:
        super().__init__(sheet, folder)
        self._weights: dict[str, Tensor] = {}
        self._graphs: dict[int, Graph] = {}

    def _graph(self, past: int) -> Graph:
        """Prefill without a past, else a step behind so many tokens: one Graph each, so that plans are found again."""
        if past not in self._graphs:
            length = 1 if past else self.sheet.prompt
            step = _Step(self.sheet.transformer, self.sheet.batch, length, past, self._weights)
            self._graphs[past] = step.graph()
        return self._graphs[past]

    def graphs(self) -> Sequence[Graph]:
        """Prefill, the first and the last step: what lies between differs in the length of the past alone."""
        prompt, count = self.sheet.prompt, self.sheet.generate
        pasts = [0] + ([prompt, prompt + count - 2] if count > 1 else [])
        return [self._graph(past) for past in dict.fromkeys(pasts)]

    def program(self, request: int, numbers: bool) -> Program:
        if numbers:
            raise InputError.of("a transformer given by its hyper-parameters has no numbers", "set numerics: none")
        yield Call(self._graph(0), {})
        for token in range(self.sheet.generate - 1):
            yield Call(self._graph(self.sheet.prompt + token), {})
        return None


class _Step:
    """Builds the graph of ``length`` new tokens behind ``past`` others; used once."""

    def __init__(self, shape: Shape, batch: int, length: int, past: int, weights: dict[str, Tensor]) -> None:
        self._shape, self._batch, self._length, self._past = shape, batch, length, past
        self._weights, self._ops = weights, list[Op]()

    def graph(self) -> Graph:
        shape = self._shape
        tokens = Tensor("tokens", (self._batch, self._length), "int64")
        rows = (self._batch, self._length, shape.hidden)
        table = self._weight("embedding", shape.vocabulary, shape.hidden)
        x = self._append("Gather", "embed", (table, tokens), rows)
        if shape.positions is not None:
            places = self._weight("places", shape.positions, shape.hidden)
            x = self._append("Add", "placed", (x, self._append("Gather", "place", (places, tokens), rows)), rows)
        for i in range(shape.layers):
            x = self._layer(f"layer{i}", x)
        x = self._norm("norm", x)
        if self._length > 1:  # only the last token says which comes next
            x = self._append("Slice", "last", (x,), (self._batch, 1, shape.hidden))
        head = self._weight("embedding.transposed" if shape.tied else "head", shape.hidden, shape.vocabulary)
        logits = self._append("MatMul", "head", (x, head), (self._batch, 1, shape.vocabulary))
        token = self._append("ArgMax", "token", (logits,), (self._batch, 1, 1), "int64", axis=-1)
        return Graph("decode" if self._past else "prefill", self._ops, [tokens], [token])

    def _layer(self, at: str, x: Tensor) -> Tensor:
        """Attention and feed-forward, each behind a normalisation and beside a way around it."""
        shape, inputs = self._shape, self._norm(f"{at}.norm1", x)
        narrow = shape.shared * shape.size
        query = self._turned(f"{at}.query", self._dense(f"{at}.query", inputs, shape.hidden))
        key = self._turned(f"{at}.key", self._dense(f"{at}.key", inputs, narrow))
        value = self._dense(f"{at}.value", inputs, narrow)
        seen: list[Tensor | None] = [query, key, value]
        if self._past:
            cache = (self._batch, shape.shared, self._past, shape.size)
            names = (f"{at}.keys:{self._past}", f"{at}.values:{self._past}")
            seen += [None, *(Tensor(name, cache, shape.dtype, constant=True) for name in names)]
        context = self._append(
            "Attention", f"{at}.attention", seen, x.shape,
            q_num_heads=shape.heads, kv_num_heads=shape.shared, is_causal=int(self._length > 1),
        )  # fmt: skip
        x = self._append("Add", f"{at}.sum1", (self._dense(f"{at}.output", context, shape.hidden), x), x.shape)
        inputs = self._norm(f"{at}.norm2", x)
        wide = self._dense(f"{at}.up", inputs, shape.feed_forward)
        if shape.gated:
            gate = self._dense(f"{at}.gate", inputs, shape.feed_forward)
            gate = self._append("Swish", f"{at}.swish", (gate,), gate.shape)
            wide = self._append("Mul", f"{at}.gated", (gate, wide), wide.shape)
        else:
            wide = self._append("Gelu", f"{at}.gelu", (wide,), wide.shape)
        return self._append("Add", f"{at}.sum2", (self._dense(f"{at}.down", wide, shape.hidden), x), x.shape)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        rms = self._shape.norm == "rms"
        scale = [self._weight(f"{name}.{part}", self._shape.hidden) for part in ("scale", "shift")[: 1 if rms else 2]]
        return self._append("RMSNormalization" if rms else "LayerNormalization", name, (x, *scale), x.shape)

    def _dense(self, name: str, x: Tensor, width: int) -> Tensor:
        made = (*x.shape[:-1], width)
        y = self._append("MatMul", name, (x, self._weight(f"{name}.weight", x.shape[-1], width)), made)
        if self._shape.biases:
            y = self._append("Add", f"{name}.biased", (y, self._weight(f"{name}.bias", width)), made)
        return y

    def _turned(self, name: str, x: Tensor) -> Tensor:
        """Queries and keys turned by their positions [Su 2021], where those are not looked up."""
        if self._shape.positions is not None:
            return x
        return self._append("RotaryEmbedding", f"{name}.turned", (x,), x.shape)

    def _weight(self, name: str, *shape: int) -> Tensor:
        """One tensor for all graphs."""
        return self._weights.setdefault(name, Tensor(name, shape, self._shape.dtype, constant=True))

    def _append(
        self, kind: str, name: str, inputs: Sequence[Tensor | None], shape: Sequence[int], dtype: str = "",
        **attributes: Any,
    ) -> Tensor:  # fmt: skip
        made = Tensor(name, shape, dtype or self._shape.dtype)
        macs, element_ops = arithmetic(kind, attributes, inputs, (made,))
        view = matrix_view(kind, attributes, inputs, (made,))
        self._ops.append(Op(name, kind, tuple(inputs), (made,), attributes, None, macs, element_ops, view))
        return made
