"""What `sweep:` may state: grids, keys that go together, samples, points one by one."""

from typing import Any

import pytest

from fabricsim.errors import InputError
from fabricsim.scenario import Scenario, parse_scenario
from fabricsim.units import parse_bandwidth, parse_size, parse_time

RING = {
    "schema": "fabricsim/1",
    "topology": {"shape": "ring", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}},
    "workload": [{"name": "ar", "collective": "all-reduce", "size": "1 MiB"}],
}
SIZE, LATENCY, BANDWIDTH = "workload.ar.size", "topology.link.latency", "topology.link.bandwidth"


def ring(sweep: Any) -> Scenario:
    return parse_scenario({**RING, "sweep": sweep})


def varied(sweep: Any) -> list[dict[str, Any]]:
    return [point.varied for point in ring(sweep).points()]


def sample(over: dict[str, Any], **named: Any) -> list[dict[str, Any]]:
    return varied({"sample": {"count": 40, "over": over, **named}})


def test_keys_that_go_together_are_one_axis_of_a_grid() -> None:
    points = varied({f"{SIZE}, seed": [["1 MiB", 1], ["2 MiB", 2]], "model.mtu": ["1 KiB", "4 KiB"]})
    assert points == [
        {SIZE: size, "seed": seed, "model.mtu": mtu}
        for size, seed in (("1 MiB", 1), ("2 MiB", 2))
        for mtu in ("1 KiB", "4 KiB")
    ]


def test_points_one_by_one_may_have_keys_of_their_own() -> None:
    points = [{SIZE: "2 MiB"}, {"seed": 3, "model.mtu": "1 KiB"}]
    assert varied(points) == points
    assert [point.parts.workload[0].size for point in ring(points).points()] == [2**21, 2**20]


def test_a_latin_hypercube_has_one_point_in_each_part_of_each_range() -> None:
    points = sample({LATENCY: "1 us .. 5 us", SIZE: ["1 MiB", "2 MiB"]})
    parts = [int((parse_time(point[LATENCY]) - 1e-6) / 4e-6 * 40) for point in points]
    assert sorted(parts) == list(range(40))
    assert parts != list(range(40))
    assert sorted(point[SIZE] for point in points) == ["1 MiB"] * 20 + ["2 MiB"] * 20


def test_a_random_sample_stays_inside_and_is_the_seeds() -> None:
    points = sample({LATENCY: "1 us .. 5 us"}, method="random")
    assert all(1e-6 <= parse_time(point[LATENCY]) <= 5e-6 for point in points)
    assert points == sample({LATENCY: "1 us .. 5 us"}, method="random")
    assert points != sample({LATENCY: "1 us .. 5 us"}, method="random", seed=1)
    parts = {int((parse_time(point[LATENCY]) - 1e-6) / 4e-6 * 40) for point in points}
    assert len(parts) < 40


def test_a_key_more_leaves_the_others_as_they_were() -> None:
    alone = sample({LATENCY: "1 us .. 5 us"})
    both = sample({"seed": "1 .. 9", LATENCY: "1 us .. 5 us"})
    assert [point[LATENCY] for point in both] == [point[LATENCY] for point in alone]


def test_a_logarithmic_range_has_as_much_in_each_octave() -> None:
    points = sample({SIZE: {"from": "1 KiB", "to": "1 MiB", "scale": "log"}})
    octaves = [parse_size(point[SIZE]).bit_length() - 11 for point in points]
    assert {octaves.count(octave) for octave in range(10)} == {4}  # 40 points, 10 octaves


def test_ranges_of_every_kind_are_written_exactly() -> None:
    points = sample({BANDWIDTH: "400 Gbit/s .. 100 GB/s", "seed": "1 .. 4", "topology.size": "4 .. 4000"})
    assert all(50e9 <= parse_bandwidth(point[BANDWIDTH]) <= 100e9 for point in points)
    assert {point["seed"] for point in points} == {1, 2, 3, 4}
    assert all(isinstance(point["topology.size"], int) for point in points)
    failing = parse_scenario({**RING, "failures": [{"at": "1 us", "link": ["npu0", "npu1"], "factor": 1}]})
    shares = failing.replace(
        sweep={"sample": {"count": 8, "over": {"failures.0.factor": "10 % .. 90 %"}}}
    ).points()
    assert all(0.1 <= point.parts.failures[0].factor <= 0.9 for point in shares)


def test_a_setting_takes_its_key_out_of_every_form() -> None:
    for sweep, left in (
        ({f"{SIZE}, seed": [["1 MiB", 1], ["2 MiB", 1], ["3 MiB", 2]]}, [{"seed": 1}, {"seed": 2}]),
        ([{SIZE: "1 MiB", "seed": 1}, {SIZE: "2 MiB", "seed": 1}, {SIZE: "3 MiB"}], [{"seed": 1}]),
        ({SIZE: ["1 MiB", "2 MiB"], "seed": [1]}, [{"seed": 1}]),
        ({"sample": {"count": 1, "over": {SIZE: ["2 MiB"], "seed": [5]}}}, [{"seed": 5}]),
    ):
        points = ring(sweep).replace(**{SIZE: "8 MiB"}).points()
        assert [point.varied for point in points] == left
        assert all(point.parts.workload[0].size == 2**23 for point in points)
        assert ring(sweep).replace(**{SIZE: "8 MiB", "seed": 0}).points()[0].varied == {}


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("x", "sweep: 'x' is not a mapping"),
        ([], "sweep: has 0 entries"),
        ([{}], "sweep.0: a mapping is not a point"),
        ([3], "sweep.0: 3 is not a point"),
        ([{"seed": 1}, {"sed": 1}], "sweep.1.sed: 'sed' leads nowhere"),
        ([{"seed": 1}, {"seed": -1}], "sweep.1.seed: -1 is too small"),
        ([{SIZE: "1 MiB", "workload.0.size": "2 MiB"}], "'workload.0.size' is swept twice"),
        ({"seed, model.mtu": [[1]]}, "sweep.seed, model.mtu.0: a list is not a list of 2 values"),
        ({"seed, model.mtu": [[1, "1 MB/s"]]}, "sweep.seed, model.mtu.0.1: '1 MB/s' is a bandwidth"),
        ({"seed, seed": [[1, 2]]}, "'seed' is swept twice"),
        ({"sample": 5}, "sweep.sample: 5 is not a mapping"),
        ({"sample": {"over": {"seed": [1]}}}, "sweep.sample.count: is missing"),
        ({"sample": {"count": 0, "over": {"seed": [1]}}}, "sweep.sample.count: 0 is too small"),
        ({"sample": {"count": 5, "over": {}}}, "sweep.sample.over: has 0 entries"),
        ({"sample": {"count": 5, "over": {"sed": [1]}}}, "sweep.sample.over.sed: 'sed' leads nowhere"),
        ({"sample": {"count": 5, "over": {"seed": 1}}}, "sweep.sample.over.seed: 1 is neither a list nor a range"),
        ({"sample": {"count": 5, "over": {"seed": "1 .. x"}}}, "'1' and 'x' are no two of one kind"),
        ({"sample": {"count": 5, "over": {LATENCY: "1 us .. 1 MiB"}}}, "are no two of one kind"),
        ({"sample": {"count": 5, "over": {"seed": "9 .. 1"}}}, "the range from 9 to 1 is empty"),
        ({"sample": {"count": 5, "over": {"seed": {"from": 1}}}}, "sweep.sample.over.seed.to: is missing"),
        ({"sample": {"count": 5, "over": {"seed": {"from": 0, "to": 9, "scale": "log"}}}}, "cannot start at 0"),
        ({"sample": {"count": 5, "method": "sobol", "over": {"seed": [1]}}}, "'sobol' is not known here"),
        ({"sample": {"count": 200, "over": {"seed": [1]}}, "model.mtu": ["1 KiB"] * 51}, "these are 10200 points"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_key(sweep: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        ring(sweep)
    assert words in str(caught.value)
