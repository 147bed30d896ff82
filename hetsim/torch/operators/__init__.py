"""Rules by ATen operator, a file for each family."""

from __future__ import annotations

from collections.abc import Mapping

from hetsim.torch.call import Rule
from hetsim.torch.operators import moves, pointwise, products, reductions, windows

RULES: Mapping[str, Rule] = {
    **products.RULES, **pointwise.RULES, **moves.RULES, **reductions.RULES, **windows.RULES,
}  # fmt: skip
