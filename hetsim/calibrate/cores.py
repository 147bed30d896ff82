"""The CPU: products, convolutions, bytes by working set, element-wise operators and overhead, in onnxruntime."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from statistics import geometric_mean
from typing import Any

from hetsim.calibrate import machine
from hetsim.calibrate.card import HERE, Card, Datum, assumed, measured
from hetsim.calibrate.chains import Bench, filled
from hetsim.calibrate.timing import Probe, Progress, sample
from hetsim.operators import arithmetic
from hetsim.workload import Tensor

PRODUCTS = (256, 512, 1024)  # n x n times n x n
CONVOLUTIONS = (  # channels, places in a row, window
    (64, 56, 3), (64, 56, 1), (128, 28, 3), (128, 28, 1), (256, 14, 3), (256, 14, 1), (512, 7, 3),
)  # fmt: skip
DEPTHWISE = ((64, 56), (128, 28), (256, 14), (512, 14))
WINDOW: Mapping[str, Any] = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
OPERATORS: Mapping[str, tuple[tuple[int, ...], Mapping[str, Any]]] = {  # on a shape that stays in the caches
    "Exp": ((40_000,), {}), "Log": ((40_000,), {}), "Sqrt": ((40_000,), {}), "Erf": ((40_000,), {}),
    "Sigmoid": ((40_000,), {}), "Tanh": ((40_000,), {}), "Softmax": ((40, 1000), {"axis": -1}),
    "LRN": ((1, 64, 28, 28), {"size": 5, "alpha": 1e-4, "beta": 0.75}),
    "MaxPool": ((1, 64, 28, 28), WINDOW), "AveragePool": ((1, 64, 28, 28), WINDOW),
}  # fmt: skip
LARGEST = 256 * 2**20  # bytes of weights that no cache holds


def calibrated(threads: int | None, seconds: float, progress: Progress | None) -> Card:
    """Measure, in about so many seconds, and make the datasheet."""
    suite = _Suite(threads or machine.cores())
    sample(suite.probes(), seconds, progress)
    return Card(suite.sheet(_Power(suite.double)))


class _Suite:
    """All that is timed, and the datasheet that follows from it."""

    def __init__(self, threads: int) -> None:
        bench, self.threads = Bench(threads), threads
        self.levels = [level for level in machine.caches() if level.number > 1]
        self.overhead = bench.each("Conv", (1, 8, 1, 1), filled((8, 8, 1, 1)), (10, 60), kernel_shape=(1, 1))
        self.rated: dict[str, tuple[float, Probe]] = {
            f"product of {n}": (2 * n**3, bench.each("MatMul", (n, n), filled((n, n), scale=2 / n), (1, 4)))
            for n in PRODUCTS
        } | {
            f"{k} x {k} convolution of {c} channels, {n} x {n} places": _convolution(bench, c, n, k)
            for c, n, k in CONVOLUTIONS
        }
        self.depthwise = [_depthwise(bench, *case) for case in DEPTHWISE]
        n = PRODUCTS[1]
        self.double = bench.once("MatMul", [filled((n, n), "float64")], filled((n, n), "float64"))
        codes = filled((n, n), "uint8", 100), filled((n, n), "int8", 100)
        self.codes = bench.once("MatMulInteger", [codes[0]], codes[1])
        self.operators = {kind: _operator(bench, kind) for kind in OPERATORS}
        self.sums = [(size := self._half(level), bench.each("Add", (size,), filled((size,)))) for level in self.levels]
        held = max((level.capacity for level in self.levels), default=16 * 2**20)
        self.side = math.isqrt(min(4 * held, LARGEST) // 4)
        self.weights = bench.once("MatMul", [filled((1, self.side))], filled((self.side, self.side)))

    def probes(self) -> list[Probe]:
        pairs = [*self.rated.values(), *self.depthwise, *self.operators.values(), *self.sums]
        return [self.overhead, self.double, self.codes, self.weights, *(probe for _, probe in pairs)]

    def sheet(self, power: _Power) -> Mapping[str, Any]:
        """The datasheet. Sustained rates are the efficiency times the peaks, as in the law."""
        rates = {what: self._rate(*pair) for what, pair in self.rated.items()}
        best = max(rates, key=lambda what: rates[what])
        efficiency = round(geometric_mean(rates.values()) / rates[best], 3)
        depthwise = geometric_mean(self._rate(*pair) for pair in self.depthwise)
        cube, size = 2 * PRODUCTS[1] ** 3, f"product of {PRODUCTS[1]}"

        def peak(rate: float, what: str) -> Datum:
            return measured(rate / efficiency, "OP/s", f"{what}, over the efficiency")

        return {
            "kind": "cpu",
            "title": f"{machine.name()}, threads: {self.threads}, {HERE}",
            "references": [f"hetsim calibrate cpu, {time.strftime('%Y-%m-%d')}, {_runtime()}"],
            "format": "fp32",
            "vector": {
                "fp64": peak(depthwise / 2, "half of fp32"), "fp32": peak(depthwise, "depthwise convolutions"),
                "int8": peak(depthwise, "as fp32"),
            },
            "matrix": {
                "fp64": peak(cube / self.double.seconds, size), "fp32": measured(rates[best], "OP/s", best),
                "int8": peak(cube / self.codes.seconds, size),
            },
            "efficiency": Datum(efficiency, f"{HERE}: geometric mean over {len(rates)} products and convolutions"),
            "operators": {
                kind: measured(self._rate(*pair), "OP/s", "an array in the caches")
                for kind, pair in self.operators.items()
            },
            "units": Datum(self.threads, f"{HERE}: threads used"),
            "launch": measured(self.overhead.seconds, "s", "a convolution with next to nothing to do, in a chain"),
            "streams": assumed(1, "all threads work on one operator"),
            "fusion": True,
            "caches": [self._cache(i) for i in range(len(self.levels))],
            "memory": self._memory(),
            **power.figures(cube / self.double.seconds),
        }  # fmt: skip

    def _rate(self, amount: float, probe: Probe) -> float:
        """Operations or bytes a second, without the overhead of an op."""
        return amount / max(probe.seconds - self.overhead.seconds, probe.seconds / 10)

    def _capacity(self, level: machine.Level) -> int:
        """Bytes for all threads together."""
        return level.capacity * max(math.ceil(self.threads / level.sharers), 1)

    def _half(self, level: machine.Level) -> int:
        """Elements of arrays of which two inputs and an output fill half of the level."""
        return self._capacity(level) // 2 // 12

    def _cache(self, i: int) -> Mapping[str, Any]:
        level, (elements, probe) = self.levels[i], self.sums[i]
        what = f"sums of arrays that fill half of level {level.number}"
        return {
            "capacity": Datum(f"{self._capacity(level) // 2**10} KiB", f"{HERE}: as Linux tells, for all threads"),
            "bandwidth": measured(self._rate(12 * elements, probe), "B/s", what),
        }

    def _memory(self) -> Mapping[str, Any]:
        """A product of one vector with a matrix that no cache holds reads every weight once."""
        size = 4 * self.side**2
        what = f"product of a vector with {size // 2**20} MiB of weights"
        return {
            "kind": "memory",
            "bandwidth": measured(size / self.weights.seconds, "B/s", what),
            "latency": assumed("80 ns", "as DDR4"),
            "energy": assumed("20.3 pJ/bit", "as DDR4"),
            "static_power": assumed("1 W", "as a module of DDR4"),
        }


def _convolution(bench: Bench, channels: int, places: int, window: int) -> tuple[float, Probe]:
    weight = filled((channels, channels, window, window), scale=2 / (channels * window**2))
    shape, pads = (1, channels, places, places), (window // 2,) * 4
    probe = bench.each("Conv", shape, weight, kernel_shape=(window, window), pads=pads)
    return 2 * places**2 * channels**2 * window**2, probe


def _depthwise(bench: Bench, channels: int, places: int) -> tuple[float, Probe]:
    weight = filled((channels, 1, 3, 3), scale=2 / 9)
    probe = bench.each("Conv", (1, channels, places, places), weight, group=channels, **WINDOW)
    return 2 * places**2 * channels * 9, probe


def _operator(bench: Bench, kind: str) -> tuple[float, Probe]:
    """Element-wise operations as the simulator counts them."""
    shape, attributes = OPERATORS[kind]
    tensor = Tensor("x", shape)
    count = arithmetic(kind, attributes, [tensor], [tensor])[1]
    return count, bench.each(kind, shape, lengths=(1, 4), **attributes)


class _Power:
    """Idle and busy power of the package, where the system counts energy; busy with products in fp64."""

    def __init__(self, work: Probe, seconds: float = 1.0) -> None:
        self.idle = _power(lambda: time.sleep(seconds))
        self.busy = None if self.idle is None else _power(lambda: work.sample(seconds))

    def figures(self, rate: float) -> Mapping[str, Any]:
        """Static power and energy of an operation, at so many fp64 operations a second."""
        if self.idle is None or self.busy is None or self.busy <= self.idle:
            why = "as Xeon Platinum 8180; this system does not tell the energy it draws"
            energy = {p: assumed(f"{e} pJ/OP", why) for p, e in (("fp64", 111), ("fp32", 55.6), ("int8", 13.9))}
            return {"static_power": assumed("10 W", why), "energy": energy}
        each = (self.busy - self.idle) / rate
        energy = {
            "fp64": measured(each, "J/OP", f"package, product of {PRODUCTS[1]}"),
            "fp32": measured(each / 2, "J/OP", "half of fp64"),
            "int8": measured(each / 8, "J/OP", "an eighth of fp64"),
        }
        return {"static_power": measured(self.idle, "W", "package, idle"), "energy": energy}


def _power(work: Callable[[], object]) -> float | None:
    """Watts drawn while working; None where they are not told."""
    before, start = machine.joules(), time.perf_counter()
    work()
    after, end = machine.joules(), time.perf_counter()
    return None if before is None or after is None or after < before else (after - before) / (end - start)


def _runtime() -> str:
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"
