"""Figures of several results and of the inside of one: labels, series and values."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import fabricsim as fs
from fabricsim.errors import UsageError
from fabricsim.formats import Log, LogRow
from fabricsim.formats.comparison import compare_logs
from fabricsim.report import inside, studies
from fabricsim.report.images import png_bytes
from fabricsim.result import Result
from fabricsim.table import Table
from fabricsim.topology import resolve
from tests.report.factory import HOSTILE, make_flows, make_links, make_operation, make_result


@pytest.fixture(scope="module")
def ring() -> Result:
    spec = {"shape": "ring", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}}
    return fs.simulate(resolve(spec), fs.all_reduce("1 MiB", algorithm="ring"))


def scaled(ranks: int) -> Result:
    return make_result(ranks=ranks, operations=(make_operation(2**26, ranks=ranks),))


def test_every_rank_has_a_bar_for_every_round(ring: Result) -> None:
    ax = ring.plot.rounds()
    bars = ax.patches
    assert len(bars) == 4 * 6
    step = 500e-9 + 2**18 / 50e9
    assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(6 * step * 1e6)
    assert [bar.get_width() for bar in bars] == pytest.approx([step * 1e6] * 24)
    assert ax.get_xlabel() == "time [us]"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2", "3"]


def test_of_many_ranks_some_are_drawn() -> None:
    ax = inside.rounds(make_result(messages=1000))
    assert ax.get_ylabel() == "rank (64 of all)"
    assert ax.get_yticklabels()[-1].get_text() == "999"


def test_many_rounds_share_bars(ring: Result) -> None:
    flows = dict(ring.tables["flows"].columns)
    flows["round"] = flows["round"] * 512  # 4 ranks and 5 * 512 + 1 rounds with messages in 6
    ax = inside.rounds(make_result(tables={"flows": Table(flows)}))
    assert ax.get_xlabel() == "time [us], 6 rounds a bar"
    assert len(ax.patches) == 4 * 6


def test_without_planes_there_is_no_map() -> None:
    links = dict(make_links(6).columns)
    links["plane"] = links["plane"] * 0 - 1
    with pytest.raises(UsageError, match="plane"):
        inside.planes(make_result(tables={"links": Table(links)}))


def test_folded_rows_have_no_rounds_to_draw() -> None:
    folded = Table({**make_flows(3).columns, "count": np.array([2, 1, 1])})
    with pytest.raises(UsageError, match="a row for each message"):
        inside.rounds(make_result(tables={"flows": folded}))


def test_planes_are_means_by_level_and_plane() -> None:
    links = dict(make_links(4, ("board", "pod")).columns)
    links |= {"plane": np.array([-1, -1, 0, 1]), "utilization": np.array([0.2, 0.4, 0.5, 0.9])}
    ax = inside.planes(make_result(tables={"links": Table(links)}))
    drawn = np.ma.filled(ax.collections[0].get_array(), np.nan)
    assert np.allclose(drawn, [[30, np.nan, np.nan], [np.nan, 50, 90]], equal_nan=True)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["–", "0", "1"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["board", "pod"]
    assert [text.get_text() for text in ax.texts] == ["30", "50", "90"]


def test_busbw_and_linearity_are_by_ranks() -> None:
    results = [scaled(ranks) for ranks in (16, 8, 32)]
    busbw = [r.operations[0].metrics["busbw_Bps"] for r in (results[1], results[0], results[2])]
    (line,) = studies.busbw_by_ranks(results).lines
    assert line.get_xdata().tolist() == [8, 16, 32]
    assert line.get_ydata() == pytest.approx(np.array(busbw) / 1e9)
    ax = studies.linearity(results)
    ideal, line = ax.lines
    assert ideal.get_ydata().tolist() == [1, 4]
    assert line.get_ydata() == pytest.approx(np.array([8, 16, 32]) * busbw / (8 * busbw[0]))
    assert f"{busbw[2] / busbw[0]:.0%} at 32" in line.get_label()
    assert ax.get_xlabel() == "ranks"


def test_percentiles_rise_with_load() -> None:
    more = [{"latency_p50_s": p, "latency_p99_s": 2 * p, "latency_max_s": 3 * p} for p in (4e-6, 2e-6)]
    plain = make_result()
    results = [make_result(operations=plain.operations) for _ in more]
    for result, extra in zip(results, more, strict=True):
        result.metrics.update(extra)  # type: ignore[attr-defined]
    ax = studies.percentiles(results, [0.8, 0.4])
    assert [line.get_label() for line in ax.lines] == ["p50", "p99", "max"]
    assert ax.lines[1].get_xdata() == pytest.approx([40, 80])
    assert ax.lines[1].get_ydata() == pytest.approx([4, 8])
    with pytest.raises(UsageError, match="one load for each"):
        studies.percentiles(results, [0.1])


def test_the_front_is_what_nothing_beats() -> None:
    frame = pd.DataFrame(
        {"price": [1, 2, 3, 3, np.nan], "busbw_Bps": [5e9, 4e9, 9e9, 8e9, 9e10], "name": list("abcde")}
    )
    ax = studies.pareto(frame, "price", "busbw_Bps", label="name", units="EUR")
    assert ax.lines[1].get_xdata().tolist() == [1, 3]
    assert ax.lines[1].get_ydata().tolist() == [5, 9]
    assert [text.get_text() for text in ax.texts] == ["a", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("price [EUR]", "busbw_Bps [GB/s]")
    with pytest.raises(UsageError, match="no column 'watts'"):
        studies.pareto(frame, "watts", "busbw_Bps")


def test_a_comparison_is_changes_in_percent() -> None:
    a, b = make_result(2**20), make_result(2**21)
    ax = studies.comparison(a, b)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    row = next(index for index, text in enumerate(labels) if text.startswith("size "))
    assert ax.patches[row].get_width() == pytest.approx(100)
    assert "1 MiB → 2 MiB" in labels[row]
    assert studies.comparison(a, a).get_xlabel() == "change [%]: no metric differs"


DRAWERS: list[Callable] = [
    inside.rounds,
    inside.planes,
    lambda r: studies.busbw_by_ranks([r]),
    lambda r: studies.linearity([r]),
    lambda r: studies.comparison(r, r),
]


@pytest.mark.parametrize("draw", DRAWERS, ids=["rounds", "planes", "busbw", "linearity", "comparison"])
def test_hostile_names_are_drawn(draw: Callable) -> None:
    for name in HOSTILE:
        operation = make_operation(name=name, kind=name or "x")
        result = make_result(name=name, operations=(operation,), messages=5, channels=4)
        figure = draw(result).get_figure()
        assert png_bytes(figure).startswith(b"\x89PNG")


def test_they_draw_where_they_are_told(ring: Result) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots(2)
    assert inside.rounds(ring, axes[0]) is axes[0]
    assert studies.comparison(ring, ring, axes[1]) is axes[1]


def test_a_comparison_is_a_page(cli, tmp_path, ring: Result) -> None:
    other = fs.simulate(
        resolve({"shape": "ring", "size": 4, "link": {"bandwidth": "25 GB/s", "latency": "500 ns"}}),
        fs.all_reduce("1 MiB", algorithm="ring"),
    )
    folders = [result.save(tmp_path / name) for result, name in ((ring, "<b>a"), (other, "b"))]
    code, _, err = cli("compare", *folders, "-o", tmp_path / "out")
    assert code == 0
    assert "comparison.html" in err
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "<b>a" not in page
    change = (500e-9 + 2**18 / 25e9) / (500e-9 + 2**18 / 50e9) - 1
    assert f"{change:+.2%}" in page
    assert "<svg" in page
    assert cli("compare", *folders, "-o", tmp_path / "out")[0] == 2


def test_schedules_and_sweeps_show_in_notebooks(ring: Result) -> None:
    from fabricsim.run import schedule_of
    from fabricsim.scenario import load_scenario

    fabric = resolve({"shape": "ring", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}})
    schedule = schedule_of(fabric, fs.all_reduce("1 MiB", algorithm="ring"), 0)
    assert f"<td>{24:,}</td><td>{6 * 4 * 2**18:,}</td>" in schedule._repr_html_()
    sweep = fs.sweep(load_scenario("ring-first-run"), {"seed": [1, 2]}, workers=1)
    shown = sweep._repr_html_()
    assert "2 points, 0 failed" in shown
    assert "<script" not in shown


def test_sizes_beside_draws_the_error_of_each_size() -> None:
    a, b = (
        Log(source, "all-reduce", 8, tuple(LogRow(size, time) for size, time in times.items()))
        for source, times in (("A", {2**20: 1e-3, 2**24: 2e-3}), ("B", {2**20: 1.5e-3, 2**24: 1e-3}))
    )
    ax = studies.sizes_beside(compare_logs(a, b))
    line, zero = ax.lines
    assert line.get_xdata().tolist() == [2**20, 2**24]
    assert list(line.get_ydata()) == pytest.approx([50, -50])
    assert list(zero.get_ydata()) == [0, 0]
    assert ax.get_ylabel() == "time of B over A [%]"
    assert ax.get_xticklabels()[0].get_text() == "1 MiB"
    assert studies.sizes_beside(compare_logs(a, b), ax) is ax
