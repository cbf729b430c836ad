import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fabricsim as fs
from fabricsim.errors import UsageError
from fabricsim.report import figures, gallery, series
from fabricsim.report.images import png_bytes, svg_text
from fabricsim.report.jobs import draw_jobs
from fabricsim.report.plot import Plot
from fabricsim.report.scales import bandwidth_scale, size_ticks, time_scale
from fabricsim.result import JobResult, Result
from fabricsim.table import Table
from fabricsim.topology import resolve
from fabricsim.units import parse_size
from tests.report.factory import (
    HOSTILE,
    LEVELS,
    make_flows,
    make_links,
    make_operation,
    make_result,
    make_timeline,
)


def lines(ax: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {str(line.get_label()): (line.get_xdata(), line.get_ydata()) for line in ax.get_lines()}


def with_tables(**tables: Table) -> Result:
    result = make_result()
    return make_result(tables={**result.tables, **tables})


def drawn(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def test_bandwidth_draws_the_metrics_against_size(sweep: list[Result]) -> None:
    ax = figures.bandwidth(sweep[::-1])
    sizes = [point.metrics["size_B"] for point in sweep]
    for name in ("busbw", "algbw"):
        x, y = lines(ax)[name]
        assert list(x) == sizes
        assert y * 1e9 == pytest.approx([point.metrics[f"{name}_Bps"] for point in sweep])
    assert ax.get_xscale() == "log"
    assert ax.get_ylabel() == "bandwidth [GB/s]"
    assert ax.get_ylim()[0] == 0


def test_the_bound_is_busbw_at_the_ideal_time(sweep: list[Result]) -> None:
    _, bound = lines(figures.bandwidth(sweep))["busbw at the ideal time"]
    factor = 2 * (8 - 1) / 8
    ideal = [factor * point.metrics["size_B"] / point.metrics["ideal_time_s"] for point in sweep]
    assert bound * 1e9 == pytest.approx(ideal)


def test_bandwidth_of_one_point_states_its_values(result: Result) -> None:
    texts = {text.get_text() for text in figures.bandwidth(result).texts}
    assert {f"{result.metrics[key] / 1e9:.4g}" for key in ("busbw_Bps", "algbw_Bps")} <= texts


def test_several_collectives_are_told_apart() -> None:
    both = (make_operation(name="a"), make_operation(name="b", kind="all-gather"))
    labels = set(lines(figures.bandwidth(make_result(operations=both))))
    assert labels == {
        "a all-reduce ring busbw",
        "a all-reduce ring algbw",
        "b all-gather ring busbw",
        "b all-gather ring algbw",
    }


def test_more_collectives_than_colours_are_counted() -> None:
    count = len(figures.COLOURS) + 494
    result = make_result(operations=tuple(make_operation(name=f"a{index}") for index in range(count)))
    found = lines(figures.bandwidth(result))
    assert len(found) == 2 * len(figures.COLOURS) + 1
    assert "494 more are not drawn" in found


def test_size_ticks_are_powers_of_two_with_binary_units(sweep: list[Result]) -> None:
    ax = figures.bandwidth(sweep)
    for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
        assert parse_size(label.get_text()) == place == 2 ** round(np.log2(place))


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1000, 1000), (16, 2**40), (3, 5)])
def test_size_ticks_cover_the_sizes_and_stay_few(low: int, high: int) -> None:
    ticks, labels = size_ticks(low, high)
    assert ticks[0] <= low
    assert len(ticks) == len(labels) <= 8


def test_latency_is_the_cumulative_distribution() -> None:
    count = 100
    latency = 1e-6 * np.random.default_rng(1).permutation(np.arange(1, count + 1))
    ax = figures.latency(with_tables(flows=make_flows(count, latency)))
    x, y = lines(ax)["messages"]
    assert list(x) == pytest.approx([1, *range(1, count + 1)])
    assert list(y) == pytest.approx(list(range(count + 1)))
    marks = {
        label.split()[0]: (float(px[0]), float(py[0]))
        for label, (px, py) in lines(ax).items()
        if label[:2] in ("p5", "p9")
    }
    assert marks == {"p50": pytest.approx((50, 50)), "p99": pytest.approx((99, 99))}
    assert ax.get_xlabel().endswith("[us]")


def test_latency_counts_the_messages_a_row_stands_for() -> None:
    columns = make_flows(2, np.array([1e-6, 3e-6])).columns
    found = series.latencies(with_tables(flows=Table({**columns, "count": np.array([1, 99])})))
    assert found is not None
    assert list(found.share) == pytest.approx([0.01, 1])
    assert found.percentile(0.5) == 3e-6
    assert found.percentile(0.01) == 1e-6


def test_a_million_latencies_become_few_steps_with_exact_percentiles() -> None:
    latency = np.random.default_rng(2).exponential(1e-6, 200_000)
    found = series.latencies(with_tables(flows=make_flows(len(latency), latency)))
    assert found is not None
    assert len(found.value) < 2000
    assert found.value[-1] == latency.max()
    for share in (0.5, 0.99):
        assert found.percentile(share) == np.sort(latency)[round(share * len(latency)) - 1]


def test_utilization_shows_each_level_with_mean_and_largest() -> None:
    result = make_result(channels=30)
    ax = figures.utilization(result)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(LEVELS)
    assert ax.yaxis_inverted()  # the first level, the inner one, is on top
    use = result.tables["links"]["utilization"].reshape(len(LEVELS), -1) * 100
    diamonds = [line for line in ax.get_lines() if line.get_marker() == "D"]
    arrows = [line for line in ax.get_lines() if line.get_marker() == ">"]
    assert [line.get_xdata()[0] for line in diamonds] == pytest.approx(use.mean(axis=1))
    assert [line.get_xdata()[0] for line in arrows] == pytest.approx(use.max(axis=1))
    dots = [line for line in ax.get_lines() if line.get_marker() == "."]
    assert [sorted(line.get_xdata()) for line in dots] == [pytest.approx(sorted(row)) for row in use]


def test_dots_are_bounded_and_keep_the_ends() -> None:
    values = np.random.default_rng(3).random(10_000)
    kept = series.spread(values, 300)
    assert len(kept) == 300
    assert (kept[0], kept[-1]) == (values.min(), values.max())


def test_weighted_quantiles_are_those_of_the_repeated_values() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 5.0, 4.0])
    repeated = np.sort(np.repeat(values, weight.astype(int)))
    shares = (0.1, 0.5, 0.51, 0.9, 1.0)
    expected = [repeated[int(np.ceil(share * 10)) - 1] for share in shares]
    assert series.weighted_quantiles(values, weight, shares).tolist() == expected


@pytest.mark.parametrize("intervals", [1, 25, 120, 121, 5000])
def test_throughput_steps_hold_the_bytes_delivered(intervals: int) -> None:
    timeline = make_timeline(intervals)
    ax = figures.throughput(with_tables(timeline=timeline))
    steps = ax.patches[-1].get_data()
    units = {"us": 1e-6, "ms": 1e-3, "GB/s": 1e9}
    seconds, rates = (
        np.diff(steps.edges) * units[ax.get_xlabel()[6:-1]],
        steps.values * units[ax.get_ylabel()[12:-1]],
    )
    assert len(rates) <= min(intervals, 120)
    assert steps.edges[-1] * units[ax.get_xlabel()[6:-1]] == pytest.approx(timeline["time_s"][-1])
    assert (seconds * rates).sum() == pytest.approx(timeline["delivered_bytes"].sum())


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_a_figure_draws_into_the_axes_it_is_given(name: str, result: Result) -> None:
    ax = Figure().subplots()
    assert gallery.FIGURES[name](result, ax) is ax


@pytest.mark.parametrize(
    ("names", "tables"),
    [
        (("latency", "rounds"), {"flows": make_flows(0)}),
        (("utilization", "planes"), {"links": make_links(0)}),
        (("throughput",), {"timeline": make_timeline(0)}),
    ],
)
def test_a_figure_without_data_is_refused_and_left_out(
    names: tuple[str, ...], tables: dict[str, Table]
) -> None:
    empty = with_tables(**tables)
    for name in names:
        with pytest.raises(UsageError):
            gallery.FIGURES[name](empty)
    assert list(gallery.draw_all(empty)) == [other for other in gallery.FIGURES if other not in names]


def test_jobs_are_drawn_from_arrival_to_end() -> None:
    jobs = (
        JobResult("a", 8, 1e-3, {"completion_time_s": 4e-3, "alone_time_s": 2e-3, "slowdown": 2.0}),
        JobResult("b", 8, 0.0, {"completion_time_s": 1e-3, "alone_time_s": 1e-3, "slowdown": 1.0}),
    )
    ax = draw_jobs(make_result(jobs=jobs))
    bars = [(round(bar.get_x(), 9), round(bar.get_width(), 9)) for bar in ax.patches]
    assert bars == [(1, 4), (1, 2), (0, 1), (0, 1)]  # [ms]: beside the others, then alone
    assert [text.get_text() for text in ax.texts] == ["2x", "1x"]
    with pytest.raises(UsageError, match="no jobs"):
        draw_jobs(make_result(jobs=()))


def test_a_pattern_has_no_bandwidth_figure() -> None:
    operation = make_operation()
    silent = make_result(
        operations=(type(operation)("p", "permutation", "", 8, 0.0, {"completion_time_s": 1e-3}),)
    )
    with pytest.raises(UsageError, match="bus bandwidth"):
        figures.bandwidth(silent)


@pytest.mark.parametrize("value", [0.0, 1e-12, 2e-6, 5.0, 1e6])
def test_degenerate_values_draw(value: float) -> None:
    flows = make_flows(3, np.full(3, value))
    links = {**make_links(1).columns, "utilization": np.array([min(value, 1.0)])}
    timeline = Table(
        {"time_s": np.array([value + 1e-12]), "delivered_bytes": np.zeros(1), "throughput_Bps": np.zeros(1)}
    )
    result = with_tables(flows=flows, links=Table(links), timeline=timeline)
    for ax in gallery.draw_all(result).values():
        assert png_bytes(drawn(ax)).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_draw(name: str) -> None:
    operations = (make_operation(name=name), make_operation(name=name + "2"))
    links = make_links(6, levels=(name, name + "b"))
    result = make_result(name=name, operations=operations, channels=6)
    result = make_result(name=name, operations=operations, tables={**result.tables, "links": links})
    for ax in gallery.draw_all(result).values():
        assert png_bytes(drawn(ax)).startswith(b"\x89PNG")
        assert svg_text(drawn(ax)).rstrip().endswith("</svg>")


def test_dollars_stay_dollars() -> None:
    ax = figures.utilization(make_result(name="$x$ costs $5", channels=3))
    assert "$x$ costs $5" in svg_text(drawn(ax), "none")


def test_files_are_the_same_on_every_run(sweep: list[Result], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (gallery.save_figures(sweep, tmp_path / name) for name in "ab")
    assert [path.name for path in first] == [
        f"{name}.{kind}" for name in gallery.FIGURES for kind in ("png", "svg")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_colours_are_distinct() -> None:
    used = {*figures.COLOURS, figures.INK, figures.MUTED, figures.GRID}
    assert len(used) == len(figures.COLOURS) + 3


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_plot_is_the_same_figure(name: str, result: Result) -> None:
    ax = getattr(Plot(result), name)()
    assert ax.get_title(loc="left") == gallery.FIGURES[name](result).get_title(loc="left")
    given = Figure().subplots()
    assert getattr(Plot(result), name)(ax=given) is given


def test_scales_pick_the_unit_that_fits() -> None:
    assert [time_scale(value).unit for value in (3.0, 3e-3, 3e-6, 3e-9, 3e-12, 0.0)] == [
        "s",
        "ms",
        "us",
        "ns",
        "ps",
        "ps",
    ]
    assert [bandwidth_scale(value).unit for value in (3e12, 3e9, 3e6, 3e3, 3.0)] == [
        "TB/s",
        "GB/s",
        "MB/s",
        "kB/s",
        "B/s",
    ]
    assert time_scale(3e-3).of(3e-3) == pytest.approx(3)


def test_pyplot_is_not_needed() -> None:
    import subprocess

    code = "import sys, fabricsim.report.folder, fabricsim.report.plot; sys.exit('matplotlib' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode
        == 0
    )


def test_the_stages_of_a_recovery_are_shaded_where_they_lie() -> None:
    link = {"bandwidth": "50 GB/s", "latency": "500 ns"}
    result = fs.simulate(
        resolve({"shape": "ring", "size": 4, "link": link}),
        fs.all_reduce("2 MiB", algorithm="ring"),
        failures=[fs.LinkDown("20 us", ("npu0", "npu1"))],
        recovery=fs.Recovery("5 us", "recompute", "5 us"),
        engine="flow",
    )
    ax = result.plot.recovery()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[1:4] == ["fault", "known after 5 us", "led around after 10 us"]
    spans = [patch.get_extents().x0 for patch in ax.patches if patch.get_label() in labels[2:4]]
    assert len(spans) == 2
    assert ax.transData.inverted().transform((spans[0], 0))[0] == pytest.approx(20)
    assert ax.transData.inverted().transform((spans[1], 0))[0] == pytest.approx(25)


def test_a_run_without_a_failure_has_no_recovery_to_draw() -> None:
    result = fs.simulate(resolve({"shape": "ring", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "0 ns"}}),
                         fs.all_reduce("2 MiB", algorithm="ring"))  # fmt: skip
    with pytest.raises(UsageError, match="no failure came before the end"):
        result.plot.recovery()
