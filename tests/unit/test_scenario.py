"""Scenarios: from a file to a checked question, with every complaint where it belongs."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pair import CPU, PAIR

from hetsim.catalog import names
from hetsim.errors import InputError
from hetsim.scenario import Scenario, load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "s.yaml") -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(dedent(text))
    return name


def loaded(text: str, *sets: str) -> Scenario:
    return load(write(text), sets)


def wrong(text: str, *sets: str, check: bool = False) -> list[tuple[Any, ...]]:
    """Line, path, message and hint of every problem of a file."""
    with pytest.raises(InputError) as error:
        scenario = loaded(text, *sets)
        if check:
            scenario.check()
    assert all(problem.file for problem in error.value.problems)
    return [(p.line, p.path, p.message, p.hint) for p in error.value.problems]


# --- what load takes ---


def test_every_default_is_filled_in() -> None:
    scenario = loaded(PAIR)
    assert (scenario.name, scenario.seed, scenario.repeat, scenario.numerics) == ("s", 1, 1, "analog")
    assert (scenario.marks, scenario.warmup, scenario.threads) == (4, 0, 1)
    assert (scenario.max_time, scenario.max_events, scenario.parts.host) == (None, None, None)
    assert scenario.traffic.kind == "batch" and scenario.traffic.requests is None
    assert scenario.scheduler.kind == "heft" and scenario.scheduler.objective == "makespan"
    assert list(scenario.resolved()) == [
        "description", "seed", "repeat", "system", "workloads", "workload", "traffic", "scheduler", "numerics", "sweep",
        "expect", "marks", "warmup", "max_time", "max_events", "threads",
    ]  # fmt: skip


def test_the_resolved_scenario_makes_the_same_scenario() -> None:
    text = PAIR + dedent("""\
        traffic: {kind: poisson, rate: 0.1 Hz, requests: 7, queue: 3}
        scheduler: {kind: greedy, objective: energy, pin: {n1: [P1, P2]}}
        sweep: {seed: [1, 2], system.links.net.latency: [0 s, 1.1 us]}
        expect: [{metric: energy_J.total, max: 2 mJ, known_miss: why}]
        max_time: 1 h
        """)
    scenario = loaded(text)
    resolved = scenario.resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    again = load(resolved)
    assert again.resolved() == resolved
    assert again.parts == scenario.parts and again.traffic == scenario.traffic
    assert resolved["expect"][0]["max"] == 2e-3 and resolved["max_time"] == "3600 s"


def test_a_result_is_run_again_by_its_name(here: Path) -> None:
    scenario = loaded(PAIR)
    document = {"schema": "hetsim.result/1", "scenario": "demo/pair", "resolved": scenario.resolved()}
    write(json.dumps(document), "out/result.json")
    for source in ("out/result.json", here / "out/result.json", document):
        again = load(source)
        assert again.resolved() == scenario.resolved()
    assert load("out/result.json").name == "demo/pair"


def test_a_result_without_its_scenario_is_refused() -> None:
    write('{"schema": "hetsim.result/1", "resolved": 3}', "result.json")
    with pytest.raises(InputError, match="the result holds no resolved scenario"):
        load("result.json")


def test_plain_data_are_taken_and_not_changed() -> None:
    data = loaded(PAIR).resolved()
    before = copy.deepcopy(data)
    assert load(data, ["seed=9"]).seed == 9 and data == before and load(data).name == "scenario"


@pytest.mark.parametrize("data", [{"a": object()}, {"system": {1, 2}}])
def test_data_that_are_not_plain_are_refused(data: Mapping[str, Any]) -> None:
    with pytest.raises(InputError, match="is not plain data"):
        load(data)


def test_a_name_of_the_library_is_taken() -> None:
    scenario = load("heft_textbook")
    assert scenario.name == "heft_textbook"
    scenario.check()


@pytest.mark.parametrize("name", names("scenarios"))
def test_shipped_scenarios_survive_being_resolved(name: str) -> None:
    scenario = load(name)
    resolved = scenario.resolved()
    assert load(json.loads(json.dumps(resolved))).resolved() == resolved
    assert '"use"' not in json.dumps(resolved | {"sweep": {}})
    assert len(scenario.points()) == math.prod(len(values) for values in scenario.sweep.values())


def test_a_wrong_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError) as error:
        load("heft_textbok")
    assert error.value.problems[0].hint == "did you mean 'heft_textbook'?"


def test_seeds_are_replaced() -> None:
    scenario = load(write(PAIR), seed=5)
    assert scenario.seed == 5
    other = scenario.with_seed(6)
    assert (other.seed, other.resolved()["seed"], scenario.seed, other.name) == (6, 6, 5, "s")
    with pytest.raises(InputError):
        load(write(PAIR), seed=-1)


def test_scenarios_travel_to_other_processes() -> None:
    scenario = loaded(PAIR)
    again = pickle.loads(pickle.dumps(scenario))
    assert again.resolved() == scenario.resolved() and again.name == scenario.name
    again.check()


def test_scenarios_are_frozen() -> None:
    with pytest.raises(ValueError):
        loaded(PAIR).seed = 3  # type: ignore[misc]


# --- use, and files beside a file ---


def test_parts_and_workloads_are_used_from_files_beside_the_scenario(here: Path) -> None:
    write("kind: ideal\nbandwidth: {value: 3 B/s, source: s, evidence: primary}\n", "parts/net.yaml")
    write("tasks:\n  a: {cost: {P1: 1 s}}\n", "work.yaml")
    write("""\
        system:
          components: {P1: {kind: abstract}, P2: {kind: abstract}}
          links: {net: {use: parts/net, between: [P1, P2], override: {latency: 2 s}}}
        workload: {use: work, description: mine}
        """, "sub/s.yaml")  # fmt: skip
    for name in ("parts/net.yaml", "work.yaml"):
        write(Path(name).read_text(), f"sub/{name}")
        Path(name).unlink()
    scenario = load("sub/s.yaml")
    link = scenario.parts.links["net"]
    assert (link.bandwidth, link.latency) == (3.0, 2.0)  # type: ignore[attr-defined]
    assert link.origin is not None and link.origin["name"] == "parts/net" and len(link.origin["sha256"]) == 64
    assert scenario.workload.origin is not None and scenario.workload.origin["name"] == "work"
    assert str(here) not in json.dumps(scenario.resolved())
    scenario.check()
    load(scenario.resolved()).check()


def test_a_complaint_about_a_used_datasheet_names_its_file() -> None:
    write("kind: ideal\nbandwidth: 3 J\n", "net.yaml")
    with pytest.raises(InputError) as error:
        loaded(PAIR.replace("{kind: ideal, bandwidth: 1 B/s,", "{use: net,"))
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.path) == ("net.yaml", 2, "system.links.net.bandwidth")


def test_data_of_a_workload_are_found_beside_the_file_that_names_them(here: Path) -> None:
    from networks import small_cnn

    (here / "nets").mkdir()
    small_cnn(here / "nets").rename(here / "nets/net.onnx")
    write("onnx: net.onnx\nbatch: 2\n", "nets/net.yaml")
    write("1,2\n" * 7, "mine.csv")
    text = f"system: {{components: {{cpu: {CPU}}}}}\nworkload: {{use: nets/net, data: 'mine.csv[:5]'}}\n"
    scenario = loaded(text)
    assert scenario.build_workload().requests == 3
    scenario.check()
    assert scenario.resolved()["workload"]["data"] == "mine.csv[:5]"
    assert scenario.resolved()["workload"]["onnx"] == "net.onnx"


def test_arrival_times_come_from_a_trace_beside_the_file() -> None:
    write("0 s\n\n1.5 ms\n 2 s \n", "sub/times.csv")
    write(PAIR + "traffic: {kind: trace, file: times.csv}\n", "sub/s.yaml")
    traffic = load("sub/s.yaml").traffic
    assert traffic.kind == "trace" and traffic.times == (0.0, 1.5e-3, 2.0) and traffic.requests == 3
    assert load(load("sub/s.yaml").resolved()).traffic == traffic


@pytest.mark.parametrize(
    ("content", "place"),
    [("0 s\n1\n", ("times.csv", 2)), ("0 s\n5 J\n", ("times.csv", 2)), ("2 s\n1 s\n", ("times.csv", 2)),
     ("", ("s.yaml", 12)), (None, ("s.yaml", 12))],
)  # fmt: skip
def test_a_bad_trace_is_refused_where_it_is_bad(content: str | None, place: tuple[str, int]) -> None:
    if content is not None:
        write(content, "times.csv")
    with pytest.raises(InputError) as error:
        loaded(PAIR + "traffic: {kind: trace, file: times.csv}\n")
    assert (error.value.problems[0].file, error.value.problems[0].line) == place


# --- set ---


def test_values_are_set_by_their_paths() -> None:
    scenario = loaded(
        PAIR, "system.links.net.bandwidth=2 GB/s", "scheduler.kind=greedy", "traffic={requests: 3}",
        "workload.tasks.n2.after.n1=1 KiB", "numerics=none", "seed=8",
    )  # fmt: skip
    resolved = scenario.resolved()
    assert resolved["system"]["links"]["net"]["bandwidth"] == "2000000000 B/s"
    assert resolved["workload"]["tasks"]["n2"]["after"]["n1"] == "1024 B"
    assert (scenario.seed, scenario.scheduler.kind, scenario.traffic.requests) == (8, "greedy", 3)
    assert scenario.numerics == "none"


def test_a_whole_part_may_be_set() -> None:
    write("kind: ideal\nbandwidth: 7 B/s\n", "net.yaml")
    scenario = loaded(PAIR, "system.links.net={use: net, between: [P1, P2]}")
    assert scenario.parts.links["net"].bandwidth == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "path", "message", "hint"),
    [
        ("sed=3", "sed", "key 'sed' is not known", "did you mean 'seed'?"),
        ("seed=lucky", "seed", "'lucky' is not right here; a whole number is expected", ""),
        ("system.links.net.bandwith=1 B/s", "system.links.net.bandwith", "key 'bandwith' is not known",
         "did you mean 'bandwidth'?"),
        ("system.links.nt.bandwidth=1 B/s", "system.links.nt", "it does not say what link it is",
         "known: bus, dma, ideal, mesh, serial"),
        ("seed", "", "PATH=VALUE is expected", "such as scheduler.kind=greedy"),
        ("=3", "", "PATH=VALUE is expected", "such as scheduler.kind=greedy"),
        ("a..b=3", "", "PATH=VALUE is expected", "such as scheduler.kind=greedy"),
        ("seed=", "seed", "a value is expected behind the =", None),
        ("seed={", "seed", None, None),
        ("system.links.net.between.7=P1", "system.links.net.between.7", "'7' is not a position in a list of 2",
         "positions start at 0"),
        ("workload={use: nothing}", "use", "'nothing' is no file and no name in the library", None),
    ],
)  # fmt: skip
def test_a_wrong_set_is_told_as_it_was_typed(change: str, path: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        loaded(PAIR, change)
    problem = error.value.problems[0]
    assert problem.file == f"--set {change}" and problem.path == path
    assert message is None or problem.message == message
    assert hint is None or problem.hint == hint


# --- sweeps ---


def test_points_are_the_grid_in_declaration_order() -> None:
    scenario = loaded(PAIR + "sweep: {seed: [1, 2], scheduler.kind: [heft, greedy]}\n")
    points = scenario.points()
    assert [where for where, _ in points] == [
        {"seed": 1, "scheduler.kind": "heft"}, {"seed": 1, "scheduler.kind": "greedy"},
        {"seed": 2, "scheduler.kind": "heft"}, {"seed": 2, "scheduler.kind": "greedy"},
    ]  # fmt: skip
    for where, point in points:
        assert (point.seed, point.scheduler.kind) == tuple(where.values()) and not point.sweep
        assert load(point.resolved()).resolved() == point.resolved()


def test_without_axes_there_is_one_point() -> None:
    ((where, point),) = loaded(PAIR).points()
    assert where == {} and point.resolved() == loaded(PAIR).resolved()


def test_every_wrong_point_is_told_once() -> None:
    scenario = loaded(PAIR + "sweep:\n  seed: [1, 2]\n  scheduler.kind: [heft, hefty]\n  trafic.kind: [batch]\n")
    with pytest.raises(InputError) as error:
        scenario.points()
    assert {(p.line, p.path, p.hint) for p in error.value.problems} == {
        (14, "scheduler.kind", "did you mean 'heft'?"),
        (15, "trafic", "did you mean 'traffic'?"),
    }
    assert len(error.value.problems) == 2


def test_an_axis_needs_values() -> None:
    assert wrong(PAIR + "sweep: {seed: []}\n")[0][1] == "sweep.seed"
    assert wrong(PAIR + "sweep: {seed: 3}\n")[0][:3] == (
        12, "sweep.seed", "3 is not right here; a list [a, b, …] is expected",
    )  # fmt: skip


# --- what is wrong within a block ---


def test_everything_wrong_in_a_file_is_told_at_once_and_in_order() -> None:
    found = wrong("""\
        sed: 1
        system:
          components:
            P1: {kind: abstrct}
            P2: {kind: abstract, colour: red}
          links:
            net: {kind: ideal, bandwidth: 1 J, between: [P1]}
        workload: {tasks: {n1: {cost: {P1: -14 s}, relase: 1 s}}}
        numerics: analogue
        """)
    assert found == [
        (1, "sed", "key 'sed' is not known", "did you mean 'seed'?"),
        (4, "system.components.P1.kind", "no component is of kind 'abstrct'", "did you mean 'abstract'?"),
        (5, "system.components.P2.colour", "key 'colour' is not known",
         "known: kind, origin, references, static_power, title"),
        (7, "system.links.net.between", "it has 1 entries; shorter than 2 is not allowed", ""),
        (7, "system.links.net.bandwidth",
         "'1 J' is an energy; a bandwidth such as '900 GB/s' is expected", ""),
        (8, "workload.tasks.n1.cost.P1", "'-14 s' is negative; a time cannot be", ""),
        (8, "workload.tasks.n1.relase", "key 'relase' is not known", "did you mean 'release'?"),
        (9, "numerics", "'analogue' is not known; 'analog', 'ideal' or 'none' is expected",
         "did you mean 'analog'?"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "path", "message", "hint"),
    [
        ("traffic: {kind: closd}", "traffic.kind",
         "'closd' is not known; 'batch', 'closed', 'poisson', 'trace' is expected", "did you mean 'closed'?"),
        ("traffic: {kind: closed, concurency: 2}", "traffic.concurency", "key 'concurency' is not known",
         "did you mean 'concurrency'?"),
        ("traffic: {kind: poisson}", "traffic.rate", "'rate' is missing", ""),
        ("traffic: {kind: poisson, rate: 0 Hz}", "traffic.rate", "'0 Hz' is out of range: it must be more than 0", ""),
        ("traffic: {requests: 0}", "traffic.requests", "0 is out of range: it must be at least 1", ""),
        ("traffic: 7", "traffic", None, None),
        ("scheduler: {objective: cost}", "scheduler.objective",
         "'cost' is not known; 'makespan', 'energy', 'energy_delay' or 'lifetime' is expected", ""),
        ("scheduler: heft", "scheduler", "'heft' is not a mapping; a scheduler is written as {key: value, …}", ""),
        ("repeat: 1.5", "repeat", "1.5 is not right here; a whole number is expected", ""),
        ("repeat: true", "repeat", "True is not right here; a whole number is expected", ""),
        ("max_time: 3", "max_time", "3 has no unit; a time such as '50 ns' is expected", ""),
        ("expect: [{metric: a}]", "expect.0", "nothing is expected: give min, max, or value and within", ""),
        ("expect: [{metric: a, value: 3}]", "expect.0",
         "value and within belong together, such as value: 2 mJ, within: 10 %", ""),
        ("expect: [{metric: a, max: 3 mJoule}]", "expect.0.max", "'3 mJoule': unit 'mJoule' is not known", ""),
        ("expect: {metric: a}", "expect", "{'metric': 'a'} is not right here; a list [a, b, …] is expected", ""),
        ("warmup: 3\ntraffic: {requests: 3}", "warmup", "warmup leaves out 3 of 3 requests",
         "at least one must remain"),
    ],
)  # fmt: skip
def test_settings_are_checked(extra: str, path: str, message: str | None, hint: str | None) -> None:
    found = wrong(PAIR + extra + "\n")
    assert [entry[1] for entry in found] == [path]
    assert message is None or found[0][2:] == (message, hint)


def test_a_key_inside_a_nested_sheet_gets_a_suggestion() -> None:
    text = PAIR.replace("P1: {kind: abstract}", f"P1: {CPU.replace('bandwidth', 'bandwith')}")
    found = wrong(text)
    assert (4, "system.components.P1.memory.bandwith", "key 'bandwith' is not known",
            "did you mean 'bandwidth'?") in found  # fmt: skip
    assert (4, "system.components.P1.memory.bandwidth", "'bandwidth' is missing", "") in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2\n", "a scenario is a mapping with keys such as system and workload; a list was found"),
        ("hello", "a scenario is a mapping with keys such as system and workload; a single value was found"),
        ("system: {components: {}}\nworkload: {tasks: {a: {cost: {P: 1 s}}}}",
         "it has 0 entries; shorter than 1 is not allowed"),
        ("workload: {tasks: {a: {cost: {P: 1 s}}}}", "'system' is missing"),
        ("system: {components: {P: {kind: abstract}}}\nworkload: {batch: 3}", "it does not say what workload it is"),
        ("system: {components: {P: {kind: abstract}}}\nworkload: {algorithm: kmens}",
         "no workload is of kind 'kmens'"),
        ("system: {components: {P: {}}}\nworkload: {tasks: {a: {cost: {P: 1 s}}}}",
         "it does not say what component it is"),
    ],
)  # fmt: skip
def test_what_is_no_scenario_is_refused(text: str, message: str) -> None:
    assert wrong(text)[0][2] == message


# --- rules that span blocks ---


def test_the_host_is_the_first_cpu_or_the_one_that_is_named() -> None:
    text = f"system: {{components: {{P: {{kind: abstract}}, a: {CPU}, b: {CPU}}}}}\n"
    text += "workload: {tasks: {t: {cost: {P: 1 s}}}}\n"
    assert loaded(text).system().host == "a" and loaded(text).resolved()["system"]["host"] == "a"
    assert loaded(text, "system.host=b").system().host == "b"
    assert loaded(PAIR).system().host is None
    assert wrong(text.replace("{components", "{host: bb, components"))[0] == (
        1, "system.host", "the host 'bb' is no component", "did you mean 'b'?",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "path", "message", "hint"),
    [
        ("between: [P1, P2]", "between: [P1, P9]", "system.links.net.between.1",
         "link 'net' joins 'P9', which is no component", "known: P1, P2"),
        ("between: [P1, P2]", "between: [P1, P1]", "system.links.net.between.1", "link 'net' joins 'P1' twice",
         "name each component once"),
        ("P1: {kind: abstract}", f"P1: {CPU.replace('{bandwidth: 100 GB/s}', 'drum')}\n    dram: {{kind: abstract}}",
         "system.components.P1.memory", "'P1' has its memory in 'drum', which is no component",
         "did you mean 'dram'?"),
        ("seed: 1", "scheduler: {pin: {n1: P3, n2: [P1, P4]}}", "scheduler.pin.n1",
         "'n1' is pinned to 'P3', which is no component", "known: P1, P2"),
        ("    net:", "    n.t:", "system.links.n.t", "'n.t' cannot be a name", "use letters, digits, - and _"),
    ],
)  # fmt: skip
def test_names_must_mean_something(old: str, new: str, path: str, message: str, hint: str) -> None:
    assert wrong(PAIR.replace(old, new))[0][1:] == (path, message, hint)


def test_costs_are_on_components() -> None:
    found = wrong(PAIR.replace("P2: 16 s", "P7: 16 s"), check=True)
    assert found == [(10, "workload.tasks.n1.cost.P7", "task 'n1' has a cost on 'P7', which is no component",
                      "known: P1, P2")]  # fmt: skip


def test_the_workload_must_be_acyclic() -> None:
    text = PAIR.replace("P2: 16 s}", "P2: 16 s}, after: {n2: 1 B}")
    assert wrong(text, check=True) == [
        (8, "workload", "tasks: the workload has a cycle: n1 -> n2 -> n1", "a graph must be acyclic")
    ]


def test_every_op_that_nothing_can_run_is_told_with_every_reason() -> None:
    text = PAIR.replace("P1: 14 s, P2: 16 s", "P3: 1 s").replace("links:", "  P3: {kind: abstract}\n  links:")
    found = wrong(text + "scheduler: {pin: {n1: P1, n2: P3}}\n", check=True)
    assert found == [
        (13, "scheduler.pin", "no component can run op 'n1' (Task)",
         "P1: the task gives no cost for it\nP2: the op is pinned elsewhere\nP3: the op is pinned elsewhere"),
        (13, "scheduler.pin", "no component can run op 'n2' (Task)",
         "P1: the op is pinned elsewhere\nP2: the op is pinned elsewhere\nP3: the task gives no cost for it"),
    ]  # fmt: skip


def test_pins_match_ops() -> None:
    found = wrong(PAIR + "scheduler: {pin: {'n*': P1, m1: P1}}\n", check=True)
    assert found == [(12, "scheduler.pin.m1", "the pin 'm1' matches no op", "known: n1, n2")]


def test_an_op_is_pinned_by_its_name_before_a_pattern() -> None:
    scenario = loaded(PAIR + "scheduler: {pin: {'n*': P1, n2: [P2, P1], '*': P2}}\n")
    assert scenario.allowed("n2") == ("P2", "P1") and scenario.allowed("n1") == ("P1",)
    assert scenario.allowed("m") == ("P2",) and loaded(PAIR).allowed("n1") is None


APART = PAIR.replace("  links:\n    net: {kind: ideal, bandwidth: 1 B/s, between: [P1, P2]}\n", "")


def test_data_that_must_move_need_a_way() -> None:
    text = APART.replace("P1: 14 s, P2: 16 s", "P1: 14 s").replace("P1: 13 s, P2: 19 s", "P2: 19 s")
    found = wrong(text, check=True)
    assert found == [
        (2, "system.links",
         "'n2', which may run on P2, reads from 'n1', which may run on P1; no link leads from P1 to P2",
         "add a link, or pin the ops to components that are joined (scheduler.pin)"),
    ]  # fmt: skip


def test_a_scheduler_must_not_be_able_to_tear_a_graph_apart() -> None:
    assert {entry[1] for entry in wrong(APART, check=True)} == {"system.links"}
    loaded(APART + "scheduler: {pin: {'*': P2}}\n").check()
    loaded(APART.replace(", after: {n1: 18 B}", "")).check()


def test_a_bridge_is_a_way() -> None:
    text = APART.replace("P1: 14 s, P2: 16 s", "P1: 14 s").replace("P1: 13 s, P2: 19 s", "P2: 19 s")
    links = "  links:\n" + "".join(
        f"    {name}: {{kind: ideal, bandwidth: 1 B/s, between: [{ends}]}}\n"
        for name, ends in (("a", "P1, B"), ("b", "B, P2"))
    )
    loaded(text.replace("workload:", f"    B: {{kind: abstract}}\n{links}workload:")).check()


@pytest.fixture
def cnn(here: Path) -> str:
    """A scenario of a small network on a CPU."""
    from networks import small_cnn

    small_cnn(here).rename(here / "net.onnx")
    return f"system:\n  components:\n    cpu: {CPU}\nworkload: {{onnx: net.onnx}}\nnumerics: none\n"


def test_a_network_is_checked_without_its_numbers(cnn: str) -> None:
    loaded(cnn).check()


def test_inputs_need_a_host_and_a_way_from_it(cnn: str) -> None:
    other = CPU.replace("kind: cpu", "kind: gpu, format: fp32")
    assert (2, "system", "the workload's inputs start at the host, and the system has no cpu to be it",
            "name a component with system.host") in [
        (2, *entry[1:]) for entry in wrong(cnn.replace(CPU, other), check=True)
    ]  # fmt: skip
    loaded(cnn.replace(CPU, other), "system.host=cpu").check()
    found = wrong(cnn.replace(CPU, f"{CPU}\n    gpu: {other}"), check=True)
    assert [entry[1] for entry in found] == ["system.links"] * 2
    assert "reads an input that starts at the host cpu; no link leads from cpu to gpu" in found[0][2]
    loaded(cnn.replace(CPU, f"{CPU}\n    gpu: {other}") + "scheduler: {pin: {'*': cpu}}\n").check()


def test_ops_that_nothing_supports_are_named(cnn: str) -> None:
    found = wrong(cnn.replace(CPU, f"{CPU}\n    P: {{kind: abstract}}") + "scheduler: {pin: {conv1: P}}", check=True)
    assert found[0][1:] == (
        "scheduler.pin", "no component can run op 'conv1' (Conv)",
        "cpu: the op is pinned elsewhere\nP: runs abstract tasks, not Conv",
    )  # fmt: skip


def test_a_missing_network_is_told_where_it_is_named(cnn: str, here: Path) -> None:
    (here / "net.onnx").unlink()
    (found,) = wrong(cnn, check=True)
    assert found[0] == 4 and found[1] == "workload" and "net.onnx" in found[2]


def test_a_network_cut_in_half_is_told_where_it_is_named(cnn: str, here: Path) -> None:
    raw = (here / "net.onnx").read_bytes()
    (here / "net.onnx").write_bytes(raw[: len(raw) // 2])
    (found,) = wrong(cnn, check=True)
    assert found[0] == 4 and found[1] == "workload" and "net.onnx" in found[2]


def test_a_program_that_decides_needs_numbers_or_expectations() -> None:
    text = f"system: {{components: {{cpu: {CPU}}}}}\nworkload: {{algorithm: kmeans, data: iris, clusters: 3}}\n"
    loaded(text).check()
    loaded(text + "numerics: none\n", "workload.expected_iterations=5").check()
    assert wrong(text + "numerics: none\n", check=True) == [
        (3, "numerics", "this workload decides on its numbers, and numerics: none computes none",
         "give workload.expected_iterations, or use numerics: ideal"),
    ]  # fmt: skip


def test_a_check_returns_the_workload_that_it_has_built(cnn: str) -> None:
    scenario = loaded(cnn)
    workload = scenario.check()
    Path("net.onnx").unlink()
    assert [graph.name for graph in workload.graphs()] and workload.kind == "onnx"
    with pytest.raises(InputError):
        scenario.check()


# --- what the engine is given ---


def test_the_engine_gets_components_links_workload_and_scheduler() -> None:
    scenario = loaded(PAIR, "scheduler.kind=greedy")
    system, workload, scheduler = scenario.system(), scenario.build_workload(), scenario.build_scheduler()
    assert list(system.components) == ["P1", "P2"] and list(system.links) == ["net"]
    assert system.components["P1"].name == "P1" and system.links["net"].sheet.between == ("P1", "P2")
    assert workload.kind == "tasks" and len(workload.graphs()[0].ops) == 2
    assert scheduler.kind == "greedy" and scheduler.seed == 1
    assert scenario.system().components["P1"] is not system.components["P1"]


def test_schema_covers_every_registered_kind() -> None:
    from hetsim.hardware.component import kinds
    from hetsim.hardware.link import link_kinds
    from hetsim.kinds import workload_kinds
    from hetsim.schedulers.scheduler import scheduler_kinds

    schema = Scenario.model_json_schema()
    text = json.dumps(schema)
    assert set(schema["properties"]) >= {"system", "workload", "traffic", "scheduler", "sweep"}
    for kind in (*kinds().values(), *link_kinds().values(), *scheduler_kinds().values(), *workload_kinds().values()):
        for key in kind.sheet_type.model_fields:
            assert f'"{key}"' in text
