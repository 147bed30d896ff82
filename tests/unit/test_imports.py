"""The shape of the source: who may import whom, how long things may be, and that nothing is remembered.

`LAYERS` is the architecture: each module of ``hetsim`` belongs to one layer, and a layer may import itself
and what lies below it. A new module at the top of the package has to be given a layer here; one inside a
package (``hardware``, ``schedulers``, ``algorithms`` …) has its layer already.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hetsim"

# layer: (its modules, the layers right below it); what those may import, it may import too
LAYERS: dict[str, tuple[str, str]] = {
    "base": ("errors keys units registry document rows arrivals catalog data datasets figures files formats", ""),
    "workload": ("workload operators products traffic mix", "base"),
    "frontends": ("frontends algorithms", "numerics"),
    "numerics": ("numerics extensions sessions rewrites deferred", "workload"),
    "analog": ("analog", "base"),
    "hardware": ("hardware", "analog numerics workload"),
    "system": ("system", "hardware"),
    "schedulers": ("schedulers", "system"),
    "scenario": ("scenario kinds diagnosis resolve placement rules shaping", "schedulers"),
    "trace": ("spans power perfetto tables", "base"),
    "plots": ("plots", "trace"),
    "result": ("result", "plots"),
    "engine": ("engine", "scenario result"),
    "uses": ("studies library validate calibrate torch report", "engine frontends"),
    "cli": ("cli terminal __main__", "uses"),
}

# outside packages and the only places that may import them
ONLY = {
    "simpy": ("engine/",),
    "numba": ("kernels.py", "analog/kernels/"),
    "matplotlib": ("plots/", "report.py"),
    "typer": ("cli.py",),
    "ruamel": ("document.py",),
}

HEAVY = {"numpy", "numba", "matplotlib", "onnx", "onnxruntime", "simpy", "pyarrow", "scipy", "pandas"}

MODULE_LINES, FUNCTION_LINES = 350, 60  # the aim is 300 and 40


@dataclass(frozen=True)
class Import:
    """One module that a module imports; ``typing`` when only the type checker ever sees it."""

    target: str
    line: int
    typing: bool


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package."""
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): files[name] for name in sorted(files)}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Everything that the module imports anywhere, also inside functions."""
    for_types = {
        id(inner)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            targets = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} is a relative import"
            whole = [f"{node.module}.{name.name}" for name in node.names]
            targets = [name if name in modules() else str(node.module) for name in whole]
            if node.module == "hetsim":
                targets = [name for name in whole if name != "hetsim.__version__"]
        else:
            continue
        found += [Import(target, node.lineno, id(node) in for_types) for target in dict.fromkeys(targets)]
    return tuple(found)


def place(module: str, line: int) -> str:
    return f"{modules()[module].relative_to(ROOT)}:{line}"


def part(module: str) -> str:
    """The first name below ``hetsim``: what `LAYERS` speaks of."""
    return module.split(".")[1] if "." in module else ""


@cache
def layer(module: str) -> str:
    return next((name for name, (parts, _) in LAYERS.items() if part(module) in parts.split()), "")


@cache
def below(name: str) -> frozenset[str]:
    """The layer itself and all that it may import."""
    return frozenset({name}).union(*(below(lower) for lower in LAYERS[name][1].split()))


def at_run_time(module: str) -> Iterator[Import]:
    """Imports of our own modules that are really carried out.

    Those for the type checker alone are left out: they load nothing, cannot go round in a circle, and a low
    layer may name in an annotation what a higher one hands to it.
    """
    return (found for found in imports(module) if not found.typing and found.target.startswith("hetsim"))


# --- direction ---


def test_every_module_has_a_layer() -> None:
    homeless = sorted({part(module) for module in modules() if part(module) and not layer(module)})
    assert not homeless, f"give these a layer in LAYERS, and in docs/contributing.md: {homeless}"


def test_imports_run_one_way() -> None:
    wrong = [
        f"{place(module, found.line)} ({layer(module)}) imports {found.target} ({layer(found.target)})"
        for module in modules()
        if layer(module)
        for found in at_run_time(module)
        if part(found.target) and layer(found.target) not in below(layer(module))
    ]
    assert not wrong, "\n".join(["imports that run up:", *wrong])


def test_nobody_imports_through_the_public_face() -> None:
    wrong = [
        place(module, found.line)
        for module in modules()
        for found in at_run_time(module)
        if found.target == "hetsim" or (part(found.target) and found.target not in modules())
    ]
    assert not wrong, f"only __version__ is taken from hetsim itself: {wrong}"


def test_no_cycle_even_inside_functions() -> None:
    graph = {}
    for module in modules():
        # a module that lists the modules of its own package (a registry) does not need what the package opens
        targets = {found.target for found in at_run_time(module)}
        graph[module] = {name for name in targets if not f"{module}.".startswith(f"{name}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("modules import each other: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("package", sorted(ONLY))
def test_outside_packages_stay_in_their_places(package: str) -> None:
    wrong = []
    for module, file in modules().items():
        path = file.relative_to(PACKAGE).as_posix()
        if not any(path.startswith(p) if p.endswith("/") else path.endswith(p) for p in ONLY[package]):
            used = [i for i in imports(module) if not i.typing and i.target.partition(".")[0] == package]
            wrong += [place(module, found.line) for found in used]
    assert not wrong, f"{package} may be imported only in {ONLY[package]}: {wrong}"


def test_facts_and_questions_hold_no_python() -> None:
    shelves = [ROOT / "components", ROOT / "workloads", ROOT / "scenarios"]
    assert all(shelf.is_dir() for shelf in shelves)
    assert not [file for shelf in shelves for file in shelf.rglob("*.py*")]


# --- size ---


@pytest.mark.parametrize("module", sorted(modules()))
def test_modules_and_functions_are_short(module: str) -> None:
    lines = len(modules()[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{module} has {lines} lines"
    functions = [n for n in ast.walk(tree(module)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions}
    assert not {name: n for name, n in lengths.items() if n > FUNCTION_LINES}


# --- state ---

CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MAKERS = {"array", "bytearray", "count", "defaultdict", "deque", "dict", "list", "set", "Counter", "OrderedDict"}
CHANGES = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"}
CHANGES |= {"remove", "setdefault", "sort", "update"}
REGISTRY = "_KINDS"  # write-once registries of kinds: the only state that may outlive a run


def containers(module: str) -> set[str]:
    """Module-level names that are bound to something that can change."""
    found = set()
    for node in tree(module).body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        made = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in MAKERS
        if isinstance(node, ast.Assign | ast.AnnAssign) and (isinstance(value, CONTAINERS) or made):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def changed(module: str) -> Iterator[tuple[str, int]]:
    """Names, own or of another module, whose object the module changes in place."""
    for node in ast.walk(tree(module)):
        touched: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            touched = [node.func.value]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            touched = [node.value]
        elif isinstance(node, ast.AugAssign):
            touched = [node.target]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "next" and node.args:
            touched = [node.args[0]]
        for expression in touched:
            if isinstance(expression, ast.Name | ast.Attribute):
                yield expression.id if isinstance(expression, ast.Name) else expression.attr, node.lineno


@pytest.mark.parametrize("module", sorted(modules()))
def test_modules_remember_nothing(module: str) -> None:
    shared = set().union(*(containers(other) for other in modules())) - {REGISTRY, "__all__"}
    # of other modules' names only constants are looked for: a local variable may share a lower-case one
    mine = containers(module) | {name for name in shared if name.lstrip("_").isupper()}
    wrong = [f"{name} in line {line}" for name, line in changed(module) if name in mine and name != REGISTRY]
    wrong += [f"global in line {n.lineno}" for n in ast.walk(tree(module)) if isinstance(n, ast.Global)]
    assert not wrong, f"{module} changes what outlives a run: {wrong}"


# --- start-up ---


def python(script: str, *arguments: str) -> str:
    """What a script prints in a process of its own, in which it must not fail."""
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def loaded_by(*arguments: str) -> set[str]:
    """The top-level packages that a command has imported when it has succeeded."""
    script = """
import sys
from hetsim.cli import app
try:
    app(sys.argv[1:], prog_name="hetsim")
except SystemExit as end:
    if end.code: raise
print("", *{name.partition(".")[0] for name in sys.modules})
"""
    return set(python(script, *arguments).splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("--help") & (HEAVY | {"ruamel"})


def test_check_loads_nothing_heavy(tmp_path: Path) -> None:
    scenario = tmp_path / "two_tasks.yaml"
    scenario.write_text("""
system:
  components: {P1: {kind: abstract}, P2: {kind: abstract}}
  links: {net: {kind: ideal, bandwidth: 1 B/s, between: [P1, P2]}}
workload: {tasks: {a: {cost: {P1: 1 s}}, b: {cost: {P2: 2 s}, after: {a: 3 B}}}}
""")
    assert not loaded_by("check", str(scenario)) & HEAVY


def test_public_face_is_lazy_and_whole() -> None:
    script = """
import sys, hetsim
print(*sys.modules)
for name in hetsim.__all__: getattr(hetsim, name)
print(*hetsim.__all__)
"""
    loaded, names = (line.split() for line in python(script).splitlines())
    assert not HEAVY & set(loaded)
    assert len(names) <= 12
