"""A CUDA device, timed with torch: the only module that knows torch."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from hetsim.calibrate.kernels import Powers
from hetsim.errors import InputError

DTYPES = {
    "fp64": "float64", "fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "int8",
}  # fmt: skip
WARM = 3  # calls before timing: the first ones choose kernels and allocate
RAMP = 0.5  # seconds of work before anything is timed: a device that was idle raises its clock
REST = 3.0  # seconds without work before its power is idle power: boards tell a mean over the last second

P = ParamSpec("P")


def possible(kernel: Callable[P, float | None]) -> Callable[P, float | None]:
    """The seconds of a kernel, None where the device or torch has none such, or the memory is too small."""

    @wraps(kernel)
    def tried(*args: P.args, **options: P.kwargs) -> float | None:
        try:
            return kernel(*args, **options)
        except RuntimeError:
            return None

    return tried


def device(number: int = 0) -> Device:
    """The CUDA device of that number; InputError when there is no torch or no such device."""
    if importlib.util.find_spec("torch") is None:
        raise InputError.of("measuring a GPU needs torch, which is not installed", 'pip install "hetsim[torch]"')
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available() or number >= torch.cuda.device_count():
        hint = "a CUDA driver, a device, and a torch built for CUDA are needed"
        raise InputError.of(f"torch finds no CUDA device {number} on this machine", hint)
    return Device(torch, number)


class Device:
    """Kernels of a CUDA device and their seconds. An operator or precision that it does not have takes None."""

    def __init__(self, torch: Any, number: int) -> None:
        self._torch, self._cuda, self._number = torch, torch.cuda, number
        torch.cuda.set_device(number)
        found = torch.cuda.get_device_properties(number)
        self.name, self.units = str(found.name), int(found.multi_processor_count)
        self.memory = int(found.total_memory)
        self.cache = int(getattr(found, "L2_cache_size", 0))
        self.software = f"torch {torch.__version__}, CUDA {torch.version.cuda}"
        self._work(RAMP)

    # --- kernels ---

    @possible
    def product(self, vectors: int, rows: int, columns: int, form: str, seconds: float) -> float | None:
        """Vectors [vectors, rows] times a matrix [rows, columns]."""
        x, w = self._filled((vectors, rows), form), self._filled((columns, rows), form).t()
        if form == "int8":
            multiply = getattr(self._torch, "_int_mm", None)
            return None if multiply is None else self._timed(lambda: multiply(x, w), seconds)
        with self._tf32(form == "tf32"):
            return self._timed(lambda: x @ w, seconds)

    @possible
    def convolution(
        self, batch: int, channels: int, places: int, window: int, form: str, seconds: float
    ) -> float | None:
        """A convolution that keeps its image's size and channels."""
        last = self._torch.channels_last
        x = self._filled((batch, channels, places, places), form).to(memory_format=last)
        w = self._filled((channels, channels, window, window), form).to(memory_format=last)
        convolve = self._torch.nn.functional.conv2d
        with self._tf32(form == "tf32"):
            return self._timed(lambda: convolve(x, w, padding=window // 2), seconds)

    @possible
    def attention(self, batch: int, heads: int, length: int, width: int, form: str, seconds: float) -> float | None:
        """Scaled dot-product attention of heads of so many channels."""
        query, key, value = (self._filled((batch, heads, length, width), form) for _ in range(3))
        attend = getattr(self._torch.nn.functional, "scaled_dot_product_attention", None)
        return None if attend is None else self._timed(lambda: attend(query, key, value), seconds)

    @possible
    def sum(self, elements: int, form: str, seconds: float) -> float | None:
        """Two arrays added into a third."""
        a, b, c = (self._filled((elements,), form) for _ in range(3))
        return self._timed(lambda: self._torch.add(a, b, out=c), seconds)

    @possible
    def copy(self, size: int, to_device: bool, seconds: float) -> float | None:
        """Bytes between pinned host memory and the device."""
        host = self._torch.empty(size, dtype=self._torch.uint8, pin_memory=True)
        here = self._torch.empty(size, dtype=self._torch.uint8, device="cuda")
        source, target = (host, here) if to_device else (here, host)
        return self._timed(lambda: target.copy_(source, non_blocking=True), seconds)

    def launch(self, seconds: float) -> tuple[float, float]:
        """An empty kernel in a stream, and one that is waited for."""
        x = self._filled((1,), "fp32")
        apart = self._timed(lambda: x.add_(1.0), seconds)

        def waited() -> None:
            x.add_(1.0)
            self._cuda.synchronize()

        count, end, start = 0, time.perf_counter() + seconds, time.perf_counter()
        while time.perf_counter() < end or not count:
            waited()
            count += 1
        return apart, (time.perf_counter() - start) / count

    def powers(self, seconds: float) -> Powers | None:
        """Idle and busy watts, busy with fp16 products, and how many of them a second; None without NVML."""
        self._cuda.synchronize()
        time.sleep(REST)
        try:
            idle = self._watts()
        except Exception:  # NVML is missing, or does not tell on this board
            return None
        watts = list[float]()
        rate = self._work(max(seconds, REST), lambda: watts.append(self._watts()))
        late = watts[len(watts) // 2 :]  # the mean that the board tells has caught up by then
        return Powers(idle, sum(late) / len(late), rate)

    def _work(self, seconds: float, look: Callable[[], None] = lambda: None) -> float:
        """Large fp16 products for so many seconds, with a look now and then; returns operations a second."""
        n, count, start = 4096, 0, time.perf_counter()
        x, w = self._filled((n, n), "fp16"), self._filled((n, n), "fp16")
        while not count or time.perf_counter() - start < seconds:
            for _ in range(8):
                _ = x @ w
            count += 8
            self._cuda.synchronize()
            look()
        return 2 * n**3 * count / (time.perf_counter() - start)

    def _watts(self) -> float:
        return float(self._cuda.power_draw(self._number)) / 1000

    # --- timing ---

    def _filled(self, shape: tuple[int, ...], form: str) -> Any:
        dtype = getattr(self._torch, DTYPES[form])
        if form == "int8":
            return self._torch.randint(-99, 99, shape, dtype=dtype, device="cuda")
        return self._torch.rand(shape, device="cuda").to(dtype)

    def _tf32(self, allowed: bool) -> Any:
        """Whether products of float32 may round their operands to tf32."""
        flags = self._torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed)
        self._torch.backends.cuda.matmul.allow_tf32 = allowed
        return flags

    def _timed(self, call: Callable[[], object], seconds: float) -> float:
        """Seconds of a call among many in one stream, by the device's own clock; the best of three batches."""
        for _ in range(WARM):
            call()
        self._cuda.synchronize()
        once = self._batch(call, 1)
        count = max(1, min(1000, int(seconds / 3 / max(once, 1e-6))))
        return min(self._batch(call, count) for _ in range(3))

    def _batch(self, call: Callable[[], object], count: int) -> float:
        start, end = (self._cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3 / count
