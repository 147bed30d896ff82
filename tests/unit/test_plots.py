"""Plots: what is on them, not how they look."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import colors
from matplotlib.collections import PolyCollection
from synthetic import OPS, result, trace

from hetsim import plots
from hetsim.errors import InputError
from hetsim.plots.study import Axis, Measure, against
from hetsim.plots.style import OTHER, PALETTE, palette, scale_of
from hetsim.result import GraphShape


def legend_of(figure: object) -> dict[str, str]:
    """Text -> colour of the figure's legend."""
    (legend,) = figure.legends  # type: ignore[attr-defined]
    texts = [text.get_text() for text in legend.get_texts()]
    handles = legend.legend_handles
    return {
        t: colors.to_hex(h.get_facecolor() if hasattr(h, "get_facecolor") else h.get_color())
        for t, h in zip(texts, handles, strict=True)
    }


def bars_of(figure: object) -> int:
    return sum(
        len(c.get_paths())
        for c in figure.axes[0].collections  # type: ignore[attr-defined]
        if isinstance(c, PolyCollection)
    )


def test_the_timeline_shows_every_span_in_the_row_of_its_component() -> None:
    figure = plots.timeline(trace(6))
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cpu", "imc", "bus"]
    assert axes.get_xlabel() == "time (µs)" and axes.get_xlim() == (0, 500)
    assert bars_of(figure) == 6 * (4 + 3)
    assert list(legend_of(figure)) == [*OPS, "transfers"]


def test_a_long_timeline_shows_its_beginning_and_says_so() -> None:
    made = trace(1000)
    figure = plots.timeline(made)
    assert "the first" in figure.axes[0].get_title(loc="left")
    assert 100 < bars_of(figure) <= 120
    window = plots.timeline(made, window=(1e-3, 1.1e-3))
    assert window.axes[0].get_xlim() == (1000, 1100)
    assert 5 < bars_of(window) < 30


def test_an_op_keeps_its_colour_in_a_window_without_the_others() -> None:
    made = trace(3)
    whole, part = legend_of(plots.timeline(made)), legend_of(plots.timeline(made, window=(60e-6, 65e-6)))
    assert set(part) < set(whole) and all(whole[name] == colour for name, colour in part.items())


def test_many_ops_share_a_grey_but_the_longest_have_colours() -> None:
    made = trace(1)
    names = tuple(f"op{i}" for i in range(20))
    made.graphs = [GraphShape("net", names)]
    for i in range(len(made.spans)):
        made.spans["op"][i] = i * 5
    told = legend_of(plots.timeline(made))
    assert {"op0", "op5", "op10", "op15"} < set(told) and len(set(told.values())) == len(told)
    many = palette(names)
    assert list(many.values())[: len(PALETTE)] == list(PALETTE) and set(list(many.values())[7:]) == {OTHER}


def test_power_has_two_panels_where_there_is_static_power() -> None:
    figure = plots.power(trace(6))
    assert [a.get_ylabel() for a in figure.axes] == ["power (W)", "without static (mW)"]
    assert list(legend_of(figure)) == ["cpu", "imc", "gpu", "bus"]
    made = trace(6)
    made.energy = {key: joules for key, joules in made.energy.items() if key[1] != "static"}
    assert len(plots.power(made).axes) == 1


def test_energy_bars_end_at_the_totals() -> None:
    made = trace(6)
    figure = plots.energy(made)
    left, right, shares = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["cpu", "imc", "gpu", "bus"]
    ends = {
        name: max(p.get_x() + p.get_width() for p in left.patches if round(p.get_y() + p.get_height() / 2) == row)
        for row, name in enumerate(("cpu", "imc", "gpu", "bus"))
    }
    for name, end in ends.items():
        assert end * 1e-3 == pytest.approx(sum(j for (place, _), j in made.energy.items() if place == name))
    assert left.get_xlabel() == "energy (mJ)" and right.get_xlabel() == "without static (µJ)"
    assert list(legend_of(figure)) == ["compute", "array", "dac", "adc", "link", "static"]
    assert [t.get_text() for t in shares.get_yticklabels()] == ["imc"]
    assert [p.get_width() for p in shares.patches] == pytest.approx([25, 12.5, 62.5])


@pytest.mark.parametrize("kind", plots.KINDS)
def test_every_plot_can_be_drawn_of_a_run_without_energy_and_of_an_empty_one(kind: str, tmp_path: Path) -> None:
    for made in (trace(2, energy=False), trace(0)):
        plots.write(plots.KINDS[kind](made), tmp_path / "plot.png")
        assert (tmp_path / "plot.png").stat().st_size > 1000


def test_throughput_counts_requests_and_gives_percentiles() -> None:
    completed, latency = plots.throughput(trace(6)).axes
    (line,) = completed.lines
    assert max(line.get_ydata()) == 6 and line.get_xdata()[1] == pytest.approx(150)
    assert "12.0 k" in completed.get_title(loc="left")
    assert latency.get_title(loc="left") == "p50 150 µs  p95 150 µs  p99 150 µs"


def test_a_plot_shows_itself_in_a_notebook() -> None:
    figure = result(2).plot("energy")
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_a_kind_of_plot_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="there is no plot 'gantt'"):
        result(1).plot("gantt")


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.energy(trace(2))
    assert dict(matplotlib.rcParams) == before


def test_a_study_is_a_line_for_each_series_with_units() -> None:
    axis = Axis("bus.bandwidth", [1e9, 4e9, 32e9, 1e9, 4e9, 32e9], "B/s")
    energy = Measure("energy", [3e-3, 2e-3, 1e-3, None, 4e-3, 2e-3], "J")
    figure = against(axis, [energy], ["heft"] * 3 + ["greedy"] * 3)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("bus.bandwidth (GB/s)", "energy (mJ)")
    assert axes.get_xscale() == "log" and [t.get_text() for t in axes.get_xticklabels()] == ["1", "4", "32"]
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.0, 2.0, 1.0], [4.0, 2.0]]
    assert list(legend_of(figure)) == ["heft", "greedy"]


def test_a_study_over_words_keeps_their_order() -> None:
    figure = against(Axis("scheduler.kind", ["heft", "greedy"]), [Measure("accuracy", [0.97, 0.96])], ["", ""])
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["heft", "greedy"] and not figure.legends
    assert axes.get_ylim()[0] > 0.9


def test_scales() -> None:
    assert (
        scale_of(0.002, "J") == (1e-3, "mJ") and scale_of(5e-6, "s") == (1e-6, "µs") and scale_of(0, "W") == (1.0, "W")
    )


def test_intervals_over_several_chips_are_error_bars() -> None:
    accuracy = Measure("accuracy", [0.9, 0.95, None], "", [(0.88, 0.92), None, None])
    (axes,) = against(Axis("imc.adc.bits", [4.0, 5.0, 6.0]), [accuracy], [""] * 3).axes
    (bars,) = axes.collections
    assert [path.vertices.tolist() for path in bars.get_paths()] == [[[4.0, 0.88], [4.0, 0.92]]]
