"""Registries: a kind by its name, all of them, and what a plug-in may do wrong."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from types import ModuleType

import pytest

from hetsim.errors import InputError
from hetsim.registry import Registry


def test_only_the_module_of_a_kinds_name_is_imported() -> None:
    script = (
        "import sys; from hetsim.schedulers.scheduler import scheduler_kinds; assert 'greedy' in scheduler_kinds(); "
        "assert 'hetsim.schedulers.greedy' in sys.modules and 'hetsim.schedulers.round_robin' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_kind_is_registered_once() -> None:
    registry = Registry("thing", (), "hetsim.none")

    class One:
        kind = "one"

    class Other:
        kind = "one"

    assert registry.register(One) is registry.register(One)
    with pytest.raises(ValueError, match="thing kind 'one' is registered twice"):
        registry.register(Other)
    assert list(registry) == ["one"] and "two" not in registry


def test_a_plug_in_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ModuleType("broken_plug_in")
    monkeypatch.setitem(sys.modules, "broken_plug_in", broken)
    entry = importlib.metadata.EntryPoint("mine", "broken_plug_in:Missing", "hetsim.things")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [entry])
    with pytest.raises(InputError, match=r"thing plug-in 'mine' \(broken_plug_in:Missing\) does not load"):
        list(Registry("thing", (), "hetsim.things"))
