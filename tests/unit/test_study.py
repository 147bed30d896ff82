"""Studies: the grid, the workers, what is kept of a point, and the files."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hetsim
from hetsim import studies
from hetsim.errors import InputError, RunError
from hetsim.studies import StudyResult, short, study

PAIR = {
    "seed": 1,
    "system": {
        "components": {"P1": {"kind": "abstract"}, "P2": {"kind": "abstract"}},
        "links": {"net": {"kind": "ideal", "bandwidth": "1 B/s", "between": ["P1", "P2"]}},
    },
    "workload": {
        "tasks": {
            "n1": {"cost": {"P1": "14 s"}, "energy": {"P1": "2 J"}},
            "n2": {"cost": {"P2": "10 s"}, "energy": {"P2": "3 J"}, "after": {"n1": "20 B"}},
        }
    },
}


def pair(**sweep: list[Any]) -> hetsim.Scenario:
    """n1 on P1, 20 bytes over the link, n2 on P2: 24 s and 20 B over the bandwidth."""
    return hetsim.load({**PAIR, "sweep": {path.replace("__", "."): values for path, values in sweep.items()}})


def test_every_point_in_order_the_last_axis_fastest() -> None:
    answer = study(pair(system__links__net__bandwidth=["1 B/s", "2 B/s"], seed=[1, 2, 3]))
    points = [list(point["point"].values()) for point in answer.document["points"]]
    assert points == [[b, s] for b in ("1 B/s", "2 B/s") for s in (1, 2, 3)]
    assert [row["makespan_s"] for row in answer.rows()] == [44.0] * 3 + [34.0] * 3
    assert {row["energy_total_J"] for row in answer.rows()} == {5.0}


def test_axes_are_numbers_in_si_units_where_they_can_be() -> None:
    answer = study(
        pair(
            system__links__net__bandwidth=["1 B/s", "1 kB/s"],
            marks=[1, 2],
            scheduler__kind=["heft", "greedy"],
        )
    )
    axes = answer.document["axes"]
    assert axes["system.links.net.bandwidth"] == {"unit": "B/s", "places": [1.0] * 4 + [1000.0] * 4}
    assert axes["marks"] == {"unit": "", "places": [1.0, 1.0, 2.0, 2.0] * 2}
    assert axes["scheduler.kind"] == {"unit": "", "places": ["heft", "greedy"] * 4}


def test_a_failed_point_is_kept_with_its_error_and_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import hetsim.engine

    simulate = hetsim.engine.simulate

    def fragile(scenario: hetsim.Scenario) -> hetsim.Result:
        if scenario.seed == 2:
            raise RunError("the run stalled")
        return simulate(scenario)

    monkeypatch.setattr(hetsim.engine, "simulate", fragile)
    answer = study(pair(seed=[1, 2, 3]))
    assert answer.failed == [({"seed": 2}, "the run stalled")]
    assert [row.get("makespan_s") for row in answer.rows()] == [44.0, None, 44.0]
    lines = answer.plot("throughput").axes[0].lines
    assert list(lines[0].get_xdata()) == [1.0, 3.0]


def test_a_scenario_without_a_sweep_is_refused() -> None:
    with pytest.raises(InputError, match="no sweep"):
        study(hetsim.load(PAIR))


def test_progress_counts_every_point() -> None:
    seen: list[tuple[int, int]] = []
    study(pair(seed=[1, 2]), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


SCRIPT = """
import sys, hetsim
from pathlib import Path
if __name__ == "__main__":
    answer = hetsim.study(hetsim.load(sys.argv[1]), workers=int(sys.argv[2]))
    answer.save(sys.argv[3])
"""


def test_one_and_two_workers_give_the_same_bytes(tmp_path: Path) -> None:
    scenario = {**PAIR, "sweep": {"seed": [1, 2, 3], "system.links.net.bandwidth": ["1 B/s", "4 B/s"]}}
    (tmp_path / "pair.yaml").write_text(json.dumps(scenario))
    (tmp_path / "script.py").write_text(SCRIPT)
    root = str(Path(hetsim.__file__).parents[1])
    for workers in ("1", "2"):
        command = [sys.executable, "script.py", "pair.yaml", workers, f"out{workers}"]
        subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": root})
    names = sorted(os.listdir(tmp_path / "out1"))
    assert names == ["study.csv", "study.json", "study_energy.png", "study_throughput.png"]
    for name in names:
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes(), name


def test_a_worker_that_dies_takes_only_its_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    def submit(self: object, answer: Any, question: hetsim.Scenario) -> Future[dict[str, Any]]:
        future: Future[dict[str, Any]] = Future()
        if question.seed == 2:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(answer(question))
        return future

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    answer = study(pair(seed=[1, 2, 3]), workers=2)
    assert [point for point, _ in answer.failed] == [{"seed": 2}]
    assert "died" in answer.failed[0][1]


def test_files_hold_the_table_and_can_be_loaded(tmp_path: Path) -> None:
    answer = study(pair(system__links__net__bandwidth=["1 B/s", "2 B/s"]))
    answer.save(tmp_path / "out", plots=False)
    with (tmp_path / "out" / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["system.links.net.bandwidth"], float(row["makespan_s"])) for row in rows] == [
        ("1 B/s", 44.0),
        ("2 B/s", 34.0),
    ]
    again = StudyResult.load(tmp_path / "out")
    assert again.to_dict() == answer.to_dict()
    assert again.redraw(tmp_path / "out") == ["study_throughput.png", "study_energy.png"]


def test_plots_name_axis_series_and_units() -> None:
    answer = study(pair(scheduler__kind=["heft", "greedy"], system__links__net__bandwidth=["1 B/s", "2 B/s"]))
    figure = answer.plot("throughput")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("net.bandwidth (B/s)", "throughput (requests/s)")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["heft", "greedy"]
    assert [axes.get_ylabel() for axes in answer.plot("energy").axes] == ["energy (J)"]
    with pytest.raises(InputError, match="no point has 'accuracy'"):
        answer.plot("accuracy")


def test_scores_leave_out_what_components_counted() -> None:
    point = {"point": {"seed": 1}, "metrics": {"accuracy": 0.9, "imc.adc_clipped": 3.0}}
    assert StudyResult({"axes": {"seed": {}}, "points": [point]}).scores() == ["accuracy"]


def test_frame_and_notebook() -> None:
    answer = study(pair(seed=[1, 2]))
    assert "<td>44.0</td>" in answer._repr_html_()
    pytest.importorskip("pandas")
    assert answer.frame()["makespan_s"].tolist() == [44.0, 44.0]


def test_workers_run_numpy_and_numba_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in studies._THREADS:
        monkeypatch.setenv(name, "7")
    studies._single_threaded()
    assert {os.environ[name] for name in studies._THREADS} == {"1"}


def test_short_names() -> None:
    assert short("system.components.imc.adc.bits") == "imc.adc.bits"
    assert short("system.links.bus.width") == "bus.width" and short("seed") == "seed"
