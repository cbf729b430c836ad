"""calibrate: in a scenario: the arithmetic of one row, and what is wrong with one."""

from typing import Any

import pytest

from fabricsim.errors import InputError
from fabricsim.result import Result
from fabricsim.scenario import parse_scenario

STAR = {
    "shape": "star",
    "size": 8,
    "link": {"bandwidth": "50 GB/s", "latency": "1 us"},
    "switch": {"delay": "0 ns"},
}


def scenario(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    entry = {"name": "x", "collective": "all-to-all", "size": "8 MiB", "ranks": "0-7"}
    return {
        "schema": "fabricsim/1",
        "topology": STAR,
        "engine": "flow",
        "workload": [entry],
        "calibrate": {"x": row},
        **more,
    }


def run(row: dict[str, Any], **more: Any) -> dict[str, float]:
    result = parse_scenario(scenario(row, **more)).run()
    assert isinstance(result, Result)
    return dict(result.operations[0].metrics)


def wire(ranks: str) -> float:
    return run({"time": "1 s", "at": {"ranks": ranks}, "efficiency": 1})["fixed_time_s"]


def test_the_rest_is_fixed_where_nothing_is_stated() -> None:
    found = run({"time": "1 ms", "at": {"ranks": "0-3"}})
    row = 1 - wire("0-3")
    assert found["wire_efficiency"] == 1
    assert found["fixed_time_s"] == pytest.approx(1e-3 - row)
    assert found["calibrated_time_s"] == pytest.approx(found["completion_time_s"] + 1e-3 - row)
    assert found["calibrated_most_s"] == pytest.approx(found["completion_time_s"] * 1e-3 / row)
    assert found["calibrated_least_s"] == found["calibrated_time_s"]


def test_an_efficiency_or_a_fixed_cost_is_stated() -> None:
    row = 1 - wire("0-3")
    by_rate = run({"time": "1 ms", "at": {"ranks": "0-3"}, "efficiency": 0.5})
    assert by_rate["fixed_time_s"] == pytest.approx(1e-3 - row / 0.5)
    by_cost = run({"time": "1 ms", "at": {"ranks": "0-3"}, "fixed": "100 us"})
    assert by_cost["wire_efficiency"] == pytest.approx(row / 900e-6)
    for found in (by_rate, by_cost):
        expected = found["fixed_time_s"] + found["completion_time_s"] / found["wire_efficiency"]
        assert found["calibrated_time_s"] == pytest.approx(expected)
        assert found["calibrated_least_s"] <= found["calibrated_time_s"] <= found["calibrated_most_s"]


def test_the_row_itself_comes_out() -> None:
    assert run({"time": "1 ms"})["calibrated_time_s"] == pytest.approx(1e-3)


def test_a_row_is_measured_on_the_healthy_machine_alone() -> None:
    broken = run({"time": "1 ms"}, failures=[{"at": "0 s", "link": ["npu0", "sw0"], "factor": 0.5}])
    whole = run({"time": "1 ms"})
    assert broken["fixed_time_s"] == whole["fixed_time_s"]
    assert broken["calibrated_time_s"] > whole["calibrated_time_s"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"time": "1 us"}, r"calibrate.x.time: 1 us is less than the 14\d.\d us that the wire takes"),
        ({"time": "1 ms", "fixed": "990 us"}, "calibrate.x.fixed: beside a fixed cost of 990 us .* write up to"),
        ({"time": "1 ms", "fixed": "1 us", "efficiency": 0.5}, "calibrate.x.fixed: one row gives .*, not both"),
        ({"time": "1 ms", "efficiency": 1.5}, "calibrate.x.efficiency: 1.5 is too large"),
        ({"time": "0 s"}, "calibrate.x.time: "),
        ({"at": {}}, "calibrate.x.time: is missing"),
        ({"time": "1 ms", "at": {"rank": 3}}, "calibrate.x.at.rank: .*did you mean 'ranks'"),
        ({"time": "1 ms", "at": {"ranks": "0-9"}}, "calibrate.x.at.ranks: "),
        ([{"time": "1 ms"}, {"time": "2 ms"}], "calibrate.x: a list is not a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_told(row: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        run(row)


def test_only_operations_of_the_workload_are_calibrated() -> None:
    with pytest.raises(InputError, match=r"calibrate.y: there is no operation 'y'; .*x"):
        parse_scenario(scenario({}, calibrate={"y": {"time": "1 ms"}}))
    trained = {"train": "gpt3-175b", "name": "x", "micro_batches": 1, "sequence": 8, "efficiency": 0.5}
    with pytest.raises(InputError, match="is neither a collective nor a pattern"):
        parse_scenario(scenario({"time": "1 ms"}, workload=[trained]))
