"""Plots for papers: colour-blind-safe, units with prefixes, legends outside the data. The only matplotlib.

Colours belong to names: an op, a component or a category of energy has the same colour in every plot of
a result.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hetsim.plots.energy import energy, power
from hetsim.plots.pareto import pareto
from hetsim.plots.style import write
from hetsim.plots.throughput import throughput
from hetsim.plots.timeline import timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "energy", "pareto", "power", "throughput", "timeline", "write"]

KINDS: "Mapping[str, Callable[..., Figure]]" = {
    "timeline": timeline,
    "power": power,
    "energy": energy,
    "throughput": throughput,
}
