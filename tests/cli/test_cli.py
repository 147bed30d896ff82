"""The commands, as a user types them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import hetsim
from hetsim import terminal
from hetsim.cli import app
from hetsim.errors import RunError

ROOT = Path(hetsim.__file__).parents[1]
PAIR = """\
description: Two tasks on two processors.
seed: 1
system:
  components:
    P1: {kind: abstract}
    P2: {kind: abstract}
  links:
    net: {kind: ideal, bandwidth: 1 B/s, between: [P1, P2]}
workload:
  tasks:
    n1: {cost: {P1: 14 s, P2: 16 s}, energy: {P1: 3 J, P2: 4 J}}
    n2: {cost: {P2: 10 s}, after: {n1: 18 B}}
scheduler: {kind: heft}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a scenario ``pair.yaml`` in it."""
    (tmp_path / "pair.yaml").write_text(PAIR)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args, catch_exceptions=False)


def process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "hetsim", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, **options)


def test_run_prints_a_summary_and_writes_nothing(folder: Path) -> None:
    answer = run("run", "pair.yaml")
    assert answer.exit_code == 0
    assert "makespan" in answer.stdout and "42.0 s" in answer.stdout  # 14 s, 18 bytes at 1 B/s, 10 s
    assert "18.0 B" in answer.stdout and "3.00 J" in answer.stdout
    assert os.listdir(folder) == ["pair.yaml"]


def test_out_holds_everything_and_json_is_the_same_object(folder: Path) -> None:
    answer = process("run", "pair.yaml", "--out", "out", "--json")
    assert answer.returncode == 0
    assert json.loads(answer.stdout) == json.loads((folder / "out" / "result.json").read_text())
    assert answer.stdout == (folder / "out" / "result.json").read_text()
    assert "written to out" in answer.stderr
    assert sorted(os.listdir(folder / "out")) == [
        "calls.parquet", "energy.png", "power.png", "requests.parquet", "result.json", "spans.parquet",
        "throughput.png", "timeline.png", "trace.json", "transfers.parquet",
    ]  # fmt: skip


def test_a_result_can_be_run_again(folder: Path) -> None:
    run("run", "pair.yaml", "--out", "out", "--no-plots")
    first = json.loads((folder / "out" / "result.json").read_text())
    again = json.loads(run("run", "out/result.json", "--json").stdout)
    for document in (first, again):
        del document["simulator"]
    assert again == first


def test_set_and_seed_change_the_scenario() -> None:
    sets = ("--set", "workload.tasks.n2.cost.P2=100 s", "--set", "scheduler.pin={n1: P2}")
    document = json.loads(run("run", "pair.yaml", *sets, "--seed", "5", "--json").stdout)
    assert document["makespan_s"] == 16 + 100 and document["seed"] == 5
    assert document["assignments"] == {"n1": ["P2"], "n2": ["P2"]}


def test_explain_shows_steps_and_reasons() -> None:
    answer = run("run", "pair.yaml", "--explain", "n1")
    assert answer.exit_code == 0
    assert "n1 runs on P1" in answer.stdout and "n1 could run on P2" in answer.stdout
    refused = run("run", "pair.yaml", "--explain", "n2").stdout
    assert "n2 cannot run on P1" in refused
    unknown = run("run", "pair.yaml", "--explain", "n3")
    assert unknown.exit_code == 2 and "n3" in unknown.stderr


def test_explain_beside_json_leaves_standard_output_to_json() -> None:
    answer = run("run", "pair.yaml", "--explain", "n1", "--json")
    assert json.loads(answer.stdout)["makespan_s"] == 42.0
    assert "n1 runs on P1" in answer.stderr


def test_a_capped_trace_is_said(folder: Path) -> None:
    answer = run("run", "pair.yaml", "--out", "out", "--trace-limit", "1", "--no-plots")
    assert "holds the first 1 of 3 spans" in answer.stdout
    events = json.loads((folder / "out" / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events if e["ph"] == "X" and e["pid"] < 4] == ["n1"]


def test_a_foreign_folder_is_refused_before_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("")
    monkeypatch.setattr("hetsim.engine.simulate", lambda *a, **b: pytest.fail("simulated"))
    for command in ("run", "study"):
        answer = run(command, "pair.yaml", "--out", "mine")
        assert answer.exit_code == 2 and "thesis.tex" in answer.stderr


def test_a_run_that_cannot_finish_is_told_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def stalled(*args: object, **options: object) -> None:
        raise RunError("the run stalled: n2 waits for n1")

    monkeypatch.setattr("hetsim.engine.simulate", stalled)
    answer = run("run", "pair.yaml", "--out", "out")
    assert answer.exit_code == 1 and answer.stderr.strip() == "the run stalled: n2 waits for n1"
    assert not (folder / "out").exists()


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hetsim.engine.simulate", interrupted)
    answer = run("run", "pair.yaml", "--out", "out")
    assert answer.exit_code == 130 and not (folder / "out").exists()


def alive(process: str) -> bool:
    """Whether a process runs: it exists, and is no zombie that nobody has collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the children of a process from /proc")
def test_an_interrupt_of_a_study_ends_its_workers(folder: Path) -> None:
    # two long points: of many short ones a busy machine may still be reading when the test has lost its patience
    traffic = "traffic: {kind: closed, requests: 10000000}"
    (folder / "long.yaml").write_text(PAIR + f"{traffic}\nsweep:\n  seed: [1, 2]\n")
    command = [sys.executable, "-m", "hetsim", "study", "long.yaml", "--workers", "2"]
    started = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, start_new_session=True
    )
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    deadline = time.monotonic() + 120
    while len(children.read_text().split()) < 3 and time.monotonic() < deadline:  # workers, resource tracker
        time.sleep(0.05)
    workers = children.read_text().split()
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=120)
    assert started.returncode == 130
    assert said.decode().strip() == "stopped"
    assert len(workers) >= 3
    deadline = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


@pytest.mark.parametrize(
    "args",
    [("run",), ("fly", "pair.yaml"), ("run", "pair.yaml", "--seed", "lucky"), ("study", "--workers", "0")],
)
def test_wrong_usage_ends_with_2(args: tuple[str, ...]) -> None:
    assert run(*args).exit_code == 2


def test_bad_input_is_told_with_its_file_and_place(folder: Path) -> None:
    (folder / "bad.yaml").write_text(PAIR.replace("14 s", "14 J"))
    answer = process("run", "bad.yaml", "--out", "out")
    assert answer.returncode == 2 and answer.stdout == "" and "Traceback" not in answer.stderr
    assert "bad.yaml:11" in answer.stderr and "is an energy" in answer.stderr
    assert not (folder / "out").exists()


def test_a_reader_that_goes_away_is_no_reason_to_complain() -> None:
    command = f"{sys.executable} -m hetsim schema | head -c 10"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env, timeout=120)
    assert answer.stdout.startswith("{") and answer.stderr == ""


def test_plot_draws_again(folder: Path) -> None:
    run("run", "pair.yaml", "--out", "out")
    picture = folder / "out" / "timeline.png"
    before = picture.read_bytes()
    picture.write_bytes(b"")
    answer = run("plot", "out")
    assert answer.exit_code == 0 and "timeline.png" in answer.stdout
    assert picture.read_bytes() == before
    assert run("plot", ".").exit_code == 2


def test_study_prints_a_table_and_tells_failed_points(folder: Path) -> None:
    (folder / "swept.yaml").write_text(
        PAIR + "sweep:\n  workload.tasks.n2.cost.P2: [10 s, 20 s]\n  max_events: [null, 1]\n"
    )
    answer = run("study", "swept.yaml", "--workers", "1", "--out", "out")
    assert answer.exit_code == 1
    assert "tasks.n2.cost.P2" in answer.stdout and "42.0 s" in answer.stdout and "52.0 s" in answer.stdout
    assert "failed: workload.tasks.n2.cost.P2=10 s, max_events=1" in answer.stderr
    assert "study.csv" in os.listdir(folder / "out")
    document = json.loads(run("study", "swept.yaml", "--workers", "1", "--json").stdout)
    assert document == json.loads((folder / "out" / "study.json").read_text())
    assert run("plot", "out").exit_code == 0
    assert run("study", "pair.yaml").exit_code == 2


def test_check_accepts_and_refuses(folder: Path) -> None:
    answer = run("check", "pair.yaml")
    assert answer.exit_code == 0 and answer.stdout == "ok  pair.yaml: scenario\n"
    (folder / "one.yaml").write_text(PAIR.replace("seed: 1", "sed: 1"))
    (folder / "two.yaml").write_text(PAIR.replace("heft", "hefty"))
    answer = run("check", "one.yaml", "pair.yaml", "two.yaml")
    assert answer.exit_code == 2 and "ok  pair.yaml" in answer.stdout
    assert "one.yaml:2" in answer.stderr and "two.yaml:13" in answer.stderr and "'heft'" in answer.stderr
    assert run("check", "nothing.yaml").exit_code == 2


def test_check_wants_a_source_for_every_figure_of_the_library(folder: Path) -> None:
    (folder / "components" / "links").mkdir(parents=True)
    bare = folder / "components" / "links" / "mine.yaml"
    bare.write_text("kind: ideal\ntitle: Mine\nbandwidth: 1 GB/s\n")
    answer = run("check", "components")
    assert answer.exit_code == 2 and "has no source" in answer.stderr and "mine.yaml:3" in answer.stderr
    datum = '{value: 1 GB/s, source: "Smith 2020, Table 1", evidence: primary}'
    bare.write_text(f"kind: ideal\ntitle: Mine\nbandwidth: {datum}\n")
    assert run("check", "components").stdout.endswith("mine.yaml: ideal datasheet\n")
    (folder / "loose.yaml").write_text("kind: ideal\nbandwidth: 1 GB\n")
    answer = run("check", "loose.yaml")
    assert answer.exit_code == 2 and "no source" not in answer.stderr and "bandwidth" in answer.stderr


def test_check_of_a_workload_and_of_nothing_known(folder: Path) -> None:
    (folder / "work.yaml").write_text("tasks:\n  a: {cost: {P: 1 s}}\n")
    assert run("check", "work.yaml").stdout == "ok  work.yaml: tasks workload\n"
    (folder / "odd.yaml").write_text("colour: blue\n")
    answer = run("check", "odd.yaml")
    assert answer.exit_code == 2 and "odd.yaml" in answer.stderr and "neither" in answer.stderr


def test_everything_shipped_passes_its_check() -> None:
    folders = [str(ROOT / name) for name in ("components", "workloads", "scenarios")]
    answer = run("check", *folders)
    assert answer.exit_code == 0, answer.stderr


@pytest.mark.parametrize(
    ("kind", "word"),
    [("schedulers", "heft"), ("data", "mnist/test"), ("components", "gpus/"), ("gpus", "TOP/s")],
)
def test_list(kind: str, word: str) -> None:
    answer = run("list", kind)
    assert answer.exit_code == 0 and word in answer.stdout


def test_list_of_what_there_is_not() -> None:
    answer = run("list", "gpu")
    assert answer.exit_code == 2 and "'gpus'" in answer.stderr


def test_schema_is_one_that_accepts_the_scenario() -> None:
    schema = json.loads(run("schema").stdout)
    assert set(json.loads(run("run", "pair.yaml", "--json").stdout)["resolved"]) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert "memory" in json.loads(run("schema", "--kind", "gpu").stdout)["properties"]
    assert run("schema", "--kind", "gup").exit_code == 2


def test_help_and_version() -> None:
    assert run("--version").stdout == f"hetsim {hetsim.__version__}\n"
    answer = run("--help")
    for command in ("run", "check", "study", "plot", "list", "schema"):
        assert f"\n  {command} " in answer.stdout


HEAVY = {
    "numpy",
    "numba",
    "matplotlib",
    "pyarrow",
    "onnx",
    "onnxruntime",
    "simpy",
    "pandas",
    "scipy",
    "hypothesis",
}


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["check", "pair.yaml"]])
def test_light_commands_import_nothing_heavy(args: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["hetsim", *{args!r}]
from hetsim.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print({HEAVY!r} & set(sys.modules), file=sys.stderr)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert answer.stderr.strip() == "set()"


def test_the_public_face_is_whole_and_callable_in_any_order() -> None:
    code = """
import hetsim
from hetsim import StudyResult
import hetsim.studies
assert callable(hetsim.study) and callable(hetsim.load) and callable(hetsim.simulate)
for name in hetsim.__all__:
    assert getattr(hetsim, name) is not None, name
    assert name in dir(hetsim)
assert len(hetsim.__all__) <= 12
try:
    hetsim.nonsense
except AttributeError as error:
    assert "nonsense" in str(error)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=120)


class Screen(io.StringIO):
    """A standard error that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(("is_terminal", "waited", "shown"), [(True, 2, True), (True, 0.1, False), (False, 2, False)])
def test_the_progress_bar_comes_late_and_only_in_a_terminal(
    is_terminal: bool, waited: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", Screen(is_terminal))
    with terminal.Progress("simulating") as progress:
        progress(1, 10)
        clock[0] += waited
        progress(2, 10)
        clock[0] += 0.2
        progress(3, 10)
    assert ("simulating" in sys.stderr.getvalue()) is shown  # type: ignore[attr-defined]
