import json
from pathlib import Path

import pytest

from fabricsim.errors import InputError
from fabricsim.formats import log_of, read_log
from fabricsim.formats.comparison import compare_logs
from fabricsim.formats.measured import Log, LogRow
from fabricsim.formats.nccl_log import json_text
from fabricsim.report.nccl import nccl_table
from fabricsim.result import Result
from tests.report.factory import make_operation, make_result

HEAD = "#  size  count  type  redop  root  time  algbw  busbw  #wrong\n#  (B)  (elements)  (us)  (GB/s)  (GB/s)\n"
TESTS = "# Collective test starting: all_reduce_perf\n" + HEAD
DEVICES = "".join(
    f"#  Rank {rank:2} Group  0 Pid   2748 on host device  {rank} [0] H100\n" for rank in range(8)
)


def written(folder: Path, text: str, name: str = "log.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_our_own_table_reads_back_to_the_same_numbers(sweep: list[Result], tmp_path: Path) -> None:
    table = nccl_table(sweep)
    assert table is not None
    log = read_log(written(tmp_path, table))
    assert log.collective == "all-reduce"
    for row, point in zip(log.rows, sweep, strict=True):
        metrics = point.operations[0].metrics
        assert row.size == metrics["size_B"]
        assert row.time == pytest.approx(metrics["completion_time_s"], abs=0.006e-6)
        assert row.busbw == pytest.approx(metrics["busbw_Bps"], abs=0.006e9)


def test_our_own_json_reads_back_exactly(sweep: list[Result], tmp_path: Path) -> None:
    log, ours = read_log(written(tmp_path, json_text(sweep))), log_of(sweep, "ours")
    assert ours is not None
    assert (log.collective, log.ranks) == (ours.collective, ours.ranks)
    for row, own in zip(log.rows, ours.rows, strict=True):
        assert row.size == own.size
        assert row.time == pytest.approx(own.time, rel=1e-12)
        assert row.busbw == pytest.approx(own.busbw, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "size", "time", "busbw"),
    [
        ("8 2 float sum -1 6.21 0.01 0.02 0 6.23 0.00 0.00 0", 8, 6.21, 0.02),
        ("8 2 float sum 6.21 0.01 0.02 0e+00 6.23 0.00 0.00 0e+00", 8, 6.21, 0.02),  # old: no root
        ("8 2 float 6.21 0.01 0.02 N/A 6.23 0.00 0.00 N/A", 8, 6.21, 0.02),  # old all-gather: no redop
        ("8 2 float none 0 12345 0.01 0.02 0 12346 0.00 0.00 0", 8, 12345, 0.02),  # broadcast: a root
        ("8 2 float sum -1 6.21 0.01 0.02 0 5 7 6 1.0 6.23 0.00 0.00 0 5 7 6 1.0", 8, 6.21, 0.02),  # -I 1
        ("8 2 float sum -1 1.2e+07 0.01 0.02 0 1.2e+07 0.00 0.00 0", 8, 1.2e7, 0.02),
    ],
)
def test_rows_of_all_versions(line: str, size: int, time: float, busbw: float, tmp_path: Path) -> None:
    (row,) = read_log(written(tmp_path, TESTS + DEVICES + line + "\n")).rows
    assert (row.size, row.busbw) == (size, pytest.approx(busbw * 1e9))
    assert row.time == pytest.approx(time * 1e-6)


def test_ranks_are_counted_from_the_list_of_devices(tmp_path: Path) -> None:
    line = "8 2 float sum -1 6.21 0.01 0.02 0 6.23 0.00 0.00 0\n"
    assert read_log(written(tmp_path, TESTS + DEVICES + line)).ranks == 8
    assert read_log(written(tmp_path, TESTS + line)).ranks is None


def test_hccl_states_no_busbw(tmp_path: Path) -> None:
    text = (
        "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:\n"
        "1048576 | 20.50 | 51.15 | success\n2097152   30.00   69.9   NULL\n"
    )
    first, second = read_log(written(tmp_path, text)).rows
    assert (first.size, first.busbw, second.size) == (1048576, None, 2097152)
    assert first.algbw == pytest.approx(1048576 / 20.5e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "log.txt: is not a log"),
        (TESTS, "log.txt: holds no row of nccl-tests"),
        (TESTS + "8 2 float sum -1 fast 0 0 0\n", "log.txt:4: is not a row of nccl-tests"),
        (TESTS + "8 2\n", "log.txt:4: is not a row of nccl-tests"),
        (
            TESTS + "0 0 float sum -1 6.21 0.00 0.00 0 6.23 0.00 0.00 0\n",
            "log.txt:4: a size of 0 B in 6.21 us",
        ),
        (
            TESTS + "8 2 float sum -1 0.00 0.00 0.00 0 6.23 0.00 0.00 0\n",
            "log.txt:4: a size of 8 B in 0.00 us",
        ),
        ("{", "log.txt:1: is not JSON"),
        ('{"version": 3}', "log.txt: is not a file of nccl-tests -J"),
        ('{"results": []}', "log.txt: holds no results"),
        ('{"results": [{"size": 8}]}', "log.txt: is not a file of nccl-tests -J"),
        ("data_size alg_bandwidth\n", "log.txt: holds no row of HCCL Test"),
        ("data_size alg_bandwidth\n8 2.0 1.0 failed\n", "log.txt:2: the test failed its check"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as info:
        read_log(written(tmp_path, text))
    assert said in str(info.value)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_log(tmp_path / "nowhere.txt")


def test_json_of_two_collectives_is_refused() -> None:
    results = [make_result(operations=(make_operation(kind=kind),)) for kind in ("all-reduce", "all-gather")]
    with pytest.raises(InputError, match="2 collectives"):
        json_text(results)


def test_json_keeps_the_odd_types_of_nccl_tests(sweep: list[Result]) -> None:
    content = json.loads(json_text(sweep))
    assert content["version"] == 3
    assert content["results"][0]["root"] == "    -1"
    assert content["average_bus_bandwidth"]["okay"] == "unchecked"


# -- comparison ------------------------------------------------------------------------------------------


def log(sizes: dict[int, float], *, collective: str | None = None, ranks: int | None = None) -> Log:
    return Log("x", collective, ranks, tuple(LogRow(size, time) for size, time in sizes.items()))


def test_errors_are_relative_times() -> None:
    comparison = compare_logs(log({8: 1e-6, 16: 2e-6, 32: 4e-6}), log({16: 3e-6, 8: 0.9e-6, 64: 1.0}))
    assert [row.error for row in comparison.rows] == pytest.approx([-0.1, 0.5])
    assert comparison.mean_error == pytest.approx(0.3)
    assert comparison.worst.size == 16
    assert (comparison.only_a, comparison.only_b) == ((32,), (64,))


def test_a_simulated_size_meets_the_one_it_was_rounded_from() -> None:
    measured = log({2**20: 1.0, 2**20 + 1152: 1.0, 2**21: 1.0})
    simulated = log({2**20 - 1151: 2.0, 2**21 - 1152: 2.0}, ranks=72)  # a grain is 72 * 16 B = 1152 B
    (row,) = compare_logs(measured, simulated).rows
    assert (row.size, row.time_b) == (2**20, 2.0)
    assert compare_logs(measured, simulated).only_a == (2**20 + 1152, 2**21)
    with pytest.raises(InputError, match="no size in common"):
        compare_logs(measured, log({2**20 - 1151: 2.0}))  # of how many ranks, nobody says


def test_a_size_measured_several_times_counts_with_its_median() -> None:
    a = Log("a", None, None, tuple(LogRow(8, time) for time in (5.0, 1.0, 2.0)))
    (row,) = compare_logs(a, log({8: 2.0})).rows
    assert row.error == 0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (log({8: 1.0}), log({16: 1.0}), "no size in common"),
        (log({8: 1.0}, collective="all-reduce"), log({8: 1.0}, collective="all-gather"), "like with like"),
        (log({8: 1.0}, ranks=8), log({8: 1.0}, ranks=16), "equal rank counts"),
    ],
)
def test_what_cannot_be_compared(a: Log, b: Log, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compare_logs(a, b)
