"""Input that a person has to change: what is said, with which exit status, and that nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pair import CPU, PAIR
from typer.testing import CliRunner

import hetsim
from hetsim.cli import app

ROOT = Path(hetsim.__file__).parents[1]
GOOD = PAIR + "scheduler: {kind: heft}\n"
NETWORK = f"system:\n  components:\n    cpu: {CPU}\nworkload: {{onnx: net.onnx, data: synthetic}}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)
APART = (
    GOOD.replace("  links:\n    net: {kind: ideal, bandwidth: 1 B/s, between: [P1, P2]}\n", "")
    .replace("P1: 14 s, P2: 16 s", "P1: 14 s")
    .replace("P1: 13 s, P2: 19 s", "P2: 19 s")
)

# what is wrong: (the scenario, what is said about it)
BAD = {
    "unknown key": (GOOD.replace("seed: 1", "sed: 1"), """\
bad.yaml:1  sed
    key 'sed' is not known
    did you mean 'seed'?
"""),
    "energy for a time": (GOOD.replace("14 s", "50 nJ"), """\
bad.yaml:10  workload.tasks.n1.cost.P1
    '50 nJ' is an energy; a time such as '50 ns' is expected
"""),
    "bare number": (GOOD.replace("14 s", "14"), """\
bad.yaml:10  workload.tasks.n1.cost.P1
    14 has no unit; a time such as '50 ns' is expected
"""),
    "unknown unit": (GOOD.replace("14 s", "14 sec"), """\
bad.yaml:10  workload.tasks.n1.cost.P1
    '14 sec': unit 'sec' is not known; a time such as '50 ns' is expected
"""),
    "duplicate key": (GOOD + "seed: 2\n", """\
bad.yaml:13  seed
    duplicate key 'seed'
    it is already on line 1; remove one
"""),
    "unknown scheduler": (GOOD.replace("heft", "hefty"), """\
bad.yaml:12  scheduler.kind
    no scheduler is of kind 'hefty'
    did you mean 'heft'?
"""),
    "unknown kind": (GOOD.replace("kind: ideal", "kind: idael"), """\
bad.yaml:7  system.links.net.kind
    no link is of kind 'idael'
    did you mean 'ideal'?
"""),
    "link to nothing": (GOOD.replace("between: [P1, P2]", "between: [P1, P9]"), """\
bad.yaml:7  system.links.net.between.1
    link 'net' joins 'P9', which is no component
    known: P1, P2
"""),
    "cycle": (GOOD.replace("P2: 16 s}", "P2: 16 s}, after: {n2: 1 B}"), """\
bad.yaml:8  workload
    tasks: the workload has a cycle: n1 -> n2 -> n1
    a graph must be acyclic
"""),
    "negative time": (GOOD.replace("14 s", "-14 s"), """\
bad.yaml:10  workload.tasks.n1.cost.P1
    '-14 s' is negative; a time cannot be
"""),
    "negative bandwidth": (GOOD.replace("1 B/s", "-1 B/s"), """\
bad.yaml:7  system.links.net.bandwidth
    '-1 B/s' is negative; a bandwidth cannot be
"""),
    "zero bandwidth": (GOOD.replace("1 B/s", "0 B/s"), """\
bad.yaml:7  system.links.net.bandwidth
    '0 B/s' is out of range: it must be more than 0
"""),
    "infinite bandwidth": (GOOD.replace("1 B/s", ".inf"), """\
bad.yaml:7  system.links.net.bandwidth
    inf is not a finite number; a bandwidth such as '900 GB/s' is expected
"""),
    "nan": (GOOD.replace("14 s", ".nan"), """\
bad.yaml:10  workload.tasks.n1.cost.P1
    nan is not a finite number; a time such as '50 ns' is expected
"""),
    "list": ("- 1\n- 2\n", None),
    "empty": ("", "bad.yaml\n    the file is empty\n"),
    "cut off": (GOOD[:150] + "{", """\
bad.yaml:8
    not valid YAML: could not find expected ':' while scanning a simple key
"""),
    "binary": ("\x00\x01\x02", """\
bad.yaml
    not valid YAML: unacceptable character #x0000: special characters are not allowed
"""),
    "alias bomb": (BOMB + GOOD, None),
    "code tag": (GOOD.replace("seed: 1", "seed: !!python/object/apply:os.system ['true']"), """\
bad.yaml:1  seed
    the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed
    only plain data are read
"""),
    "no such producer": (GOOD.replace("after: {n1: 18 B}", "after: {zz: 18 B}"), """\
bad.yaml:11  workload.tasks.n2.after.zz
    task 'n2' waits for 'zz', which does not exist
    known: n1, n2
"""),
    "cost on nothing": (GOOD.replace("P2: 16 s", "P7: 16 s"), """\
bad.yaml:10  workload.tasks.n1.cost.P7
    task 'n1' has a cost on 'P7', which is no component
    known: P1, P2
"""),
    "word for a seed": (GOOD.replace("seed: 1", "seed: lucky"), """\
bad.yaml:1  seed
    'lucky' is not right here; a whole number is expected
"""),
    "no workload": (GOOD.split("workload:")[0] + "scheduler: {kind: heft}\n", """\
bad.yaml:1  workload
    'workload' is missing
"""),
    "no way across": (APART, """\
bad.yaml:2  system.links
    'n2', which may run on P2, reads from 'n1', which may run on P1; no link leads from P1 to P2
    add a link, or pin the ops to components that are joined (scheduler.pin)
"""),
    "pinned to nothing": (GOOD.replace("kind: heft", "kind: heft, pin: {n1: P4}"), """\
bad.yaml:12  scheduler.pin.n1
    'n1' is pinned to 'P4', which is no component
    known: P1, P2
"""),
    "unknown datasheet": (GOOD.replace("{kind: ideal, bandwidth: 1 B/s,", "{use: links/pcie3_x61,"), """\
bad.yaml:7  system.links.net.use
    'links/pcie3_x61' is no file and no name in the library
    did you mean 'links/pcie3_x16'?
"""),
    "two at once": (GOOD.replace("seed: 1", "seed: -1").replace("18 B", "18"), """\
bad.yaml:1  seed
    -1 is out of range: it must be at least 0
bad.yaml:11  workload.tasks.n2.after.n1
    18 has no unit; an amount of data such as '64 KiB' is expected
"""),
    "missing network": (NETWORK, None),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(command: str, text: str) -> str:
    """What a command says about a scenario that it refuses, without a trace of having started."""
    Path("bad.yaml").write_text(text)
    options = ["--out", "o"] if command == "run" else []
    answer = CliRunner().invoke(app, [command, "bad.yaml", *options], catch_exceptions=False)
    assert answer.exit_code == 2
    assert answer.stdout == "" and "bad.yaml" in answer.stderr and "Traceback" not in answer.stderr
    assert [path.name for path in Path().iterdir() if path.suffix != ".onnx"] == ["bad.yaml"]
    return answer.stderr


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("name", BAD)
def test_bad_scenarios_are_told_to_a_person(name: str, command: str) -> None:
    text, words = BAD[name]
    started = time.process_time()
    said = told(command, text)
    assert time.process_time() - started < 5, "an alias bomb or the like was let in"
    assert words is None or said == words


def test_the_good_one_runs(folder: Path) -> None:
    Path("good.yaml").write_text(GOOD)
    assert CliRunner().invoke(app, ["run", "good.yaml", "--json"]).exit_code == 0
    assert CliRunner().invoke(app, ["check", "good.yaml"]).exit_code == 0


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_network_that_is_missing_or_cut_in_half_is_told(folder: Path, command: str) -> None:
    from networks import small_cnn

    said = told(command, NETWORK)
    assert said.startswith("bad.yaml:4  workload\n") and "net.onnx" in said
    file = small_cnn(folder).rename(folder / "net.onnx")
    file.write_bytes(file.read_bytes()[:400])
    said = told(command, NETWORK)
    assert said.startswith("bad.yaml:4  workload\n") and "net.onnx" in said


@pytest.mark.parametrize("command", ["run", "check"])
def test_an_operator_that_nothing_supports_is_told(folder: Path, command: str) -> None:
    from networks import node, save

    save(folder / "net.onnx", [node("Relu", ["x"], "y", name="relu")], {}, {"x": [1, 4]}, ["y"])
    text = NETWORK.replace(CPU, f"{CPU}\n    P: {{kind: abstract}}") + "scheduler: {pin: {relu: P}}\n"
    assert told(command, text) == (
        "bad.yaml:6  scheduler.pin\n"
        "    no component can run op 'relu' (Relu)\n"
        "    cpu: the op is pinned elsewhere\n"
        "    P: runs abstract tasks, not Relu\n"
    )


MANY = """\
sed: 1
system:
  components:
    P1: {use: cpus/nothing}
    P2: {kind: abstrakt}
    P3: {kind: abstract}
  links:
    net: {kind: ideal, bandwidth: 1 J, between: [P1, P9]}
workload:
  tasks:
    n1: {cost: {P1: 14}}
scheduler: {kind: hefty, pin: {n1: P4}}
traffic: {kind: trace, file: nothing.txt}
"""


def test_faults_of_all_kinds_are_told_at_once() -> None:
    Path("bad.yaml").write_text(MANY)
    answer = CliRunner().invoke(app, ["run", "bad.yaml", "--set", "seed", "--set", "marks=x"], catch_exceptions=False)
    heads = [line for line in answer.stderr.splitlines() if not line.startswith(" ")]
    assert answer.exit_code == 2 and heads == [
        "--set marks=x  marks", "--set seed", "bad.yaml:1  sed", "bad.yaml:4  system.components.P1.use",
        "bad.yaml:5  system.components.P2.kind", "bad.yaml:8  system.links.net.bandwidth",
        "bad.yaml:8  system.links.net.between.1", "bad.yaml:11  workload.tasks.n1.cost.P1",
        "bad.yaml:12  scheduler.kind", "bad.yaml:12  scheduler.pin.n1", "bad.yaml:13  traffic.file",
    ]  # fmt: skip


def test_faults_of_a_part_of_the_workload_and_of_the_sweep_are_told_at_once() -> None:
    text = GOOD.replace("P2: 16 s", "P7: 16 s").replace("kind: heft", "kind: heft, pin: {nx: P1}")
    said = told("check", text + "sweep: {seed: [1, -2]}\n")
    assert [line.split("  ")[1] for line in said.splitlines() if not line.startswith(" ")] == [
        "scheduler.pin.nx", "workload.tasks.n1.cost.P7", "seed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sed=1", "--set sed=1  sed\n    key 'sed' is not known\n    did you mean 'seed'?\n"),
        ("seed", "--set seed\n    PATH=VALUE is expected\n    such as scheduler.kind=greedy\n"),
        ("system.links.net.bandwidth=3", "--set system.links.net.bandwidth=3  system.links.net.bandwidth\n"
         "    3 has no unit; a bandwidth such as '900 GB/s' is expected\n"),
    ],
)  # fmt: skip
def test_a_wrong_set_is_told(change: str, words: str) -> None:
    Path("good.yaml").write_text(GOOD)
    answer = CliRunner().invoke(app, ["run", "good.yaml", "--set", change], catch_exceptions=False)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (2, "", words)


def test_a_scenario_that_is_not_there_is_told() -> None:
    answer = CliRunner().invoke(app, ["run", "heft_textbok"], catch_exceptions=False)
    assert answer.exit_code == 2
    assert answer.stderr == ("'heft_textbok' is no file and no name in the library\ndid you mean 'heft_textbook'?\n")


@pytest.mark.parametrize("name", ["alias bomb", "no way across", "missing network"])
def test_a_process_ends_with_status_2(name: str) -> None:
    Path("bad.yaml").write_text(BAD[name][0])
    command = [sys.executable, "-m", "hetsim", "run", "bad.yaml", "--out", "o"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert answer.returncode == 2 and answer.stdout == ""
    assert "bad.yaml" in answer.stderr and "Traceback" not in answer.stderr
    assert not Path("o").exists()
