"""Several workloads on one system: what they share, what is their own, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from networks import node, save, weights
from onnx import TensorProto, helper

import hetsim
from hetsim.engine.run import Run
from hetsim.errors import InputError

SYSTEM = """\
    seed: 3
    system:
      components:
        cpu: {use: cpus/xeon_platinum_8180}
        imc: {use: imc/rram_yao_nature_2020}
      links:
        bus: {use: links/axi4_128b, between: [cpu, imc]}
    scheduler: {kind: heft, pin: {"*": imc}}
    workloads:
"""
ONE = "      one: {onnx: one.onnx, data: x.csv, batch: 2, scores: deviation}\n"
OTHER = "      other: {onnx: other.onnx, data: x.csv, batch: 3, scores: deviation}\n"
AGAIN = "      again: {onnx: one.onnx, data: 'x.csv[:4]', batch: 1, scores: deviation}\n"
TASKS = "      two: {tasks: {b: {cost: {P1: 2 s}}}}\n"
PAIR = "    system: {components: {P1: {kind: abstract}}}\n    workloads:\n      one: {tasks: {a: {cost: {P1: 1 s}}}}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks with the same names and other weights, and what goes through them."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one", "other")):
        net = [node("MatMul", ["x", "w"], "y", name="dense")]
        save(tmp_path / f"{name}.onnx", net, weights(seed, w=(8, 4)), {"x": ["N", 8]}, ["y"])
    np.savetxt("x.csv", np.random.default_rng(0).uniform(size=(6, 8)), delimiter=",")
    return tmp_path


def loaded(text: str, *sets: str) -> hetsim.Scenario:
    Path("s.yaml").write_text(dedent(text))
    return hetsim.load("s.yaml", sets)


def run(text: str, *sets: str) -> Run:
    run = Run(loaded(text, *sets))
    run.go()
    return run


def answers(run: Run, tenant: str) -> np.ndarray:
    """The outputs of all requests of a tenant, one behind the other."""
    (source,) = (s for s in run.sources if s.tenant == tenant)
    found = [next(iter(source.answers[k][1].values())) for k in sorted(source.answers)]
    return np.concatenate(found)


def pulses(text: str) -> float:
    return hetsim.simulate(loaded(text)).document["deployment"]["pulses"]


def test_each_tenant_computes_its_own_network() -> None:
    mixed = run(SYSTEM + ONE + OTHER, "scheduler.pin={'*': cpu}")
    x = np.loadtxt("x.csv", delimiter=",")
    for seed, name in enumerate(("one", "other")):
        exact = x @ weights(seed, w=(8, 4))["w"]
        assert answers(mixed, name) == pytest.approx(exact, abs=1e-5)


def test_a_tenants_numbers_are_the_same_whoever_else_is_there() -> None:
    mixed = run(SYSTEM + OTHER + ONE)
    assert np.array_equal(answers(mixed, "one"), answers(run(SYSTEM + ONE), "one"))
    assert not np.array_equal(answers(mixed, "one"), answers(run(SYSTEM + ONE, "seed=4"), "one"))


def test_the_same_network_is_stored_once_and_others_are_stored_apart() -> None:
    assert pulses(SYSTEM + ONE + AGAIN) == pulses(SYSTEM + ONE) > 0
    assert pulses(SYSTEM + ONE + OTHER) == pytest.approx(pulses(SYSTEM + ONE) + pulses(SYSTEM + OTHER))
    both = run(SYSTEM + ONE + AGAIN)
    held = {name for _, recipe in both.outlook.recipes() if recipe.runs for name in recipe.holds}
    assert held == {"imc.tiles:one/w"}


def test_tenants_displace_each_other_from_a_chip_that_is_too_small() -> None:
    """On a single crossbar each network is programmed anew whenever the other one was there: its own energy."""
    text = SYSTEM.replace("nature_2020}", "nature_2020, override: {crossbars: 1}}")
    traffic = ", traffic: {kind: trace, times: [%s]}}"
    one, other = (t.replace("}", traffic) for t in (ONE, OTHER))
    document = hetsim.simulate(loaded(text + one % "0 s, 2 s" + other % "1 s, 3 s")).document
    dynamic = {name: part["energy_J"]["dynamic"] for name, part in document["tenants"].items()}
    assert document["energy_J"]["by_category"]["program"] > 0
    assert sum(dynamic.values()) == pytest.approx(document["energy_J"]["total"] - document["energy_J"]["static"])
    calm = hetsim.simulate(loaded(text + one % "0 s, 1 s" + other % "2 s, 3 s")).document
    assert calm["energy_J"]["by_category"]["program"] < document["energy_J"]["by_category"]["program"]


def test_ops_bear_the_name_of_their_tenant() -> None:
    document = hetsim.simulate(loaded(SYSTEM + ONE + OTHER, "scheduler.pin={'other/*': cpu}")).document
    assert set(document["assignments"]) == {"one/dense", "other/dense"}
    assert document["assignments"]["other/dense"] == ["cpu"]
    assert [document["tenants"][name]["requests"] for name in ("one", "other")] == [3, 2]


def test_bodies_of_control_flow_read_what_is_outside_under_any_name(here: Path) -> None:
    """Both branches of an If read tensors of the graph around it by name."""
    ends = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [3, 4])]
    bodies = {"MatMul": ["h", "w"], "Add": ["h", "h"]}
    branches = [helper.make_graph([node(kind, reads, "z")], kind, [], ends) for kind, reads in bodies.items()]
    nodes = [
        node("Neg", ["x"], "h"), node("ReduceMax", ["x"], "most", keepdims=0), node("Less", ["most", "limit"], "small"),
        helper.make_node("If", ["small"], ["y"], name="if", then_branch=branches[0], else_branch=branches[1]),
    ]  # fmt: skip
    constants = {**weights(w=(4, 4)), "limit": np.array(5, np.float32)}
    save(here / "if.onnx", nodes, constants, {"x": [3, 4]}, ["y"])
    np.savez(here / "in.npz", x=np.ones((3, 4), np.float32))
    block = "{onnx: if.onnx, inputs: in.npz, scores: deviation, traffic: {requests: 2}}"
    text = SYSTEM.replace('"*": imc', "'*': cpu") + f"      a: {block}\n      b: {block}\n"
    metrics = hetsim.simulate(loaded(text)).document["metrics"]
    deviations = [value for name, value in metrics.items() if name.startswith(("a.", "b."))]
    assert len(deviations) == 4 and not any(deviations)


def test_programs_that_decide_and_networks_run_side_by_side() -> None:
    text = SYSTEM.replace('"*": imc', '"one/*": imc') + ONE
    text += "      clusters: {algorithm: kmeans, data: x.csv, clusters: 2, traffic: {requests: 2}}\n"
    document = hetsim.simulate(loaded(text)).document
    assert document["tenants"]["clusters"]["requests"] == 2
    assert document["metrics"]["clusters.iterations"] >= 1
    shared, alone = document["metrics"], hetsim.simulate(loaded(text.replace(ONE, ""), "scheduler.pin={}"))
    assert shared["clusters.within_cluster_sum"] == alone.document["metrics"]["clusters.within_cluster_sum"]


def test_batches_are_gathered_of_one_tenant_each() -> None:
    sets = "scheduler={kind: batching, size: 2, wait: 1 ms, pin: {'*': cpu}}", "traffic={requests: 4}"
    layers = "{input: [4], layers: [{dense: {out: 4}}], batch: 1}"
    text = SYSTEM + f"      one: {layers}\n      two: {layers}\n    numerics: none\n"
    trace = hetsim.simulate(loaded(text, *sets)).trace
    assert len(trace.requests) == 8 and len(trace.calls) == 4
    assert sorted(trace.calls.numpy("request") % 2) == [0, 0, 1, 1]


def test_a_policy_that_tries_things_out_takes_tenants() -> None:
    scheduler = "scheduler={kind: search, trials: 3, objective: {minimise: deadline_misses}}"
    text = SYSTEM + ONE + OTHER.replace("}", ", traffic: {deadline: 1 s}}") + "    numerics: none\n"
    document = hetsim.simulate(loaded(text, scheduler)).document
    assert document["requests"] == 5 and document["metrics"]["deadline_misses"] == 0


def test_the_result_is_repeatable_and_runs_again() -> None:
    def told(scenario: hetsim.Scenario) -> str:
        document = hetsim.simulate(scenario).to_dict()
        return json.dumps({k: v for k, v in document.items() if k not in ("simulator", "scenario")})

    text = SYSTEM + ONE.replace("}", ", traffic: {kind: poisson, rate: 1 MHz, priority: 2}}") + OTHER
    first = told(loaded(text))
    assert told(loaded(text)) == first
    assert told(hetsim.load(json.loads(first)["resolved"])) == first


def test_several_chips_give_each_tenant_the_means_of_its_metrics() -> None:
    document = hetsim.simulate(loaded(SYSTEM + ONE + OTHER, "repeat=2")).document
    names = [name for name in document["metrics"] if name.startswith("one.")]
    assert names and all(len(document["repeats"]["metrics"][name]["values"]) == 2 for name in names)
    assert document["tenants"]["one"]["metrics"] == {n.removeprefix("one."): document["metrics"][n] for n in names}


def test_a_study_may_sweep_a_tenants_traffic(here: Path) -> None:
    text = PAIR + TASKS.replace("}}}}", "}}}, traffic: {kind: poisson, rate: 1 Hz, requests: 9, deadline: 3 s}}")
    study = hetsim.study(loaded(text + "    sweep: {workloads.two.traffic.rate: [0.1 Hz, 1 Hz]}\n"), workers=1)
    assert "two.deadline_misses" in study.scores()
    assert [row["two.latency_mean_s"] >= 2 for row in study.rows()] == [True, True]
    study.save(here / "out")
    assert (here / "out" / "study_two.deadline_misses.png").exists()


def test_tables_and_plots_tell_tenants_apart(here: Path) -> None:
    pytest.importorskip("pandas")
    result = hetsim.simulate(loaded(PAIR + TASKS))
    assert list(result.frame("requests")["tenant"]) == ["one", "two"]
    assert list(result.frame("spans")["tenant"]) == ["one", "two"]
    result.save(here / "out")
    again = hetsim.Result.load(here / "out")
    assert again.trace.tenants == ["one", "two"] and again.trace.spans["op"] == result.trace.spans["op"]
    assert [text.get_text() for text in again.plot("throughput").legends[0].get_texts()] == ["one", "two"]


def wrong(text: str, *sets: str) -> list[tuple[Any, ...]]:
    with pytest.raises(InputError) as error:
        loaded(text, *sets).check()
    return [(p.line, p.path, p.message) for p in error.value.problems]


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (TASKS + "    workload: {tasks: {c: {cost: {P1: 1 s}}}}\n",
         (5, "workload", "workload is one and workloads are several; give one of the two")),
        (TASKS.replace("P1", "P2"),
         (4, "workloads.two.tasks.b.cost.P2", "task 'two/b' has a cost on 'P2', which is no component")),
        (TASKS.replace("cost", "kost"), (4, "workloads.two.tasks.b.cost", "'cost' is missing")),
        (TASKS.replace("two", "t/o"), (4, "workloads.t/o", "'t/o' cannot be a name")),
        (TASKS.replace("two", "P1"), (4, "workloads.P1", "'P1' is a name of the system too")),
        (TASKS.replace("}}}}", "}}}, traffic: {kind: poisson}}"),
         (4, "workloads.two.traffic.rate", "'rate' is missing")),
        (TASKS.replace("}}}}", "}}}, trafic: {}}"), (4, "workloads.two.trafic", "key 'trafic' is not known")),
        (TASKS + "    scheduler: {pin: {b: P1}}\n", (5, "scheduler.pin.b", "the pin 'b' matches no op")),
        (TASKS + "    warmup: 1\n    traffic: {requests: 1}\n",
         (5, "warmup", "warmup leaves out 1 of 1 requests of one")),
        ("      two: {algorithm: kmeans, data: x.csv, clusters: 2}\n    numerics: none\n",
         (5, "numerics", "two decides on its numbers, and numerics: none computes none")),
        ("      two: {onnx: nowhere.onnx}\n", (4, "workloads.two", None)),
        (TASKS.replace("}}}}", "}}}, traffic: {kind: trace, file: t.csv}}"), (4, "workloads.two.traffic.file", None)),
        (TASKS.replace("}}}}", "}}}, traffic: {kind: trace, file: [t]}}"),
         (4, "workloads.two.traffic.file", "['t'] is not right here; the name of a CSV file is expected")),
        (TASKS.replace("}}}}", "}}}, traffic: {kind: batch, file: t.csv}}"),
         (4, "workloads.two.traffic.file", "key 'file' is not known")),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_where_it_stands(extra: str, problem: tuple[Any, ...]) -> None:
    found = wrong(PAIR + extra)
    assert any(p[:2] == problem[:2] and problem[2] in (None, p[2]) for p in found), found


def test_traffic_of_the_only_workload_stands_beside_it() -> None:
    text = "system: {components: {P1: {kind: abstract}}}\nworkload: {tasks: {a: {cost: {P1: 1 s}}}, traffic: {}}\n"
    assert wrong(text) == [(2, "workload.traffic", "traffic within a workload is for several workloads")]


def test_a_scenario_without_a_workload_says_so() -> None:
    assert wrong("system: {components: {P1: {kind: abstract}}}\n") == [(1, "workload", "'workload' is missing")]
    assert wrong("system: {components: {P1: {kind: abstract}}}\nworkloads: {}\n")[0][2] == "'workload' is missing"


# --- traces ---


def arrivals(content: str, tenant: str = "two", keys: str = "") -> list[float]:
    Path("t.csv").write_text(dedent(content))
    text = PAIR + TASKS + f"    traffic: {{kind: trace, file: t.csv{keys}}}\n"
    return list(loaded(text).traffic_of(tenant).times)  # type: ignore[union-attr]


def test_a_trace_deals_its_rows_out_to_the_tenants() -> None:
    content = "# a day\ntime (ms), tenant, count\n0, one, 2\n0.5, two, 1\n\n0.5, two, 0\n7, two, 3\n8, one, 1\n"
    assert arrivals(content, "one") == [0, 0, 8e-3]
    assert arrivals(content, "two") == [0.5e-3, 7e-3, 7e-3, 7e-3]


@pytest.mark.parametrize(
    ("content", "keys"),
    [("1\n2.5\n", ", unit: ms"), ("1 ms\n2500 us\n", ""), ("time\n1 ms\n2.5 ms\n", ""),
     ("time;count\n1 ms;1\n2.5 ms;1\n", ""), ("time (us)\n1000\n2500\n", ", unit: s")],
)  # fmt: skip
def test_times_bear_units_in_the_row_the_header_or_the_scenario(content: str, keys: str) -> None:
    assert arrivals(content, keys=keys) == [1e-3, 2.5e-3]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("1 s\n0.5 s\n", 2, "the arrival at 0.5 s is before that of line 1 (1.0 s)"),
        ("time (s)\n1\n-2\n", 3, "'-2 s' is negative; a time cannot be"),
        ("time (s)\nnan\n", 2, "'nan' is not a finite number; a time such as '50 ns' is expected"),
        ("1\n", 1, "'1' has no unit; a time such as '50 ns' is expected"),
        ("time (s), count\n1, 2.5\n", 2, "the count '2.5' is no whole number from 0 on"),
        ("time (s), count\n1\n", 2, "the row has 1 columns; 2 are expected"),
        ("time (s), cuont\n1, 1\n", 1, "the trace has a column 'cuont'"),
        ("count\n1\n", 1, "each column has a name of its own, and one is time"),
        ("time (s), count\n0, 999999999\n", 2, "there are more than 1,000,000 arrivals"),
    ],
)
def test_a_bad_row_is_told_with_its_line(content: str, line: int, message: str) -> None:
    with pytest.raises(InputError) as error:
        arrivals(content)
    problem = error.value.problems[0]
    assert (problem.file, problem.line, problem.message) == ("t.csv", line, message)


@pytest.mark.parametrize("content", ["", "# nothing\n", "time (s), tenant\n1, two\n"])
def test_a_trace_without_arrivals_is_told_at_the_scenario(content: str) -> None:
    with pytest.raises(InputError) as error:
        arrivals(content)
    problem = error.value.problems[0]
    assert (problem.line, problem.message) == (5, "the trace 't.csv' has no arrivals of 'one'")


def test_only_so_many_bad_rows_are_told() -> None:
    with pytest.raises(InputError) as error:
        arrivals("-1 s\n" * 1000)
    assert len(error.value.problems) == 20
