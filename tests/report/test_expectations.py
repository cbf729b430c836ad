import pytest

from fabricsim.errors import InputError, key_text
from fabricsim.expectations import COMPARISONS, kind_of, parse_expectations, short_name
from fabricsim.metrics import METRICS
from fabricsim.regression import judge
from fabricsim.result import Result
from tests.report.factory import make_operation, make_result

EXAMPLES = {
    "size": "64 KiB", "bandwidth": "50 GB/s", "time": "2 us", "share": "95 %", "count": "1000", "factor": "1.5x",
}  # fmt: skip
SI = {"size": 64 * 2**10, "bandwidth": 50e9, "time": 2e-6, "share": 0.95, "count": 1000, "factor": 1.5}


def verdict_of(results: Result | list[Result], expect: dict[str, object]):
    (verdict,) = judge(results, parse_expectations(expect))
    return verdict


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sign", COMPARISONS)
def test_every_metric_can_be_expected_by_its_short_name(metric: str, sign: str) -> None:
    kind = kind_of(metric)
    (found,) = parse_expectations({f"ar.{short_name(metric)}": f"{sign} {EXAMPLES[kind]}"})
    assert (found.condition.metric, found.condition.operation) == (metric, "ar")
    assert found.condition.limits == ((sign, SI[kind]),)


def test_short_names_are_unique_and_without_unit() -> None:
    names = [short_name(metric) for metric in METRICS]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.endswith(("_s", "_B", "_Bps"))]


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [
        (">=", False, True, True),
        ("<=", True, True, False),
        ("==", False, True, False),
        (">", False, False, True),
        ("<", True, False, False),
    ],
)
def test_comparisons(sign: str, below: bool, equal: bool, above: bool) -> None:
    (found,) = parse_expectations({"busbw": f"{sign} 100 GB/s"})
    limit = 100e9
    # parts in 10^12 are rounding, parts in 10^6 are not
    values = (limit * (1 - 1e-6), limit * (1 - 1e-12), limit, limit * (1 + 1e-12), limit * (1 + 1e-6))
    holds = [found.condition.holds(value) for value in values]
    assert holds == [below, equal, equal, equal, above]
    assert not found.condition.holds(float("nan"))


def test_a_range_includes_its_ends() -> None:
    (found,) = parse_expectations({"completion_time": "1 us .. 2 ms"})
    assert [found.condition.holds(value) for value in (0.9e-6, 1e-6, 1e-3, 2e-3, 2.1e-3)] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_an_operation_name_may_hold_dots() -> None:
    (found,) = parse_expectations({"step.1.busbw": "> 1 GB/s"})
    assert found.condition.operation == "step.1"


def test_one_metric_may_have_several_limits() -> None:
    found = parse_expectations({"busbw": ["> 1 GB/s", {"is": "> 2 GB/s", "when": {"size": "> 1 MiB"}}]})
    assert [str(entry) for entry in found] == ["busbw > 1 GB/s", "busbw > 2 GB/s when size > 1 MiB"]


@pytest.mark.parametrize(
    ("expect", "key", "words"),
    [
        ({"ar.busbandwidth": "> 1 GB/s"}, "ar.busbandwidth", "unknown metric 'busbandwidth'"),
        ({"busbw_Bps": "> 1 GB/s"}, "busbw_Bps", "did you mean 'busbw'"),
        ({"": "> 1 GB/s"}, "", "unknown metric ''"),
        ({"busbw": "=> 1 GB/s"}, "busbw", "'=>' is not a comparison; start with one of >= <= == > <"),
        ({"busbw": "!= 1 GB/s"}, "busbw", "'!=' is not a comparison"),
        ({"busbw": "1 GB/s"}, "busbw", "has no comparison"),
        ({"busbw": 5}, "busbw", "5 has no comparison"),
        ({"busbw": None}, "busbw", "None has no comparison"),
        ({"busbw": ">="}, "busbw", "has no number; write one after >="),
        ({"busbw": ">= fast"}, "busbw", "'fast' is not a bandwidth"),
        ({"busbw": ">= 5"}, "busbw", "has no unit"),
        ({"busbw": ">= 5 GB"}, "busbw", "add the time"),
        ({"size": ">= 5 GB/s"}, "size", "is a bandwidth, not a size"),
        ({"completion_time": "<= 5 MiB"}, "completion_time", "is not a time"),
        ({"completion_time": "<= -5 ms"}, "completion_time", "is negative"),
        ({"efficiency": ">= 150 %"}, "efficiency", "is not between 0 and 1"),
        ({"messages": ">= 5 MiB"}, "messages", "counts are plain numbers"),
        ({"completion_time": "2 ms .. 1 ms"}, "completion_time", "is empty; the smaller end comes first"),
        ({"completion_time": "1 .. 2 ms"}, "completion_time", "has no unit"),
        ({"completion_time": ".. 2 ms"}, "completion_time", "lacks an end"),
        ({"busbw": []}, "busbw", "the list is empty"),
        ({"busbw": ["> 1 GB/s", "> 1"]}, "busbw.1", "has no unit"),
        ({"busbw": {"is": "> 1"}}, "busbw.is", "has no unit"),
        ({"busbw": {"when": {}}}, "busbw", "there is no limit"),
        ({"busbw": {"is": "> 1 GB/s", "wen": {}}}, "busbw.wen", "did you mean 'when'"),
        ({"busbw": {"is": "> 1 GB/s", "when": "size > 1"}}, "busbw.when", "is not a mapping"),
        ({"busbw": {"is": "> 1 GB/s", "when": {"siz": "> 1 B"}}}, "busbw.when.siz", "did you mean 'size'"),
        ({"a.busbw": "> 1 GB/s"}, "a.busbw", "there is no workload entry 'a'; did you mean 'ar'?"),
        ("busbw > 1 GB/s", "", "is not a mapping"),
    ],
)
def test_bad_expectations_say_what_would_be_right(expect: object, key: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_expectations(expect, operations=["ar", "b"])
    (fault,) = caught.value.faults
    assert key_text(fault.key) == key
    assert words in str(fault)


def test_all_faults_are_found_at_once() -> None:
    bad = {"busbw": "> 1", "siz": "> 1 B", "efficiency": {"is": "> 2 s", "when": {"size": "9"}}}
    with pytest.raises(InputError) as caught:
        parse_expectations(bad)
    keys = [key_text(fault.key) for fault in caught.value.faults]
    assert keys == ["busbw", "siz", "efficiency.is", "efficiency.when.size"]


def test_a_verdict_holds_the_value_and_the_limit(result: Result) -> None:
    rate = result.metrics["busbw_Bps"]
    assert rate < 50e9
    verdict = verdict_of(result, {"ar.busbw": ">= 50 GB/s"})
    assert (verdict.text, verdict.ok, verdict.actual, verdict.limit) == (
        "ar.busbw >= 50 GB/s",
        False,
        rate,
        50e9,
    )
    assert "below the limit" in verdict.why
    assert verdict_of(result, {"ar.busbw": "<= 50 GB/s"}).ok


def test_the_worst_point_of_a_sweep_decides(sweep: list[Result]) -> None:
    times = [point.metrics["completion_time_s"] for point in sweep]
    limit = times[-2]
    verdict = verdict_of(sweep, {"completion_time": f"<= {limit!r} s"})
    assert not verdict.ok
    assert verdict.actual == max(times) == times[-1]
    assert f"point {len(sweep) - 1} (fails in 1 of {len(sweep)} judged)" in verdict.why
    assert verdict_of(sweep, {"completion_time": f"<= {times[-1]!r} s"}).ok


def test_when_selects_the_points_to_judge(sweep: list[Result]) -> None:
    bar = sorted(point.metrics["busbw_Bps"] for point in sweep)[-3]
    selected = {"is": f">= {bar!r} B/s", "when": {"ar.size": f">= {int(sweep[-3].metrics['size_B'])} B"}}
    assert verdict_of(sweep, {"ar.busbw": selected}).ok
    assert not verdict_of(sweep, {"ar.busbw": selected["is"]}).ok


def test_several_conditions_must_hold_together(sweep: list[Result]) -> None:
    middle = {"size": "1 MiB .. 1 MiB", "ar.busbw": "> 0 B/s"}
    verdict = verdict_of(sweep, {"ar.busbw": {"is": "> 0 B/s", "when": middle}})
    (point,) = [point for point in sweep if point.metrics["size_B"] == 2**20]
    assert verdict.ok
    assert verdict.actual == point.metrics["busbw_Bps"]


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"latency_p99": "<= 1 s"}, "the result has no latency_p99"),
        ({"ar.latency_p99": "<= 1 s"}, "'ar' has no latency_p99"),
        ({"b.busbw": "> 0 B/s"}, "the result has no operation 'b'"),
        ({"ar.busbw": {"is": "> 0 B/s", "when": {"latency_p99": "> 0 s"}}}, "the result has no latency_p99"),
        ({"ar.busbw": {"is": "> 0 B/s", "when": {"ar.size": "> 1 GiB"}}}, "never applied"),
    ],
)
def test_what_judged_nothing_fails_and_says_so(result: Result, expect: dict[str, object], words: str) -> None:
    verdict = verdict_of(result, expect)
    assert not verdict.ok
    assert verdict.actual is None
    assert words in verdict.why


def test_an_absent_metric_of_the_whole_names_the_operation_that_has_it() -> None:
    two = make_result(operations=(make_operation(name="a"), make_operation(name="b")))
    verdict = verdict_of(two, {"busbw": "> 0 B/s"})
    assert not verdict.ok
    assert "write a.busbw" in verdict.why


def test_no_results_is_no_pass() -> None:
    assert not verdict_of([], {"busbw": "> 0 B/s"}).ok


def test_a_near_miss_is_shown_with_enough_digits(result: Result) -> None:
    time = result.metrics["completion_time_s"]
    verdict = verdict_of(result, {"completion_time": f"<= {time * (1 - 1e-7)!r} s"})
    assert not verdict.ok
    shown = float(verdict.why.split()[1])
    assert shown * 1e-6 == pytest.approx(time, rel=1e-8)
