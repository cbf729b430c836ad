import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fabricsim.errors import InputError, UsageError
from fabricsim.expectations import parse_expectations
from fabricsim.regression import judge
from fabricsim.report.folder import (
    check_folder,
    load_results,
    load_verdict,
    redraw,
    save_results,
    write_report,
)
from fabricsim.report.tables import channels_table, levels_table, points_table, summary
from fabricsim.report.terminal import print_inspection, print_plan, print_result
from fabricsim.result import SCHEMA, Result, load_result
from tests.report.factory import HOSTILE, make_links, make_operation, make_result


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def printed(*args: object, width: int = 80) -> str:
    out = io.StringIO()
    results, verdict = args
    print_result(results, verdict, Console(file=out, width=width))  # type: ignore[arg-type]
    return out.getvalue()


def assert_same(found: Result, wanted: Result) -> None:
    assert found.as_dict() == json.loads(json.dumps(wanted.as_dict()))
    assert set(found.tables) == set(wanted.tables)
    for name, table in wanted.tables.items():
        for column, values in table.columns.items():
            assert repr(found.tables[name][column].tolist()) == repr(values.tolist())  # nan is not itself


def test_one_result_reads_back(result: Result, tmp_path: Path) -> None:
    page = write_report(result, tmp_path / "out", [])
    assert page == tmp_path / "out" / "report.html"
    (found,) = load_results(tmp_path / "out")
    assert_same(found, result)
    assert json.loads((tmp_path / "out" / "result.json").read_text())["schema"] == SCHEMA


def test_a_sweep_reads_back_in_order(tmp_path: Path) -> None:
    sweep = [make_result(2**power) for power in (20, 10, 15)]
    save_results(sweep, tmp_path)
    for found, point in zip(load_results(tmp_path), sweep, strict=True):
        assert_same(found, point)
    assert json.loads((tmp_path / "result.json").read_text()) == [
        load_result(tmp_path / f"point-00{index}").as_dict() for index in range(3)
    ]


def test_a_folder_holds_figures_page_and_verdict(sweep: list[Result], tmp_path: Path) -> None:
    verdict = judge(sweep, parse_expectations({"ar.busbw": ">= 1 GB/s", "latency_max": "< 1 s"}))
    write_report(sweep[:2], tmp_path, verdict)
    pictures = {
        f"{name}.{kind}"
        for name in ("bandwidth", "latency", "utilization", "throughput")
        for kind in ("png", "svg")
    }
    assert pictures | {"report.html", "verdict.json", "result.json", "point-001/result.json"} <= files(
        tmp_path
    )
    assert load_verdict(tmp_path) == verdict


def test_redrawing_gives_the_same_page_and_pictures(result: Result, tmp_path: Path) -> None:
    path = write_report(result, tmp_path, judge(result, parse_expectations({"ar.busbw": ">= 50 GB/s"})))
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    for picture in (*tmp_path.glob("*.png"), *tmp_path.glob("*.svg"), path):
        picture.unlink()
    assert redraw(tmp_path) == path
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_full_folder_is_refused_and_kept(result: Result, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("keep")
    for refuse in (lambda: check_folder(tmp_path), lambda: write_report(result, tmp_path)):
        with pytest.raises(UsageError, match="--force"):
            refuse()
    with pytest.raises(UsageError):
        check_folder(mine, force=True)
    check_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert files(tmp_path) == {"mine.txt"}
    check_folder(tmp_path, force=True)
    write_report(result, tmp_path, force=True)
    assert mine.read_text() == "keep"


def test_force_leaves_nothing_of_the_earlier_run(sweep: list[Result], tmp_path: Path) -> None:
    write_report(sweep, tmp_path / "a", judge(sweep, parse_expectations({"busbw": "> 0 B/s"})))
    write_report(sweep[0], tmp_path / "a", force=True)
    write_report(sweep[0], tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not (tmp_path / "a" / "point-000").exists()


def test_what_is_not_a_result_is_an_input_error(sweep: list[Result], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no result\.json"):
        load_results(tmp_path)
    for content, words in (
        ("{", "is not JSON"),
        ("[]", "lists no points"),
        ("[{}]", "lacks point-000"),
        ("{}", "is not a"),
    ):
        (tmp_path / "result.json").write_text(content)
        with pytest.raises(InputError, match=words):
            load_results(tmp_path)
    with pytest.raises(UsageError, match="no results"):
        save_results([], tmp_path / "new")


@pytest.mark.parametrize("content", ["[{}]", "3", '["a"]', "{"])
def test_a_damaged_verdict_is_an_input_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(InputError):
        load_verdict(tmp_path)


def test_the_terminal_shows_table_metrics_notes_verdict_and_digest(result: Result) -> None:
    verdict = judge(result, parse_expectations({"ar.busbw": ">= 50 GB/s", "ar.size": "== 1 MiB"}))
    out = printed(result, verdict)
    for words in (
        "Collective test starting: all_reduce_perf",
        "note: " + result.notes[0],
        result.digest,
        "wall 1.5 s",
    ):
        assert words in out
    assert "FAIL ar.busbw >= 50 GB/s: is " in out
    assert "ok   ar.size == 1 MiB: is 1 MiB" in out


def test_the_nccl_table_is_not_wrapped(result: Result) -> None:
    lines = printed(result, None, width=40).splitlines()
    assert len([line for line in lines if len(line.split()) == 13 and line.split()[2] == "float"]) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_on_the_terminal(name: str) -> None:
    both = (make_operation(name=name), make_operation(name=name + "2"))
    out = printed(make_result(name=name, operations=both, notes=(name, "[red]x[/red]")), None, width=200)
    assert "\x1b" not in out
    assert "\x00" not in out
    assert "[red]x[/red]" in out


def test_plans_and_topologies_are_shown_with_units() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100)
    print_plan(
        [{"operations": [{"name": "[b]ar", "size_B": 2**20, "by_level_B": {"board": 2**10}}]}], console
    )
    figures = {
        "name": "x",
        "npus": 8,
        "bisection_Bps": 5e9,
        "cables": {"copper": 3},
        "cable_lanes": None,
        "scale_up_injection_raw_Bps": None,
        "tiers": [],
        "lint": ["odd"],
        "mean_hops": None,
    }
    print_inspection([figures, {**figures, "name": "y", "npus": 16}], console)
    for words in ("[b]ar", "size_B: 1 MiB", "board: 1 KiB", "5 GB/s", "3 (100.0 %)", "x: odd", "y: odd"):
        assert words in out.getvalue()
    (row,) = [line.split() for line in out.getvalue().splitlines() if line.split()[:1] == ["NPUs"]]
    assert row == ["NPUs", "8", "16"]


def test_summary_names_every_metric_of_run_and_operations(result: Result) -> None:
    pairs = summary(result)
    assert len(pairs) == len(result.metrics) + sum(len(op.metrics) for op in result.operations)
    assert dict(pairs)["size"] == dict(pairs)["ar.size"] == "1 MiB"
    assert dict(pairs)["link_utilization_max"] == "95 %"


def test_levels_sum_to_the_bytes_on_the_wire() -> None:
    channels = 30
    table = make_links(channels)
    shown = levels_table(make_result(channels=channels)).rows
    counts = [int(row[1]) for row in shown]
    assert sum(counts) == channels
    use = table["utilization"].reshape(len(shown), -1)
    assert [row[3] for row in shown] == [f"{100 * mean:.1f} %" for mean in use.mean(axis=1)]
    assert [row[4] for row in shown] == [f"{100 * most:.1f} %" for most in use.max(axis=1)]


def test_the_busiest_channels_come_first() -> None:
    result = make_result(channels=30)
    links = result.tables["links"]
    order = np.argsort(-links["utilization"], kind="stable")[:5]
    table = channels_table(result, top=5)
    assert [row[0] for row in table.rows] == links["channel"][order].tolist()
    assert table.note.startswith("5 of 30 channels")


def test_points_are_named_only_where_names_differ(sweep: list[Result]) -> None:
    assert "name" not in points_table(sweep).head
    assert "name" in points_table([make_result(name="a"), make_result(name="b")]).head


def test_the_tables_say_what_their_columns_are(tmp_path: Path) -> None:
    result = make_result()
    folder = result.save(tmp_path / "out")
    told = json.loads((folder / "csv-metadata.json").read_text())
    assert {table["url"] for table in told["tables"]} == {path.name for path in folder.glob("*.csv")}
    for table in told["tables"]:
        columns = table["tableSchema"]["columns"]
        header = (folder / table["url"]).read_text().partition("\n")[0].split(",")
        assert [column["name"] for column in columns] == header
    (links,) = (table for table in told["tables"] if table["url"] == "links.csv")
    rate = next(c for c in links["tableSchema"]["columns"] if c["name"] == "bandwidth_Bps")
    assert (rate["schema:unitText"], rate["datatype"]) == ("B/s", "integer")
