"""All-to-all by classes against every flow listed, on whole machines and on broken ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.collectives.direct import EveryMove
from fabricsim.engines.flow import classes, engine, listed
from fabricsim.engines.flow.outcome import Outcome
from fabricsim.engines.flow.pool import Settings
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.routing import Routing
from fabricsim.schedule import EveryPair, Operation, Schedule, every_pair
from fabricsim.topology import load_topology, resolve

SPRAY = Routing("spray")


def all_to_all(fabric: Fabric, block: int = 65_536, ranks: np.ndarray | None = None) -> Schedule:
    ranks = np.arange(fabric.ranks) if ranks is None else ranks
    total = block * len(ranks)
    op = Operation("a", "all-to-all", "direct", ranks, (EveryPair(ranks, block),), total, total)
    return Schedule((op,))


def both(fabric: Fabric, ranks: np.ndarray | None = None) -> tuple[Outcome, Outcome]:
    schedule, settings = all_to_all(fabric, ranks=ranks), Settings(verified=True)
    assert classes.misfit(fabric, schedule, SPRAY) == ""
    alike = classes.by_classes(fabric, schedule, SPRAY, fabric.model, 0, settings)
    listed = engine._run(fabric, schedule, SPRAY, compile_failures(fabric, ()), fabric.model, 0, settings)
    return alike, listed


def assert_equal(alike: Outcome, listed: Outcome) -> None:
    assert alike.span == pytest.approx(listed.span, rel=1e-9)
    assert alike.ideal_s == pytest.approx(listed.ideal_s, rel=1e-9)
    assert alike.bytes_delivered == listed.bytes_delivered
    # every latency that occurs, as often as it occurs
    order = np.argsort(listed.latency)
    repeated = np.sort(np.repeat(alike.latency, alike.count))
    assert repeated == pytest.approx(listed.latency[order], rel=1e-9)
    assert np.array_equal(alike.channels, listed.channels)
    assert alike.channel_wire == pytest.approx(listed.channel_wire, rel=1e-9)


MACHINES: list[tuple[str, dict[str, Any]]] = [
    ("atlas950-superpod", {"cabinets": 2}),
    ("ub-mesh-rack", {}),
    ("gb200-nvl72", {}),
]


@pytest.mark.parametrize(("name", "parameters"), MACHINES, ids=lambda v: v if isinstance(v, str) else "")
def test_classes_equal_every_flow(name: str, parameters: dict[str, Any]) -> None:
    alike, listed = both(load_topology(name, **parameters))
    assert len(alike.count) < 20
    assert_equal(alike, listed)


@pytest.mark.parametrize("level", ["board", "cabinet", "pod"])
def test_one_link_down_breaks_symmetry_locally(level: str) -> None:
    fabric = load_topology("atlas950-superpod", cabinets=2)
    down = int(np.flatnonzero(fabric.level == fabric.levels.index(level))[17])
    alike, listed = both(fabric.without([down]))
    assert 5 < len(alike.count) < 100
    assert_equal(alike, listed)


def test_several_links_down() -> None:
    fabric = load_topology("ub-mesh-rack")
    down = np.random.default_rng(3).choice(fabric.link_count, 8, replace=False)
    assert_equal(*both(fabric.without(down)))


def test_some_ranks_have_left() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=2)
    left = np.delete(np.arange(fabric.ranks), [5, 70])
    links = np.flatnonzero(np.isin(fabric.src, [5, 70]) | np.isin(fabric.dst, [5, 70]))
    alike, listed = both(fabric.without(links), left)
    assert len(alike.count) < 100
    assert_equal(alike, listed)


@pytest.mark.parametrize(
    ("fabric", "routing", "why"),
    [
        (load_topology("gb200-nvl72"), Routing("ecmp"), "ecmp routing does not commute"),
        (load_topology("gb200-nvl72"), Routing("minimal"), "minimal routing does not commute"),
        (
            resolve({"shape": "torus", "size": [4, 3], "link": {"bandwidth": "1 GB/s", "latency": "1 us"}}),
            SPRAY,
            "no symmetry is known",
        ),
    ],
    ids=["ecmp", "minimal", "torus"],
)
def test_what_does_not_commute_is_refused(fabric: Fabric, routing: Routing, why: str) -> None:
    assert why in classes.misfit(fabric, all_to_all(fabric), routing)


def test_columns_are_made_when_asked_for() -> None:
    op = Collective("all-to-all", 16 * 1500 * 1500, "direct").on(1500)
    (one,) = op.rounds
    assert isinstance(one, EveryPair)
    assert one.messages == 1500 * 1499
    src, dst = every_pair(1500)
    assert np.array_equal(one.src, src)
    assert np.array_equal(one.dst, dst)
    assert set(one.size.tolist()) == {16 * 1500}
    move = EveryMove(6, 36)
    assert np.array_equal(move.first(0), move.src * 36 + move.dst * 6)


def test_a_million_flows_are_taken_by_classes() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=16)
    result = fs.simulate(fabric, fs.all_to_all("16 MiB"), engine="flow", verified=True)
    assert any("classes, by the symmetry" in note for note in result.notes)
    assert int(result.flows["count"].sum()) == 1024 * 1023
    # 64 of 1,023 peers are in the cabinet; the others share its uplinks, half of what its NPUs inject
    link = fabric.bandwidth[fabric.level[np.arange(fabric.channels) // 2] == 2][0]
    wire = fabric.model.message_wire(16 * 2**20 // 1024)
    outside = 64 * (1024 - 64) * wire / (8 * 32 * link)
    assert result.metrics["completion_time_s"] == pytest.approx(outside, rel=0.02)


def test_more_flows_than_can_be_listed_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "MOST_FLOWS", 20_000_000)
    fabric = load_topology("atlas950-superpod", cabinets=80)
    with pytest.raises(
        InputError, match=r"26,209,280 messages have to be listed one by one: ecmp routing does not commute"
    ):
        fs.simulate(fabric, fs.all_to_all("80 MiB"), engine="flow", routing="ecmp")


def test_a_scenario_of_many_ranks_lists_no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    from fabricsim.run import run
    from fabricsim.scenario import parse_scenario

    def refuse(_: EveryPair) -> None:
        raise AssertionError("columns were made")

    for name in ("src", "dst", "size"):
        monkeypatch.setattr(EveryPair, name, property(refuse))
    text = (
        "schema: fabricsim/1\ntopology: {name: atlas950-superpod, set: {cabinets: 16}}\nengine: flow\n"
        "workload: [{name: a, collective: all-to-all, algorithm: direct, size: 16 MiB}]\n"
    )
    (result,) = run(parse_scenario(text))
    assert result.metrics["messages"] == 1024 * 1023
