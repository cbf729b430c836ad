import pytest

from fabricsim.report.nccl import ELEMENT_BYTES, nccl_table, number_text
from fabricsim.result import OperationResult, Result
from tests.report.factory import HOSTILE, make_operation, make_result

PER_RANK = ("all-gather", "reduce-scatter", "all-to-all")


def rows_of(table: str) -> list[list[str]]:
    """Read as measured logs are read: by tokens, comment lines skipped."""
    return [line.split() for line in table.splitlines() if line.strip() and not line.startswith("#")]


def table_of(results: Result | list[Result]) -> str:
    table = nccl_table(results)
    assert table is not None
    return table


def test_a_sweep_reads_back_to_the_same_numbers(sweep: list[Result]) -> None:
    rows = rows_of(table_of(sweep))
    assert len(rows) == len(sweep)
    for tokens, point in zip(rows, sweep, strict=True):
        assert len(tokens) == 13
        size, count, kind, redop, root, *placements = tokens
        metrics = point.operations[0].metrics
        assert (int(size), int(count), kind, redop, root) == (
            metrics["size_B"], metrics["size_B"] // ELEMENT_BYTES, "float", "sum", "-1",
        )  # fmt: skip
        assert placements[:4] == placements[4:]
        time, algbw, busbw = map(float, placements[:3])
        assert placements[3] == "N/A"
        assert time == pytest.approx(metrics["completion_time_s"] * 1e6, abs=0.005)
        assert algbw == pytest.approx(metrics["algbw_Bps"] / 1e9, abs=0.005)
        assert busbw == pytest.approx(metrics["busbw_Bps"] / 1e9, abs=0.005)


def test_columns_stand_where_nccl_tests_puts_them(sweep: list[Result]) -> None:
    # printf widths: %12li  %12li  %8s  %6s  %6s and twice   %7s  %6s  %6s  %6s
    ends, end = [], -2
    for width in (12, 12, 8, 6, 6, 7, 6, 6, 6, 7, 6, 6, 6):
        end += 2 + width
        ends.append(end)
    table = table_of(sweep)
    lines = [line for line in table.splitlines() if not line.startswith("#")]
    for line in lines:
        assert len(line) == ends[-1]
        for place in ends[:-1]:
            assert line[place - 1] != " "
            assert line[place : place + 2] == "  "
    (head,) = [line for line in table.splitlines() if "redop" in line]
    assert len(head) == ends[-1]
    assert [head[place - 1] for place in ends] == ["e", "t", "e", "p", "t", *"ewwg", *"ewwg"]


def test_the_footer_states_the_mean_busbw(sweep: list[Result]) -> None:
    (line,) = [line for line in table_of(sweep).splitlines() if line.startswith("# Avg bus bandwidth    : ")]
    mean = sum(point.metrics["busbw_Bps"] for point in sweep) / len(sweep) / 1e9
    assert float(line.split(":")[1]) == pytest.approx(mean, rel=1e-5)


def test_a_comment_says_what_is_not_measured(result: Result) -> None:
    assert "in-place repeats out-of-place, and #wrong is not checked" in table_of(result)


@pytest.mark.parametrize(
    ("kind", "test", "redop", "root"),
    [
        ("all-reduce", "all_reduce_perf", "sum", "-1"),
        ("all-gather", "all_gather_perf", "none", "-1"),
        ("reduce-scatter", "reduce_scatter_perf", "sum", "-1"),
        ("all-to-all", "alltoall_perf", "none", "-1"),
        ("broadcast", "broadcast_perf", "none", "0"),
    ],
)
def test_each_collective_has_its_names(kind: str, test: str, redop: str, root: str) -> None:
    ranks, size = 8, 2**20
    table = table_of(make_result(operations=(make_operation(size, kind=kind, ranks=ranks),)))
    assert f"# Collective test starting: {test}\n" in table
    assert f"# Collective test concluded: {test}\n" in table
    (tokens,) = rows_of(table)
    count = size // ELEMENT_BYTES // (ranks if kind in PER_RANK else 1)
    assert tokens[1:5] == [str(count), "float", redop, root]


def test_only_one_collective_per_result_makes_a_row() -> None:
    one, other = make_operation(name="a"), make_operation(name="b", kind="all-gather")
    pattern = OperationResult("p", "permutation", "", 8, 0.0, {"completion_time_s": 1e-3})
    assert nccl_table(make_result(operations=(one, other))) is None
    assert nccl_table(make_result(operations=(pattern,))) is None
    assert nccl_table([make_result(operations=(one,)), make_result(operations=(other,))]) is None
    assert nccl_table([]) is None


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (6.214, 7, "   6.21"), (9999.99, 7, "9999.99"), (10000.04, 7, "10000.0"), (123456.0, 7, " 123456"),
        (1234567.0, 7, "1234567"), (12345678.0, 7, "1.2e+07"), (999.99, 6, "999.99"), (1000.0, 6, "1000.0"),
        (0.0, 6, "  0.00"),
    ],
)  # fmt: skip
def test_numbers_lose_decimals_before_they_outgrow_the_column(value: float, width: int, text: str) -> None:
    assert number_text(value, width) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_cannot_add_rows(name: str) -> None:
    operation = make_operation()
    named = OperationResult(name, operation.kind, name, 8, 0.0, operation.metrics)
    table = table_of(make_result(name=name, operations=(named,), provenance={"fabricsim": name}))
    assert len(rows_of(table)) == 1
    assert len(table.splitlines()) == len(table_of(make_result()).splitlines())
