import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fabricsim.cli import app
from fabricsim.errors import InputError, UsageError
from fabricsim.report.folder import save_results
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
