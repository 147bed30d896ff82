"""Write scalesim.csv: compute cycles of systolic arrays as SCALE-Sim counts them.

    python -m venv elsewhere && elsewhere/bin/pip install scalesim==3.0.0 "numpy==2.2.*"
    elsewhere/bin/python tests/reference/scalesim_table.py [FILE]

SCALE-Sim needs an older NumPy than hetsim, so it gets an environment of its own; this script needs nothing but
it. Compute cycles are what its compute report gives as total cycles, less the stalls.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

TABLE = Path(__file__).with_suffix("").with_name("scalesim.csv")
COLUMNS = ("shape", "kind", "dimensions", "dataflow", "array", "cycles")

DATAFLOWS = ("os", "ws", "is")
ARRAYS = (8, 16, 32, 64, 128)
GEMMS = {  # vectors M, columns N, depth K
    "vector": (1, 1000, 512), "cube64": (64, 64, 64), "cube128": (128, 128, 128), "small": (16, 128, 192),
    "odd": (33, 65, 129), "ragged": (100, 30, 50), "deep": (200, 96, 300), "stem": (256, 64, 147),
    "tall": (512, 32, 64), "wide": (7, 500, 40),
}  # fmt: skip
CONVOLUTIONS = {  # image height, width, kernel height, width, channels, filters, stride; images are padded already
    "lenet1": (28, 28, 5, 5, 1, 6, 1), "lenet2": (14, 14, 5, 5, 6, 16, 1), "plain": (16, 16, 3, 3, 16, 32, 1),
    "first": (33, 33, 3, 3, 3, 32, 2), "point": (15, 15, 1, 1, 64, 128, 1), "seven": (29, 29, 7, 7, 3, 16, 2),
    "body": (9, 9, 3, 3, 64, 64, 1), "strided": (19, 19, 3, 3, 8, 24, 2),
}  # fmt: skip
DEPTHWISE = {  # as convolutions, of so many channels with a filter each
    "depthwise": (16, 16, 3, 3, 32, 1, 1), "depthwise2": (17, 17, 3, 3, 24, 1, 2),
}  # fmt: skip

CONFIGURATION = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {array}
ArrayWidth: {array}
IfmapSramSzkB: 1024
FilterSramSzkB: 1024
OfmapSramSzkB: 1024
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Dataflow: {dataflow}
Bandwidth: 10
ReadRequestBuffer: 512
WriteRequestBuffer: 512
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def reported(kind: str, layers: dict[str, Sequence[int]], dataflow: str, array: int) -> list[int]:
    """Compute cycles of each layer that SCALE-Sim runs, in order; a depthwise one counts as one a channel."""
    from scalesim.scale_sim import scalesim

    gemm = kind == "gemm"
    heading = "Layer,M,N,K," if gemm else "Layer,H,W,R,S,Channels,Filters,Stride,"
    prefix = "DP" if kind == "depthwise" else ""
    rows = [f"{prefix}{name},{','.join(map(str, sizes))}," for name, sizes in layers.items()]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        at = {name: os.path.join(folder, name) for name in ("array.cfg", "layers.csv", "layout.csv")}
        Path(at["array.cfg"]).write_text(CONFIGURATION.format(array=array, dataflow=dataflow))
        Path(at["layers.csv"]).write_text("\n".join([heading, *rows, ""]))
        Path(at["layout.csv"]).write_text("Layer\n")
        tool = scalesim(
            save_disk_space=True, verbose=False, config=at["array.cfg"], topology=at["layers.csv"],
            layout=at["layout.csv"], input_type_gemm=gemm,
        )  # fmt: skip
        tool.run_scale(top_path=folder)
        report = list(csv.reader(Path(folder, "run", "COMPUTE_REPORT.csv").read_text().splitlines()))
    total, stalls = (next(i for i, t in enumerate(report[0]) if t.strip() == word) for word in TITLES)
    return [int(float(row[total])) - int(float(row[stalls])) for row in report[1:] if row]


TITLES = ("Total Cycles", "Stall Cycles")


def lines(dataflows: Sequence[str] = DATAFLOWS, arrays: Sequence[int] = ARRAYS) -> Iterator[tuple[object, ...]]:
    """The rows of the table."""
    for dataflow in dataflows:
        for array in arrays:
            for kind, layers in (("gemm", GEMMS), ("conv", CONVOLUTIONS)):
                cycles = reported(kind, layers, dataflow, array)
                for (name, sizes), count in zip(layers.items(), cycles, strict=True):
                    yield name, kind, "x".join(map(str, sizes)), dataflow, array, count
            for name, sizes in DEPTHWISE.items():
                channels = reported("depthwise", {name: sizes}, dataflow, array)
                yield name, "depthwise", "x".join(map(str, sizes)), dataflow, array, sum(channels)


def main() -> None:
    """Write the table to the file named on the command line, by default the stored one."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for line in lines():
            writer.writerow(line)
            file.flush()


if __name__ == "__main__":
    main()
