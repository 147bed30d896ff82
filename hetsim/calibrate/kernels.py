"""The GPU: which kernels of which sizes are timed, and the datasheet and tables that follow from their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from hetsim.calibrate.card import HERE, Card, Datum, assumed, measured
from hetsim.hardware.precision import BITS

if TYPE_CHECKING:
    from hetsim.calibrate.cuda import Device
    from hetsim.calibrate.timing import Progress

FORMS = ("fp64", "fp32", "tf32", "fp16", "bf16", "int8")
TABLE = "fp16"  # the precision of the table of times
SQUARES = (256, 512, 1024, 2048, 4096, 8192)
LARGE = 2048  # from this side on a product fills the chip
SKINNY = ((16, 4096, 4096), (64, 4096, 1000), (64, 4096, 4096), (49, 4608, 512), (784, 1152, 128), (3136, 576, 64))
CONVOLUTIONS = (  # batch, channels, places in a row, window
    (1, 64, 56, 3), (1, 256, 14, 3), (1, 512, 7, 3), (32, 64, 56, 3), (32, 256, 14, 3), (32, 256, 56, 1),
    (32, 512, 7, 3),
)  # fmt: skip
ATTENTION = ((1, 16, 384, 64), (8, 16, 384, 64), (1, 32, 2048, 128))  # batch, heads, length, channels of a head
ELEMENTS = tuple(2**n for n in range(12, 28, 2))
GEMV = 8192
COPIES = tuple((size, there) for size in (2**12, 2**28) for there in (True, False))  # bytes, to the device or back
TIMINGS = 70  # about how many there are, for sharing out the time

TILING = {
    "tiles": assumed(
        [[256, 128], [128, 256], [128, 128], [128, 64], [64, 128], [64, 64], [64, 32], [32, 64], [32, 32]],
        "tiles of CUTLASS for tensor cores",
    ),
    "step": assumed("64 B", "depth of CUTLASS's tiles: 64 int8, 32 fp16"),
    "stages": assumed(3, "CUTLASS's default on Ampere, with asynchronous copies"),
}

Size = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Powers:
    """Watts of the board, idle and busy, and the operations a second that it was busy with."""

    idle: float
    busy: float
    rate: float


class Suite:
    """Times of all kernels on a device, in seconds by size."""

    def __init__(self, device: Device, seconds: float, progress: Progress | None = None) -> None:
        self.device, self._each, self._progress, self._done = device, seconds / TIMINGS, progress, 0
        squares = [(form, n) for form in FORMS for n in SQUARES]
        self.squares = self._known(squares, lambda form, n: device.product(n, n, n, form, self._each))
        self.products = self._known(SKINNY, lambda v, r, c: device.product(v, r, c, TABLE, self._each))
        self.convolutions = self._known(
            CONVOLUTIONS, lambda b, c, p, k: device.convolution(b, c, p, k, TABLE, self._each)
        )
        self.attention = self._known(ATTENTION, lambda b, h, n, d: device.attention(b, h, n, d, TABLE, self._each))
        self.sums = self._known([(n,) for n in ELEMENTS], lambda n: device.sum(n, TABLE, self._each))
        self.copies = self._known(COPIES, lambda size, there: device.copy(size, there, self._each))
        self.gemv = device.product(1, GEMV, GEMV, TABLE, self._each)
        self.launch, self.waited = device.launch(self._each)
        self.powers = device.powers(self._each)

    def _known(self, sizes: Iterable[Size], seconds: Callable[..., float | None]) -> dict[Size, float]:
        """The sizes that the device can do, with their times."""
        found = {}
        for size in sizes:
            spent = seconds(*size)
            if spent is not None:
                found[size] = spent
            self._done += 1
            if self._progress is not None:
                self._progress(min(self._done, TIMINGS), TIMINGS)
        return found

    # --- rates ---

    def rate(self, form: str, least: int = 0) -> list[float]:
        """Operations a second of the square products in a precision, launch left out."""
        sides = [(n, spent) for (f, n), spent in self.squares.items() if f == form and n >= least]
        return [2 * n**3 / self._work(spent) for n, spent in sides]

    def bandwidth(self, cached: bool) -> float:
        """Bytes a second of the best sum whose arrays fit into half of the cache, or fill it four times over."""
        size = 3 * BITS[TABLE] // 8
        cache = self.device.cache
        fits = {n * size: spent for (n,), spent in self.sums.items() if (n * size <= cache / 2) == cached}
        fits = {b: spent for b, spent in fits.items() if cached or b >= 4 * cache}
        return max((b / self._work(spent) for b, spent in fits.items()), default=0.0)

    def _work(self, spent: float) -> float:
        """What of a time is not launch; most of a small kernel's is."""
        return max(spent - self.launch, spent / 10)

    # --- documents ---

    def card(self) -> Card:
        """The datasheet, with the measured times and the host's link as tables."""
        return Card(self.sheet(), {"times": self.times(), "link": self.link()})

    def sheet(self) -> Mapping[str, Any]:
        """The datasheet of the GPU."""
        peaks = {form: max(self.rate(form)) for form in FORMS if self.rate(form)}
        shares = [rate / peaks[TABLE] for rate in self.rate(TABLE, LARGE)]
        shares += [self._convolved(size) / peaks[TABLE] for size in self.convolutions if size[0] > 1]
        efficiency = round(geometric_mean(shares), 3)
        plain, units = peaks.get("fp32", peaks[TABLE]), ("fp64", "fp32")
        return {
            "kind": "gpu",
            "title": f"{self.device.name}, {HERE}",
            "references": [f"hetsim calibrate gpu, {time.strftime('%Y-%m-%d')}, {self.device.software}"],
            "format": TABLE,
            "vector": {
                form: measured(peaks[form] if form in units else plain, "OP/s", "square products, fp32 but for fp64")
                for form in peaks
            },
            "matrix": {form: measured(peak, "OP/s", "best square product") for form, peak in peaks.items()
                       if form not in units},
            "efficiency": Datum(efficiency, f"{HERE}: mean over {len(shares)} large products and convolutions"),
            "units": Datum(self.device.units, f"{HERE}: as CUDA tells"),
            "tiling": TILING,
            "launch": measured(self.launch, "s", "an empty kernel in a stream",
                               f"{self.waited * 1e6:.1f} us when it is waited for"),
            "streams": assumed(2, "two queues of kernels that overlap"),
            "fusion": True,
            "caches": [{
                "capacity": Datum(f"{self.device.cache // 2**10} KiB", f"{HERE}: as CUDA tells"),
                "bandwidth": measured(self.bandwidth(True), "B/s", "best sum of arrays that fill at most half of it"),
            }] if self.device.cache and self.bandwidth(True) else [],
            "memory": {
                "kind": "memory",
                "bandwidth": measured(self._streamed(), "B/s", "best sum of large arrays, or product with one vector"),
                "capacity": Datum(f"{self.device.memory} B", f"{HERE}: as CUDA tells"),
                "latency": assumed("400 ns", "as GDDR6 seen from a GPU"),
                "energy": assumed("3.9 pJ/bit", "as HBM2"),
            },
            **self._energy(peaks),
        }  # fmt: skip

    def _convolved(self, size: Size) -> float:
        batch, channels, places, window = map(int, size)
        operations = 2.0 * batch * places**2 * channels**2 * window**2
        return operations / self._work(self.convolutions[size])

    def _streamed(self) -> float:
        read = 0.0 if self.gemv is None else GEMV**2 * BITS[TABLE] / 8 / self._work(self.gemv)
        return max(self.bandwidth(False), read)

    def _energy(self, peaks: Mapping[str, float]) -> Mapping[str, Any]:
        """Static power, and energies that go with the inverse of the rates: the board draws about the same."""
        if self.powers is None or self.powers.busy <= self.powers.idle:
            why = "this board does not tell its power"
            energy = {form: assumed(f"{1.5e12 / peak * 125:.3g} pJ/OP", why, "as V100's tensor cores, by rate")
                      for form, peak in peaks.items()}  # fmt: skip
            return {"static_power": assumed("45 W", why), "energy": energy}
        each = (self.powers.busy - self.powers.idle) / self.powers.rate
        energy = {
            form: measured(each * peaks[TABLE] / peak, "J/OP", f"board power in products of {TABLE}, by rate")
            for form, peak in peaks.items()
        }
        return {"static_power": measured(self.powers.idle, "W", "board, idle"), "energy": energy}

    def times(self) -> Mapping[str, Any]:
        """A datasheet of kind ``table``: what was measured, as it was measured."""
        squares = {(n, n, n): spent for (form, n), spent in self.squares.items() if form == TABLE}
        products = squares | self.products | ({} if self.gemv is None else {(1, GEMV, GEMV): self.gemv})
        images = {(b * p * p, c * k * k, c): spent for (b, c, p, k), spent in self.convolutions.items()}
        attended = {(4 * b * h * n * d,): spent for (b, h, n, d), spent in self.attention.items()}
        summed = {(3 * n,): spent for (n,), spent in self.sums.items()}
        shaped = (("MatMul", products), ("Conv", images), ("Attention", attended), ("Add", summed))
        return {
            "kind": "table",
            "title": f"{self.device.name}, times of kernels in {TABLE}, {HERE}",
            "references": [f"hetsim calibrate gpu, {time.strftime('%Y-%m-%d')}, {self.device.software}"],
            "format": TABLE,
            "times": [
                {"of": [kind], "points": Datum([_point(*item) for item in sorted(found.items())], HERE)}
                for kind, found in shaped if found
            ],
        }  # fmt: skip

    def link(self) -> Mapping[str, Any]:
        """A datasheet of kind ``serial``: copies between pinned host memory and the device."""
        small, large = min(COPIES)[0], max(COPIES)[0]
        spent = [max(self.copies.get((size, there), 0.0) for there in (True, False)) for size in (small, large)]
        rate = (large - small) / max(spent[1] - spent[0], 1e-12)
        return {
            "kind": "serial",
            "title": f"host and {self.device.name}, {HERE}",
            "bandwidth": measured(rate, "B/s", "copies of 4 KiB and 256 MiB, the slower direction"),
            "latency": measured(max(spent[0] - small / rate, 0.0), "s", "a copy of 4 KiB"),
            "energy": assumed("6 pJ/bit", "as PCIe"),
        }


def _point(size: Size, seconds: float) -> dict[str, Any]:
    names = ("vectors", "rows", "columns") if len(size) == 3 else ("elements",)
    return {**dict(zip(names, size, strict=True)), "time": f"{seconds * 1e6:.4g} us"}
