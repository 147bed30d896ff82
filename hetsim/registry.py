"""Registries of kinds: what a ``kind:`` in a file stands for."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from hetsim.errors import InputError

T = TypeVar("T", bound=type[Any])


class Registry(Mapping[str, Any]):
    """Classes by their ``kind``: of the modules of some packages, and of an entry-point group of others' packages.

    Write-once. A class registers itself when its module is imported. Asked for one kind, the registry imports the
    module of that name if there is one, and everything only if that does not help; asked for all, everything.
    """

    def __init__(self, noun: str, packages: Sequence[str], group: str) -> None:
        self._noun, self._packages, self._group = noun, packages, group
        self._kinds: dict[str, Any] = {}
        self._complete = False

    def register(self, kind: T) -> T:
        """Class decorator: make a class known under its ``kind``."""
        if self._kinds.setdefault(kind.kind, kind) is not kind:
            raise ValueError(f"{self._noun} kind {kind.kind!r} is registered twice")
        return kind

    def __getitem__(self, kind: str) -> Any:
        self._seek(kind)
        return self._kinds[kind]

    def __contains__(self, kind: object) -> bool:
        self._seek(kind)
        return kind in self._kinds

    def __iter__(self) -> Iterator[str]:
        self._import_all()
        return iter(sorted(self._kinds))

    def __len__(self) -> int:
        self._import_all()
        return len(self._kinds)

    def near(self, kind: object) -> bool:
        """Whether a kind is registered, or lives in a module of its name: nothing else is imported."""
        if kind not in self._kinds and not self._complete and isinstance(kind, str) and kind.isidentifier():
            for package in self._packages:
                name = f"{package}.{kind}"
                if importlib.util.find_spec(name) is not None:
                    importlib.import_module(name)
        return kind in self._kinds

    def _seek(self, kind: object) -> None:
        if not self.near(kind):
            self._import_all()

    def _import_all(self) -> None:
        if self._complete:
            return
        for package in self._packages:
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                importlib.import_module(f"{package}.{module.name}")
        for entry in importlib.metadata.entry_points(group=self._group):
            try:
                entry.load()
            except Exception as error:  # whatever another's package does wrong
                raise InputError.of(
                    f"the installed {self._noun} plug-in {entry.name!r} ({entry.value}) does not load: {error}",
                    "mend or uninstall the package that brings it",
                ) from error
        self._complete = True
