"""Traces, results and output folders."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import JOULES, OPS, result, trace

from hetsim import files, perfetto, power, tables
from hetsim.errors import InputError, RunError
from hetsim.figures import engineering, percent, plain, prefix
from hetsim.result import Columns, Result, Trace, headline
from hetsim.spans import lanes


def test_columns_grow_while_a_copy_is_held() -> None:
    columns = Columns(start="q", joules="d")
    append = columns["start"].append
    append(3)
    columns["joules"].append(0.5)
    held = columns.numpy("start")
    append(4)
    columns["joules"].append(1.5)
    assert held.tolist() == [3] and held.dtype == np.int64
    assert columns.numpy("joules").tolist() == [0.5, 1.5]
    assert len(columns) == 2 and columns.names == ("start", "joules")


def test_columns_of_unequal_lengths_are_an_error() -> None:
    columns = Columns(start="q", end="q")
    columns["start"].append(1)
    with pytest.raises(ValueError, match="unequal"):
        len(columns)


intervals = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40)


@given(intervals)
def test_lanes_hold_no_overlap_and_are_as_few_as_overlap(pairs: list[tuple[int, int]]) -> None:
    start, end = [a for a, _ in pairs], [a + length for a, length in pairs]
    dealt = lanes(start, end)
    for i in range(len(pairs)):
        for k in range(i):
            if dealt[i] == dealt[k]:
                assert max(start[i], start[k]) >= min(end[i], end[k])
    deepest = max((sum(a <= t < b for a, b in zip(start, end, strict=True)) for t in range(71)), default=0)
    assert max(dealt, default=-1) + 1 <= max(deepest, 1) + sum(a == b for a, b in zip(start, end, strict=True))
    if all(length for _, length in pairs):
        assert max(dealt, default=-1) + 1 == deepest


# -- power over time

spans = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 300), st.floats(0, 10)), max_size=30)


@given(spans, st.integers(1, 40))
def test_power_bins_hold_exactly_the_energy_of_the_spans(rows: list[tuple[int, int, float]], bins: int) -> None:
    start = np.array([a for a, _, _ in rows], dtype=np.int64)
    end = start + np.array([length for _, length, _ in rows], dtype=np.int64)
    joules = np.array([j for _, _, j in rows], dtype=float)
    edges = np.linspace(0, 1300, bins + 1)
    found = power.binned(start, end, joules, edges)
    assert found.sum() == pytest.approx(joules.sum(), rel=1e-12, abs=1e-15)
    for b in range(bins):
        share = [
            j * max(0.0, min(e, edges[b + 1]) - max(s, edges[b])) / (e - s)
            for s, e, j in zip(start.tolist(), end.tolist(), joules.tolist(), strict=True)
            if e > s
        ]
        if all(e > s for s, e in zip(start, end, strict=True)):
            assert found[b] == pytest.approx(sum(share), rel=1e-9, abs=1e-12)


def test_power_clips_what_lies_outside_the_edges() -> None:
    edges = np.array([100.0, 200.0, 300.0])
    found = power.binned(np.array([0, 250]), np.array([200, 350]), np.array([2.0, 4.0]), edges)
    assert found.tolist() == [1.0, 2.0]


def test_area_under_power_is_the_energy_of_the_run() -> None:
    made = trace(7)
    edges, dynamic, static = power.over_time(made, 53)
    width = edges[1] - edges[0]
    area = sum(p.sum() for p in dynamic.values()) * width + sum(static.values()) * made.seconds
    assert area == pytest.approx(sum(made.energy.values()), rel=1e-12)
    assert static == pytest.approx({"cpu": 2.0, "imc": 0.1, "gpu": 1.5, "bus": 0.0})


# -- Chrome trace


def test_chrome_trace_shows_every_span_once_in_threads_without_overlap() -> None:
    made = trace(5)
    document = perfetto.chrome_trace(made)
    shown = [e for e in document["traceEvents"] if e["ph"] == "X"]
    assert len([e for e in shown if e["pid"] < 5]) == len(made.spans) + len(made.transfers) == 35
    names = {e["pid"]: e["args"]["name"] for e in document["traceEvents"] if e.get("name") == "process_name"}
    assert names == {1: "cpu", 2: "imc", 3: "gpu", 4: "link bus", 5: "requests"}
    whole = [(e["ts"], e["dur"], e["args"]["request"]) for e in shown if e["pid"] == 5]
    assert whole == [(70.0 * r, 150.0, r) for r in range(5)]
    assert next(e for e in shown if e["pid"] == 5)["args"]["energy_J"] == made.calls["joules"][0]
    first = next(e for e in shown if e["name"] == "conv1")
    assert (first["ts"], first["dur"], first["pid"]) == (0.0, 40.0, 2)
    assert first["args"]["energy_J"] == JOULES[0] and first["args"]["request"] == 0
    threads = {e["tid"]: e["pid"] for e in shown}
    assert len(threads) == len({(e["pid"], e["tid"]) for e in shown}) and not threads.keys() & names.keys()
    for tid, pid in threads.items():
        mine = sorted((e["ts"], e["ts"] + e["dur"]) for e in shown if (e["pid"], e["tid"]) == (pid, tid))
        assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(mine))


def test_chrome_trace_flows_follow_the_dependences() -> None:
    made = trace(3)
    events = perfetto.chrome_trace(made)["traceEvents"]
    tails = {e["id"]: e for e in events if e["ph"] == "s"}
    heads = {e["id"]: e for e in events if e["ph"] == "f"}
    assert tails.keys() == heads.keys() and len(tails) == 3 * (len(OPS) - 1)
    bars = [e for e in events if e["ph"] == "X"]
    for number, tail in tails.items():
        assert tail["ts"] <= heads[number]["ts"]
        for end in (tail, heads[number]):
            place = (end["pid"], end["tid"])
            around = [b for b in bars if (b["pid"], b["tid"]) == place and b["ts"] <= end["ts"] < b["ts"] + b["dur"]]
            assert len(around) == 1


def test_chrome_trace_counts_power() -> None:
    made = trace(1)
    events = perfetto.chrome_trace(made)["traceEvents"]
    cpu = [(e["ts"], e["args"]["W"]) for e in events if e["ph"] == "C" and e["pid"] == 1]
    energy = sum(w * (cpu[i + 1][0] - t) * 1e-6 for i, (t, w) in enumerate(cpu[:-1]))
    assert energy == pytest.approx(JOULES[1] + JOULES[3] + 2.0 * made.seconds)
    assert cpu[-1] == (made.end / 1e6, 0.0)


def test_chrome_trace_is_capped_and_says_so() -> None:
    made = trace(50)
    document = perfetto.chrome_trace(made, limit=40)
    shown = [e for e in document["traceEvents"] if e["ph"] == "X" and e["pid"] < 5]
    assert len(shown) == 40 and document["otherData"]["spans"] == 350
    assert "first 40 of 350" in document["otherData"]["capped"]
    left_out = sorted([*made.spans["start"], *made.transfers["start"]])[40]
    assert max(e["ts"] for e in shown) * 1e6 <= left_out
    assert not [e for e in perfetto.chrome_trace(made, limit=0)["traceEvents"] if e["ph"] in "Xsf"]


# -- on disk


def test_a_result_is_the_same_after_it_was_saved_and_loaded(tmp_path: Path) -> None:
    made = result(4)
    names = made.save(tmp_path / "out", plots=False)
    assert names == sorted(os.listdir(tmp_path / "out"))
    again = Result.load(tmp_path / "out")
    assert again.to_dict() == made.document
    for table in tables.TABLES:
        before, after = getattr(made.trace, table), getattr(again.trace, table)
        assert {n: before[n].tolist() for n in before.names} == {n: after[n].tolist() for n in after.names}
    assert (again.trace.energy, again.trace.graphs) == (made.trace.energy, made.trace.graphs)
    assert (again.trace.end, again.trace.tensors) == (made.trace.end, made.trace.tensors)


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result(3).save(tmp_path / name)
    names = os.listdir(tmp_path / "a")
    assert {f"{kind}.png" for kind in ("timeline", "power", "energy", "throughput")} < set(names)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_frames_have_names_and_seconds() -> None:
    pytest.importorskip("pandas")
    made = result(2)
    frame = made.frame()
    assert frame["op"].tolist().count("conv1") == 2 and set(frame["component"]) == {"cpu", "imc"}
    row = frame[(frame["op"] == "pool1") & (frame["request"] == 0)].iloc[0]
    assert (row["start_s"], row["end_s"], row["energy_J"]) == (45e-6, 55e-6, JOULES[1])
    assert made.frame("transfers")["bytes"].tolist() == [1024] * 6
    with pytest.raises(InputError, match="not a table"):
        made.frame("span")


def test_ops_of_the_same_name_in_two_graphs_are_one_name() -> None:
    made = trace(1)
    made.graphs.append(made.graphs[0])
    made.spans["graph"][0] = 1
    assert tables.arrow(made)["op"].to_pylist().count("conv1") == 1
    assert len(tables.op_codes(made)[1]) == len(OPS)


def test_an_older_output_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result(2).save(out)
    names = result(3).save(out, plots=False)
    assert sorted(os.listdir(out)) == names and "timeline.png" not in names
    assert json.loads((out / "result.json").read_text())["requests"] == 3
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result(2).save(out, plots=False)
    (out / "notes.txt").write_text("mine")
    before = sorted(os.listdir(out))
    with pytest.raises(InputError, match=r"notes\.txt"):
        result(3).save(out)
    assert sorted(os.listdir(out)) == before
    assert json.loads((out / "result.json").read_text())["requests"] == 2


def test_a_failed_write_leaves_nothing_and_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    result(2).save(out, plots=False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "save", full)
    with pytest.raises(RunError, match="No space left"):
        result(3).save(out)
    with pytest.raises(RunError, match="No space left"):
        result(3).save(tmp_path / "new")
    assert os.listdir(tmp_path) == ["out"]
    assert json.loads((out / "result.json").read_text())["requests"] == 2


def test_folders_that_cannot_be_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        files.check_folder(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be made"), files.whole(tmp_path / "file" / "below"):
        pass
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the folder you are in"):
        files.check_folder(".")
    assert files.check_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"


def test_output_folders_obey_the_umask(tmp_path: Path) -> None:
    result(1).save(tmp_path / "out", plots=False)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "other/1"}', "\x00"])
def test_what_is_no_result_is_not_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError):
        Result.load(tmp_path)


def test_a_result_with_damaged_tables_is_not_loaded(tmp_path: Path) -> None:
    result(1).save(tmp_path / "out", plots=False)
    spans_file = tmp_path / "out" / "spans.parquet"
    spans_file.write_bytes(spans_file.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        Result.load(tmp_path / "out")


def test_an_empty_trace_can_be_saved_and_drawn(tmp_path: Path) -> None:
    empty = Result(result(1).document, Trace(["cpu"], []))
    empty.save(tmp_path / "out")
    assert len(Result.load(tmp_path / "out").trace.spans) == 0


# -- words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0123, "s", "12.3 ms"), (0, "J", "0 J"), (999.96e-6, "s", "1.00 ms"), (-4.5e-7, "V", "-450 nV"),
     (1e21, "OP", "1000 EOP"), (None, "s", "–"), (5e-324, "J", "4.94e-306 aJ"), (80.0, "s", "80.0 s")],
)  # fmt: skip
def test_engineering(value: float | None, unit: str, text: str) -> None:
    assert engineering(value, unit) == text


@given(st.floats(1e-17, 1e19))
def test_prefixes_bring_numbers_between_one_and_a_thousand(value: float) -> None:
    factor, _ = prefix(value)
    assert 0.999 <= value / factor < 1000


def test_plain_and_percent() -> None:
    assert [plain(v) for v in (3, 3.0, 0.964, 1234567.0, None)] == ["3", "3", "0.964", "1,234,567", "–"]
    assert [percent(v) for v in (0.25, 1.0, 0.000123, 0.0)] == ["25.0 %", "100 %", "0.0123 %", "0 %"]


def test_headline_and_notebook_show_what_counts() -> None:
    made = result(6)
    told = dict(headline(made.document))
    assert told["makespan"] == "500 us" and told["accuracy"] == "0.964" and "static" in told["energy"]
    page = made._repr_html_()
    assert "500 us" in page and "synthetic" in page
    made.document["scenario"] = "<script>"
    assert "<script>" not in made._repr_html_()
