"""Timing of a CUDA device against a torch that is none: kernels advance a clock of their own, by a known law."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hetsim.calibrate import cuda, kernels
from hetsim.calibrate.cuda import Device
from hetsim.units import si

LAUNCH, RATE, BANDWIDTH, COPY = 5e-6, 1e14, 1e12, 2e10  # s, OP/s, B/s, B/s
ITEM = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1}
LIMIT = 2**31  # bytes of memory for one tensor
IDLE, BUSY = 40_000.0, 240_000.0  # mW


class Tensor:
    """A shape, a type and a place."""

    def __init__(self, torch: Torch, shape: tuple[int, ...], dtype: str, device: str) -> None:
        self.torch, self.shape, self.dtype, self.device = torch, shape, dtype, device
        self.size = 1
        for n in shape:
            self.size *= n
        if self.size * ITEM[dtype] > LIMIT:
            raise RuntimeError("CUDA out of memory")

    def t(self) -> Tensor:
        return Tensor(self.torch, self.shape[::-1], self.dtype, self.device)

    def to(self, dtype: str | None = None, memory_format: str = "") -> Tensor:
        return Tensor(self.torch, self.shape, dtype or self.dtype, self.device)

    def __matmul__(self, other: Tensor) -> None:
        if self.dtype == "bfloat16":
            raise RuntimeError("no such kernel")
        self.torch.log.append(("product", self.dtype, self.torch.backends.cuda.matmul.allow_tf32))
        self.torch.run(2 * self.shape[0] * self.shape[1] * other.shape[1] / RATE * ITEM[self.dtype] / 2)

    def add_(self, value: float) -> None:
        self.torch.run(0.0)

    def copy_(self, source: Tensor, non_blocking: bool = False) -> None:
        assert non_blocking and {self.device, source.device} == {"cuda", "pinned"}
        self.torch.run(self.size / COPY)


class Torch:
    """What the calibration uses of torch. The device works through its stream while the host goes on."""

    __version__, version = "0", SimpleNamespace(cuda="0")
    channels_last = "channels_last"
    float64, float32, float16, bfloat16, int8, uint8 = ITEM

    def __init__(self) -> None:
        self.host, self.device_free, self.slept, self.cold = 0.0, 0.0, -1.0, 3
        self.log: list[tuple[Any, ...]] = []
        self.cuda = SimpleNamespace(
            is_available=lambda: True, device_count=lambda: 2, set_device=lambda n: self.log.append(("device", n)),
            get_device_properties=lambda n: SimpleNamespace(
                name="Fake", multi_processor_count=80, total_memory=2**34, L2_cache_size=2**22
            ),
            synchronize=self.wait, Event=lambda enable_timing: Event(self), power_draw=self.watts,
        )  # fmt: skip
        self.backends = SimpleNamespace(
            cudnn=SimpleNamespace(flags=self.flags), cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=None))
        )
        self.nn = SimpleNamespace(functional=SimpleNamespace(conv2d=self.conv2d))

    def run(self, seconds: float) -> None:
        """Queue a kernel: the host takes a microsecond, the device the launch and its work; the first are slow."""
        slow = 1e-3 if self.cold > 0 else 0.0
        self.cold -= 1
        self.host += 1e-6
        self.device_free = max(self.device_free, self.host) + LAUNCH + seconds + slow

    def wait(self) -> None:
        self.host = max(self.host, self.device_free)

    def sleep(self, seconds: float) -> None:
        self.host += seconds
        self.slept = self.host

    def clock(self) -> float:
        return self.host

    def watts(self, number: int) -> float:
        return IDLE if self.slept == self.host else BUSY

    @contextlib.contextmanager
    def flags(self, enabled: bool, allow_tf32: bool) -> Iterator[None]:
        yield

    def rand(self, shape: tuple[int, ...], device: str) -> Tensor:
        return Tensor(self, shape, "float32", device)

    def randint(self, low: int, high: int, shape: tuple[int, ...], dtype: str, device: str) -> Tensor:
        return Tensor(self, shape, dtype, device)

    def empty(self, size: int, dtype: str, device: str = "", pin_memory: bool = False) -> Tensor:
        return Tensor(self, (size,), dtype, "pinned" if pin_memory else device)

    def add(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        self.run(3 * a.size * ITEM[a.dtype] / BANDWIDTH)

    def conv2d(self, x: Tensor, w: Tensor, padding: int) -> None:
        assert padding == w.shape[2] // 2
        self.run(2 * x.size * w.size / x.shape[1] / RATE)


class Event:
    """A mark in the stream: its time is that at which the device comes to it."""

    def __init__(self, torch: Torch) -> None:
        self.torch, self.at = torch, -1.0

    def record(self) -> None:
        self.at = max(self.torch.device_free, self.torch.host)

    def synchronize(self) -> None:
        self.torch.host = max(self.torch.host, self.at)

    def elapsed_time(self, other: Event) -> float:
        assert self.at >= 0 and other.torch.host >= other.at, "not recorded, or read before the device came to it"
        return (other.at - self.at) * 1e3


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Torch:
    made = Torch()
    monkeypatch.setattr(cuda, "time", SimpleNamespace(perf_counter=made.clock, sleep=made.sleep))
    monkeypatch.setattr(cuda.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(cuda.importlib, "import_module", lambda name: made)
    return made


def near(seconds: float) -> Any:
    """Within 1 %: the device has nothing to do while the host prepares the first of many kernels."""
    return pytest.approx(seconds, rel=0.01)


def test_kernels_take_what_the_device_takes_not_what_the_host_does(torch: Torch) -> None:
    gpu = cuda.device(1)
    assert ("device", 1) in torch.log
    assert gpu.product(512, 1024, 2048, "fp16", 0.01) == near(LAUNCH + 2 * 512 * 1024 * 2048 / RATE)
    assert gpu.product(512, 1024, 2048, "fp64", 0.01) == near(LAUNCH + 8 * 512 * 1024 * 2048 / RATE)
    assert gpu.convolution(4, 64, 28, 3, "fp16", 0.01) == near(LAUNCH + 2 * 4 * 784 * (64 * 3) ** 2 / RATE)
    assert gpu.sum(2**20, "fp16", 0.01) == near(LAUNCH + 6 * 2**20 / BANDWIDTH)
    for there in (True, False):
        assert gpu.copy(2**24, there, 0.01) == near(LAUNCH + 2**24 / COPY)


def test_the_first_slow_calls_do_not_count(torch: Torch) -> None:
    gpu = cuda.device()
    torch.cold = cuda.WARM
    assert gpu.product(64, 64, 64, "fp16", 0.001) == near(LAUNCH + 2 * 64**3 / RATE)


def test_a_launch_and_one_that_is_waited_for(torch: Torch) -> None:
    apart, waited = cuda.device().launch(0.01)
    assert apart == near(LAUNCH)
    assert waited == near(LAUNCH + 1e-6)


@pytest.mark.parametrize("form", ["tf32", "fp32", "fp16"])
def test_only_products_in_tf32_may_round_their_operands(torch: Torch, form: str) -> None:
    gpu = cuda.device()
    gpu.product(64, 64, 64, "tf32", 0.001)
    torch.log.clear()
    gpu.product(64, 64, 64, form, 0.001)
    assert {allowed for _, _, allowed in torch.log} == {form == "tf32"}


def test_what_the_device_cannot_do_takes_none(torch: Torch) -> None:
    gpu = cuda.device()
    assert gpu.product(64, 64, 64, "bf16", 0.001) is None  # no such kernel
    assert gpu.product(64, 64, 64, "int8", 0.001) is None  # no _int_mm in this torch
    assert gpu.sum(2**30, "fp16", 0.001) is None  # out of memory before any kernel
    assert gpu.copy(2**32, True, 0.001) is None


def test_idle_power_is_read_after_a_rest_and_busy_power_at_work(torch: Torch) -> None:
    powers = cuda.device().powers(1.0)
    assert powers is not None
    assert (powers.idle, powers.busy) == (IDLE / 1e3, BUSY / 1e3)
    assert powers.rate == pytest.approx(2 * 4096**3 / (LAUNCH + 2 * 4096**3 / RATE), rel=0.01)


def test_a_board_that_tells_no_power_has_none(torch: Torch) -> None:
    def missing(number: int) -> float:
        raise ModuleNotFoundError("pynvml")

    gpu = cuda.device()
    torch.cuda.power_draw = missing
    assert gpu.powers(0.1) is None


def test_a_device_that_is_not_there_is_refused(torch: Torch) -> None:
    with pytest.raises(cuda.InputError, match="no CUDA device 2"):
        cuda.device(2)


def test_the_whole_suite_runs_on_it(torch: Torch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The datasheet has the rate that the device has; precisions and kernels that it lacks are left out."""
    monkeypatch.setattr(kernels, "SQUARES", (2048, 4096))
    made: Device = cuda.device()
    card = kernels.Suite(made, 0.1).card()
    sheet = card.plain()
    assert sheet["units"] == 80
    assert "bf16" not in sheet["vector"] and "int8" not in sheet["vector"]
    assert si(sheet["launch"]) == near(LAUNCH)
    assert si(card.plain("link")["bandwidth"]) == near(COPY)
    assert "Attention" not in [kind for entry in card.plain("times")["times"] for kind in entry["of"]]
