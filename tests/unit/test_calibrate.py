"""Calibration: figures out of times, and files that hetsim reads back."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from hetsim import calibrate, library
from hetsim.calibrate import cores, cuda, machine, timing
from hetsim.calibrate.card import Card, assumed, measured
from hetsim.calibrate.kernels import COPIES, FORMS, SQUARES, TABLE, Powers, Suite
from hetsim.calibrate.timing import Probe, sample
from hetsim.cli import app
from hetsim.errors import InputError
from hetsim.hardware.cpu import Cpu, CpuSheet
from hetsim.hardware.gpu import Gpu, GpuSheet
from hetsim.hardware.table import TableSheet

# --- timing ---


class Clock:
    """A clock that a call moves on by what it is said to take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, *seconds: float):
        turns = itertools.cycle(seconds)

        def call() -> None:
            self.now += next(turns)

        return call


def test_the_lowest_time_counts_and_the_first_does_not() -> None:
    clock = Clock()
    probe = Probe([clock.takes(0.1, 5, 3, 9)])
    probe.sample(16, clock)
    assert probe.seconds == pytest.approx(3)
    early = Probe([clock.takes(0.1, 5)])
    early.sample(0, clock)
    assert early.seconds == pytest.approx(5)


def test_what_surrounds_two_chains_cancels_out() -> None:
    clock = Clock()
    probe = Probe([clock.takes(7 + 2 * 0.5), clock.takes(7 + 6 * 0.5)], (2, 6))
    probe.sample(100, clock)
    assert probe.seconds == pytest.approx(0.5)


def test_a_short_chain_met_by_a_busy_moment_leaves_a_time_that_can_be() -> None:
    clock = Clock()
    probe = Probe([clock.takes(9), clock.takes(7 + 6 * 0.5)], (2, 6))
    probe.sample(100, clock)
    slower = Probe([clock.takes(11), clock.takes(7 + 6 * 0.5)], (2, 6))
    slower.sample(100, clock)
    assert 0.1 <= probe.seconds <= 10 / 6
    assert slower.seconds == pytest.approx(10 / 6 / 10)


def test_rounds_keep_the_best_of_all() -> None:
    calls = []
    probes = [Probe([lambda i=i: calls.append(i)]) for i in range(3)]
    told = list[tuple[int, int]]()
    sample(probes, 0.0, lambda done, total: told.append((done, total)))
    assert told == [(n, 12) for n in range(1, 13)]
    firsts = [i for i, _ in itertools.groupby(calls)]
    assert firsts == [0, 1, 2] * 4  # every probe in every round
    assert all(0 <= probe.seconds < 1 for probe in probes)


# --- what the system tells ---


def test_caches_are_read_from_the_system(tmp_path: Path) -> None:
    shown = [("Data", "1", "32K", "0"), ("Instruction", "1", "32K", "0"), ("Unified", "3", "8M", "0-2,8")]
    for i, values in enumerate(shown):
        (tmp_path / f"index{i}").mkdir()
        for key, value in zip(("type", "level", "size", "shared_cpu_list"), values, strict=True):
            (tmp_path / f"index{i}" / key).write_text(value + "\n")
    assert machine.caches(tmp_path) == [machine.Level(1, 2**15, 1), machine.Level(3, 2**23, 4)]
    assert machine.caches(tmp_path / "none") == []


def test_energy_counters_are_added_where_there_are_any(tmp_path: Path) -> None:
    assert machine.joules(tmp_path) is None
    for name, value in (("intel-rapl:0", "1500000"), ("intel-rapl:1", "500000"), ("intel-rapl:0:0", "9")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(value)
    assert machine.joules(tmp_path) == pytest.approx(2.0)
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("")  # not ours to read
    assert machine.joules(tmp_path) is None


def test_power_gives_energies(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([0.0, 1000.0, 1000.0, 5000.0])
    monkeypatch.setattr(machine, "joules", lambda: next(counted))
    clock = iter([0.0, 100.0, 100.0, 200.0])
    monkeypatch.setattr(cores.time, "perf_counter", lambda: next(clock))
    power = cores._Power(Probe([lambda: None]), 0.0)
    figures = power.figures(1e9)
    assert (power.idle, power.busy) == (10.0, 40.0)
    assert figures["static_power"].value == "10.00 W"
    assert figures["energy"]["fp64"].value == "30.00 nJ/OP"
    monkeypatch.undo()
    monkeypatch.setattr(machine, "joules", lambda: None)
    unknown = cores._Power(Probe([lambda: None]), 0.0).figures(1e9)
    assert unknown["static_power"].evidence == "assumption"


# --- files ---


def test_a_card_is_a_datasheet_with_sources(tmp_path: Path) -> None:
    card = Card({
        "kind": "cpu", "title": 'a "quoted" name: with a colon', "references": ["here"],
        "vector": {"fp32": measured(97.5e9, "OP/s", "products", "a note")}, "fusion": True,
        "caches": [{"capacity": assumed("1 MiB", "a guess"), "bandwidth": measured(1e11, "B/s", "sums")}],
        "memory": {"kind": "memory", "bandwidth": measured(2e10, "B/s", "weights")},
        "energy": {"fp32": assumed("5 pJ/OP", "a guess")},
    }, {"more": {"kind": "abstract", "title": "beside it"}})  # fmt: skip
    folder = tmp_path / "components"
    written = card.write(folder / "mine.yaml")
    assert [path.name for path in written] == ["mine.yaml", "mine_more.yaml"]
    assert [library.check(path) for path in written] == ["cpu datasheet", "abstract datasheet"]  # with sources
    sheet = CpuSheet.model_validate(card.plain())
    assert sheet.vector["fp32"] == 97.5e9
    assert sheet.caches[0].capacity == 2**20
    assert "measured here: products" in card.text()


def test_nothing_is_written_over_that_no_calibration_wrote(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    card = Card({"kind": "cpu", "title": "measured here"})
    for _ in range(2):
        assert card.write(mine) == [mine]
    other.write_text("my: thesis")
    for target, word in ((other, "was not written by a calibration"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=word):
            card.write(target)
    assert other.read_text() == "my: thesis"


def test_this_cpu_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(timing, "ROUNDS", 1)
    monkeypatch.setattr(cores, "LARGEST", 2**24)
    measured_cpu = calibrate.cpu(threads=1, seconds=0.5)
    (path,) = measured_cpu.write(tmp_path / "components" / "mine.yaml")
    assert library.check(path) == "cpu datasheet"
    sheet = CpuSheet.model_validate(measured_cpu.plain())
    assert sheet.units == 1
    assert sheet.vector["fp32"] < 20 * sheet.matrix["fp32"]
    assert 1e9 < sheet.matrix["fp32"] < 1e14
    assert 0 < sheet.launch < 1e-3
    assert sheet.efficiency <= 1
    assert "LRN" in sheet.operators
    assert Cpu("cpu", sheet).peaks()["peak_ops_per_s"] == sheet.matrix["fp32"]


# --- GPUs, without one ---


class Device:
    """A GPU that obeys a law: a launch, then operations or bytes at a rate."""

    name, units, cache, memory, software = "Fake 100", 100, 40 * 2**20, 16 * 2**30, "no torch"
    launched, bandwidth, cached = 4e-6, 1e12, 5e12
    rates: ClassVar = {"fp64": 1e13, "fp32": 2e13, "fp16": 2e14, "bf16": 2e14, "int8": 4e14}  # and no tf32

    def product(self, vectors: int, rows: int, columns: int, form: str, seconds: float) -> float | None:
        if form not in self.rates or (form == "int8" and vectors == 1):
            return None
        item = {"fp64": 8, "fp32": 4, "int8": 1}.get(form, 2)
        work = 2 * vectors * rows * columns / self.rates[form]
        return self.launched + max(work, rows * columns * item / self.bandwidth if vectors == 1 else 0)

    def convolution(self, batch: int, channels: int, places: int, window: int, form: str, seconds: float) -> float:
        return self.launched + 2 * batch * places**2 * (channels * window) ** 2 / (self.rates[form] / 4)

    def attention(self, batch: int, heads: int, length: int, width: int, form: str, seconds: float) -> None:
        return None

    def sum(self, elements: int, form: str, seconds: float) -> float:
        size = 6 * elements
        return self.launched + size / (self.cached if size <= self.cache else self.bandwidth)

    def copy(self, size: int, to_device: bool, seconds: float) -> float:
        return 10e-6 + size / (25e9 if to_device else 20e9)

    def launch(self, seconds: float) -> tuple[float, float]:
        return self.launched, 11e-6

    def powers(self, seconds: float) -> Powers | None:
        return Powers(50.0, 300.0, self.rates["fp16"])


@pytest.fixture
def card() -> Card:
    return Suite(Device(), 1.0).card()


def test_the_law_of_a_gpu_is_found_again(card: Card) -> None:
    sheet = GpuSheet.model_validate(card.plain())
    for form, rate in Device.rates.items():
        there = sheet.vector if form in ("fp64", "fp32") else sheet.matrix
        assert there[form] == pytest.approx(rate, rel=1e-3)
    assert "tf32" not in sheet.matrix
    assert sheet.vector["fp16"] == pytest.approx(2e13, rel=1e-3)  # no more than fp32
    assert sheet.launch == 4e-6
    assert sheet.units == 100
    assert sheet.caches[0].bandwidth == pytest.approx(5e12, rel=1e-3)
    assert sheet.memory.bandwidth == pytest.approx(1e12, rel=1e-3)
    products, convolutions = sum(n >= 2048 for n in SQUARES), 4
    assert sheet.efficiency == pytest.approx(0.25 ** (convolutions / (products + convolutions)), abs=1e-3)
    assert sheet.static_power == 50
    assert sheet.energy["fp16"] == pytest.approx(250 / 2e14, rel=1e-3)
    assert sheet.energy["fp32"] == pytest.approx(250 / 2e13, rel=1e-3)
    assert Gpu("gpu", sheet).peaks()["peak_ops_per_s"] == pytest.approx(2e14, rel=1e-3)


def test_times_and_the_link_lie_beside_the_datasheet(card: Card, tmp_path: Path) -> None:
    folder = tmp_path / "components"
    written = card.write(folder / "fake.yaml")
    assert [path.name for path in written] == ["fake.yaml", "fake_times.yaml", "fake_link.yaml"]
    assert [library.check(path) for path in written] == ["gpu datasheet", "table datasheet", "serial datasheet"]
    times = TableSheet.model_validate(card.plain("times")).times
    assert [kinds.of for kinds in times] == [("MatMul",), ("Conv",), ("Add",)]
    assert times[0].at((4096, 4096, 4096, 1))[0] == pytest.approx(4e-6 + 2 * 4096**3 / 2e14, rel=1e-3)
    link = card.plain("link")
    assert link["bandwidth"] == "20.00 GB/s"
    assert link["latency"] == "10.00 us"


def test_a_board_that_does_not_tell_its_power_gets_assumptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "powers", lambda self, seconds: None)
    sheet = Suite(Device(), 1.0).sheet()
    assert {datum.evidence for datum in (sheet["static_power"], *sheet["energy"].values())} == {"assumption"}


def test_everything_that_the_suite_asks_for_has_a_precision_that_torch_knows() -> None:
    assert set(FORMS) == set(cuda.DTYPES)
    assert TABLE in FORMS
    assert len({size for size, _ in COPIES}) == 2


def test_without_torch_or_device_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs torch") as caught:
        calibrate.gpu()
    assert caught.value.exit_code == 2

    class Torch:
        class cuda:  # noqa: N801
            is_available = staticmethod(lambda: False)
            device_count = staticmethod(lambda: 0)

    monkeypatch.setattr(cuda.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(cuda.importlib, "import_module", lambda name: Torch)
    with pytest.raises(InputError, match="no CUDA device 0") as caught:
        calibrate.gpu()
    assert caught.value.exit_code == 2


# --- the command ---


def test_the_command_says_what_it_cannot_do_before_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda.importlib.util, "find_spec", lambda name: None)
    mine = tmp_path / "mine.yaml"
    mine.write_text("not: ours")
    free = str(tmp_path / "free.yaml")
    for arguments, word in (
        (["tpu", "--out", free], "no 'tpu' to measure"), (["gpu", "--out", free], "needs torch"),
        (["cpu", "--out", str(mine)], "was not written by a calibration"),
    ):  # fmt: skip
        result = CliRunner().invoke(app, ["calibrate", *arguments])
        assert result.exit_code == 2
        assert word in result.output
    assert mine.read_text() == "not: ours"
    assert list(tmp_path.iterdir()) == [mine]


def test_the_command_writes_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "device", lambda number: Device())
    result = CliRunner().invoke(app, ["calibrate", "gpu", "--out", str(tmp_path / "gpu.yaml")])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.yaml", "gpu_link.yaml", "gpu_times.yaml"]
    assert result.output.count("written") == 3
