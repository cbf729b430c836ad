import gzip
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import fabricsim as fs
from fabricsim.cli import app
from fabricsim.errors import InputError, UsageError
from fabricsim.expectations import parse_expectations
from fabricsim.regression import judge
from fabricsim.report.folder import load_results, save_results, write_report
from fabricsim.result import Result
from tests.report.factory import make_result

RUN = CliRunner()


@pytest.fixture
def folder(sweep: list[Result], tmp_path: Path) -> Path:
    return save_results(sweep, tmp_path / "out")


def test_a_result_against_its_own_log_differs_by_rounding_only(folder: Path, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["convert", str(folder), str(tmp_path / "a.nccl.txt")]).exit_code == 0
    done = RUN.invoke(app, ["compare", str(folder), str(tmp_path / "a.nccl.txt"), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["mean_error"] < 1e-3


def test_every_format_is_written_once(folder: Path, tmp_path: Path) -> None:
    for name in ("a.nccl.txt", "a.nccl.json", "a.trace.json"):
        source = folder / "point-000" if "trace" in name else folder
        target = str(tmp_path / name)
        assert RUN.invoke(app, ["convert", str(source), target]).exit_code == 0
        assert isinstance(RUN.invoke(app, ["convert", str(source), target]).exception, UsageError)
        assert RUN.invoke(app, ["convert", str(source), target, "--force"]).exit_code == 0


def test_a_packed_trace_is_the_trace(folder: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.trace.json", tmp_path / "a.trace.json.gz"
    for target in (plain, packed):
        assert RUN.invoke(app, ["convert", str(folder / "point-000"), str(target)]).exit_code == 0
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()


def test_an_unknown_ending_is_refused(folder: Path, tmp_path: Path) -> None:
    error = RUN.invoke(app, ["convert", str(folder), str(tmp_path / "a.pdf")]).exception
    assert isinstance(error, UsageError)
    assert ".nccl.txt" in str(error)


def test_a_trace_of_a_sweep_is_refused(folder: Path, tmp_path: Path) -> None:
    error = RUN.invoke(app, ["convert", str(folder), str(tmp_path / "a.trace.json")]).exception
    assert isinstance(error, InputError)


def test_two_results_of_no_collective_are_compared_metric_by_metric(tmp_path: Path) -> None:
    base = make_result()
    patterns = [
        op.__class__("p", "permutation", "", 8, 0.0, {"completion_time_s": 1e-3}) for op in base.operations
    ]
    a = save_results(make_result(operations=tuple(patterns)), tmp_path / "a")
    b = save_results(make_result(operations=tuple(patterns)), tmp_path / "b")
    done = RUN.invoke(app, ["compare", str(a), str(b)])
    assert done.exit_code == 0
    assert "completion_time" in done.stdout
    assert "same" in done.stdout


def test_a_log_against_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    RUN.invoke(app, ["convert", str(folder), str(tmp_path / "a.nccl.txt")])
    base = make_result()
    pattern = tuple(
        op.__class__("p", "permutation", "", 8, 0.0, {"completion_time_s": 1e-3}) for op in base.operations
    )
    other = save_results(make_result(operations=pattern), tmp_path / "b")
    error = RUN.invoke(app, ["compare", str(tmp_path / "a.nccl.txt"), str(other)]).exception
    assert isinstance(error, InputError)
    assert "like with like" in str(error)


def test_a_result_is_written_as_markdown(folder: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["convert", str(folder), str(tmp_path / "summary.md")])
    assert done.exit_code == 0
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "**Points of the sweep**" in text
    for point in load_results(folder):
        assert point.digest in text


def test_markdown_begins_with_the_verdict_and_shows_names_as_they_are(tmp_path: Path) -> None:
    result = make_result(name="| a <b> *c*")
    verdict = judge(result, parse_expectations({"ar.busbw": ">= 1 TB/s"}))
    write_report(result, tmp_path / "out", verdict)
    RUN.invoke(app, ["convert", str(tmp_path / "out"), str(tmp_path / "out.md")])
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert text.startswith("### \\| a \\<b\\> \\*c\\*\n\n**1 of 1 expectation")
    assert "❌ ar.busbw \\>= 1 TB/s" in text
    assert "| completion\\_time |" in text


def test_tables_carry_units_in_parquet(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for source, name, column in (
        (folder / "point-001", "links.parquet", "bandwidth_Bps"),
        (folder, "all.points.parquet", "ar.busbw_Bps"),
    ):
        assert RUN.invoke(app, ["convert", str(source), str(tmp_path / name)]).exit_code == 0
        table = parquet.read_table(tmp_path / name)
        assert table.schema.field(column).metadata[b"unit"] == b"B/s"
    links = load_results(folder / "point-001")[0].links
    again = parquet.read_table(tmp_path / "links.parquet").to_pandas()
    assert all((again[name] == links[name]).all() for name in links)


def test_points_are_a_row_each(folder: Path, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["convert", str(folder), str(tmp_path / "points.csv")]).exit_code == 0
    frame = pd.read_csv(tmp_path / "points.csv")
    assert frame["ar.busbw_Bps"].tolist() == [point.numbers["ar.busbw_Bps"] for point in load_results(folder)]


def test_the_messages_of_a_scenario_are_a_table(tmp_path: Path) -> None:
    assert RUN.invoke(app, ["convert", "ring-first-run", str(tmp_path / "messages.csv")]).exit_code == 0
    frame = pd.read_csv(tmp_path / "messages.csv")
    schedule = fs.load_scenario("ring-first-run").schedule(fs.load_scenario("ring-first-run").fabric())
    assert frame["src"].tolist() == schedule.messages.src.tolist()
    assert frame["bytes"].tolist() == schedule.messages.size.tolist()


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("hgx-h1000", "a.json", "did you mean|hgx-h100"),
        ("hgx-h100", "a.md", r"\.graphml, \.json, \.csv"),
        ("hgx-h100", "nowhere/a.json", "there is no folder"),
        ("hgx-h100", "a.csv", "an edge table cannot say"),
        ("cloudmatrix384-allreduce", "messages.csv", "a sweep of 4 points"),
        ("llama3-405b-step", "messages.csv", "put together from exchanges"),
    ],
)
def test_what_cannot_be_written_is_refused(source: str, name: str, words: str, tmp_path: Path) -> None:
    error = RUN.invoke(app, ["convert", source, str(tmp_path / name)]).exception
    assert isinstance(error, InputError | UsageError)
    assert re.search(words, str(error))
    assert not list(tmp_path.iterdir())


def test_a_table_of_a_sweep_or_one_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    for source, words in ((folder, "one run, these are"), (folder / "point-000", "has no table passes")):
        error = RUN.invoke(app, ["convert", str(source), str(tmp_path / "passes.csv")]).exception
        assert isinstance(error, InputError)
        assert words in str(error)


def test_a_published_measurement_is_compared_in_one_command(tmp_path: Path) -> None:
    words = ["compare", "gb200-nvl72-allreduce.nccl.txt", "nvl72-allreduce", "-o", str(tmp_path / "out")]
    done = RUN.invoke(app, [*words, "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert [row["size"] for row in told["rows"]] == [2**exponent for exponent in range(29, 34)]
    assert told["only_a"] == told["only_b"] == []
    assert max(abs(row["error"]) for row in told["rows"]) < 0.05
    assert (tmp_path / "out" / "comparison.html").exists()


def test_what_is_neither_log_nor_scenario_is_said(tmp_path: Path) -> None:
    error = RUN.invoke(app, ["compare", "gb200-nvl72-allreduce.nccl.txt", str(tmp_path / "x.txt")]).exception
    assert isinstance(error, InputError)
    assert "there is no such file" in str(error)


def test_points_of_unlike_values_are_written(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    varied = ("hgx-h100", {"shape": "ring", "size": 4}, 8)
    results = [make_result(provenance={"varied": {"topology": value}}) for value in varied]
    folder = save_results(results, tmp_path / "out")
    for name in ("points.parquet", "points.csv"):
        assert RUN.invoke(app, ["convert", str(folder), str(tmp_path / name)]).exit_code == 0
    table = parquet.read_table(tmp_path / "points.parquet")
    assert table["topology"].to_pylist() == ["hgx-h100", '{"shape": "ring", "size": 4}', "8"]
