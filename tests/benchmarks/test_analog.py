"""Reads of crossbars against the float32 products of matrices that they stand for, in BLAS with one thread.

Run with `make bench`, or by itself to print the table that the README shows:

    python tests/benchmarks/test_analog.py

Both are measured turn about in one run, by processor time; a ratio is the median of the ratios of the turns. Another's
load is noise, so that what is asserted is a floor somewhat below what is met.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from hetsim.analog import Crossbar, MacroSheet
from hetsim.analog.windows import Windows

TURNS = 7
NOISY = {
    "programming": {"unit": "1 uS", "polynomial": [0.1]}, "read_noise": {"relative": {"polynomial": [0.01]}},
}  # fmt: skip


def sheet(rows: int, columns: int, levels: int, noisy: bool, **changes: Any) -> MacroSheet:
    """A macro of differential pairs with 8-bit unsigned inputs and an 8-bit converter for their differences."""
    exact = {"programming": {"unit": "1 uS", "polynomial": [0]}}
    write = {"voltage": "2 V", "time": "50 ns", "energy": "6 pJ", "pulses": 8.5, "verify": "50 ns"}
    point = {"bits": 8, "energy": "2.5 pJ", "time": "10 ns"}
    given = {
        "rows": rows, "columns": columns, "pair": "columns", "subtraction": "analog", "dac": {"energy": "10 fJ"},
        "device": {"g_min": "2 uS", "g_max": "20 uS", "levels": levels, "write": write, **(NOISY if noisy else exact)},
        "adc": {"kind": "sar", "bits": 8, "columns": 8, "range": {"policy": "max"}, "reference": point},
        "read_voltage": "0.2 V", "integration_time": "50 ns",
    }  # fmt: skip
    return MacroSheet.model_validate(given | changes)


@dataclass(frozen=True, slots=True)
class Work:
    """``read`` against ``products`` BLAS products [M, K] x [K, N] of the ``shape`` (M, K, N)."""

    read: Callable[[], Any]
    products: int
    shape: tuple[int, int, int]


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).random(shape, np.float32)


def reader(macro: MacroSheet, noisy: bool, x: Any, columns: int) -> Callable[[], Any]:
    """Reads of a batch of a programmed crossbar, each with noise of its own."""
    bar = Crossbar.program(np.random.default_rng(0).normal(size=(x.shape[1], columns)), macro, key=1)
    return lambda: bar.mvm(x, 0.0, 2, "analog" if noisy else "ideal", signed=False)


def tile(noisy: bool, serial: bool) -> Work:
    """A tile of 256 x 256 weights: bit-serial, or the whole input as one voltage."""
    whole = {"dac": {"energy": "10 fJ", "bits": 8, "encoding": "amplitude"}}
    macro = sheet(256, 512, 128, noisy, **({} if serial else whole))
    return Work(reader(macro, noisy, numbers(1024, 256), 256), 8 if serial else 1, (1024, 256, 256))


def sliced(noisy: bool) -> Work:
    """A layer of 1152 x 256 weights on 5 tiles, in 4 slices of 2 bits, bit-serial."""
    macro = sheet(256, 2048, 4, noisy, weight_bits=8, slices=(2, 2, 2, 2))
    return Work(reader(macro, noisy, numbers(1024, 1152), 256), 8 * 4, (1024, 1152, 256))


def convolution(noisy: bool) -> Work:
    """3 x 3, 64 to 64 channels, 32 x 32 pixels, 16 images; the whole input as one voltage."""
    macro = sheet(576, 128, 128, noisy, dac={"energy": "10 fJ", "bits": 8, "encoding": "amplitude"})
    images = numbers(16, 64, 32, 32)
    bar = Crossbar.program(np.random.default_rng(0).normal(size=(576, 64)), macro, key=1)
    mode: Any = "analog" if noisy else "ideal"
    return Work(
        lambda: bar.mvm(Windows.of(images, (3, 3), pads=(1, 1, 1, 1)), 0.0, 2, mode, signed=False), 1, (16384, 576, 64)
    )


# name: what it is made of, the aim, and the floor that is asserted
WORK: dict[str, tuple[Callable[[], Work], float, float]] = {
    "a) 256 x 256 tile, batch 1024, one DAC pass, ideal": (lambda: tile(False, False), 0.9, 0.5),
    "b) the same, bit-serial, a conversion after every bit, ideal": (lambda: tile(False, True), 2.0, 1.5),
    "c) b) with programming error and white read noise": (lambda: tile(True, True), 1.3, 0.8),
    "d) 1152 x 256 on 5 tiles, 4 slices of 2 bits, bit-serial, ideal": (lambda: sliced(False), 1.6, 1.2),
    "d) the same, noisy": (lambda: sliced(True), 0.95, 0.6),
    "e) 3 x 3 convolution 64 to 64, 32 x 32, batch 16, one DAC pass, ideal": (lambda: convolution(False), 1.0, 0.4),
    "e) the same, noisy": (lambda: convolution(True), 0.5, 0.2),
}
THREADED = {  # what two threads do of one
    "b) with two threads": ("b) the same, bit-serial, a conversion after every bit, ideal", 1.7, 1.1),
    "c) with two threads": ("c) b) with programming error and white read noise", 1.5, 1.1),
    "d) with two threads": ("d) 1152 x 256 on 5 tiles, 4 slices of 2 bits, bit-serial, ideal", 1.7, 1.1),
    "d) noisy with two threads": ("d) the same, noisy", 1.5, 1.1),
}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for reads, and one for BLAS."""
    before = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    with threadpool_limits(1):
        numba.config.NUMBA_NUM_THREADS = count  # type: ignore[attr-defined]
        try:
            yield
        finally:
            numba.config.NUMBA_NUM_THREADS = before  # type: ignore[attr-defined]


def seconds(work: Callable[[], Any], clock: Callable[[], float] = time.process_time, repeats: int = 1) -> float:
    """Seconds of one of so many repeats; what they return is not kept, as that would take new memory each time."""
    started = clock()
    for _ in range(repeats):
        work()
    return (clock() - started) / repeats


def against_blas(work: Work) -> tuple[float, float]:
    """Rate of reads over that of the products, and milliseconds of a read."""
    (m, k, n), ratios, spent = work.shape, list[float](), list[float]()
    left, right, out = numbers(m, k), numbers(k, n), np.empty((m, n), np.float32)
    repeats = max(1, 8 // work.products)  # a product alone is soon done
    with threads(1):
        work.read()  # lays out the cells and compiles
        for _ in range(TURNS):
            blas = seconds(lambda: np.matmul(left, right, out=out), repeats=repeats * work.products) * work.products
            spent.append(seconds(work.read, repeats=repeats))
            ratios.append(blas / spent[-1])
    return statistics.median(ratios), 1e3 * statistics.median(spent)


def two_threads(work: Work) -> float:
    """Rate with two threads over that with one, by the clock, each of the fastest of some reads, as a second processor
    may be asleep at first, or at work for others: the median of the turns' ratios, for some machines change their pace
    from one turn to another."""
    ratios = []
    for _ in range(2 * TURNS + 1):
        spent = []
        for count in (1, 2):
            with threads(count):
                work.read()
                spent.append(min(seconds(work.read, time.perf_counter) for _ in range(8)))
        ratios.append(spent[0] / spent[1])
    return statistics.median(ratios)


def busy() -> str:
    """Why two threads cannot be compared with one now, or nothing."""
    if len(os.sched_getaffinity(0)) < 2:
        return "two threads want two processors"
    load = os.getloadavg()[0]
    return f"the processors are busy with other work: load {load:.1f}" if load > 1.5 else ""


def row(name: str, aim: float, met: float, spent: str = "") -> str:
    return f"| {name} | {met:.2f} | {aim:.2f} | {spent} |"


@pytest.mark.parametrize("name", WORK)
def test_reads_keep_up_with_blas(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, aim, floor = WORK[name]
    met, spent = against_blas(make())
    with capsys.disabled():
        print("\n" + row(name, aim, met, f"{spent:.1f} ms"))
    assert met > floor


@pytest.mark.parametrize("name", THREADED)
def test_threads_share_the_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    of, aim, floor = THREADED[name]
    if why := busy():
        pytest.skip(why)
    met = two_threads(WORK[of][0]())
    with capsys.disabled():
        print("\n" + row(name, aim, met))
    assert met > floor


def main() -> None:
    """Print the table."""
    print("| work | times BLAS | aim | a read |\n|---|---|---|---|")
    for name, (make, aim, _) in WORK.items():
        met, spent = against_blas(make())
        print(row(name, aim, met, f"{spent:.1f} ms"), flush=True)
    for name, (of, aim, _) in ({} if busy() else THREADED).items():
        print(row(name, aim, two_threads(WORK[of][0]())), flush=True)


if __name__ == "__main__":
    main()
