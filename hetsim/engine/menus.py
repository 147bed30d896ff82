"""Menus: the components that an op may go to, by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hetsim.engine.memo import Memo
from hetsim.workload import Op


class Menu:
    """Components by number, in the order of the scenario, and the turn of each among them.

    Ops with equal menus share one object, so that memos may tell menus apart by identity.
    """

    __slots__ = ("numbers", "turns")

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers, self.turns = numbers, {c: k for k, c in enumerate(numbers)}

    def __len__(self) -> int:
        return len(self.numbers)


class Menus(Memo[Op, Menu]):
    """The menu of each op, whose components are given by name in ``options`` and by number in ``index``."""

    def __init__(self, options: Mapping[Op, Sequence[str]], index: Mapping[str, int]) -> None:
        super().__init__(lambda op: self._shared[tuple([index[name] for name in options[op]])])
        self._shared: Memo[tuple[int, ...], Menu] = Memo(Menu)
