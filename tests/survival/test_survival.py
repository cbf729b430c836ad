"""Losing parts: counted truths, every part one by one against classes, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.errors import InputError, UsageError
from fabricsim.failures.elements import elements
from fabricsim.run import _measured, job_of
from fabricsim.scenario import Scenario, parse_scenario
from fabricsim.survival.losing import Losing, down, quantity_to_compare, spans
from fabricsim.survival.reach import cut_off
from fabricsim.topology import load_topology, resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def scenario(topology: Any, workload: dict[str, Any] | None = None, **keys: Any) -> Scenario:
    entry = workload or {"name": "a", "collective": "all-to-all", "algorithm": "direct", "size": "16 MiB"}
    data = {"schema": "fabricsim/1", "topology": topology, "workload": [entry], **keys}
    return parse_scenario(json.dumps(data))


def by_label(found: Any) -> dict[str, Any]:
    return {one.label: one for one in found.classes}


POD = {"name": "atlas950-superpod", "set": {"cabinets": 17}}
"""Without a cabinet 1,024 NPUs are left: enough to be taken by symmetry."""


def test_what_parts_of_a_pod_are_worth() -> None:
    """Of eight planes one is an eighth, as is one of eight L2 chips of a plane, or an L1 chip to its cabinet."""
    found = fs.survive(
        scenario(POD, engine="flow"), parts=["link", "switch", "plane", "npu", "cabinet"], metric="a.busbw"
    )
    classes = by_label(found)
    counts = {label: one.count for label, one in classes.items()}
    assert counts == {
        "link of board, ub-x4-pcb": 17 * 8 * 28, "link of cabinet, ub-x4-copper": 17 * 64 * 8,
        "link of pod, ub-x4-optical": 17 * 8 * 32, "switch of cabinet, ub-l1": 17 * 8,
        "switch of pod, ub-l2": 8 * 8, "plane of cabinet": 8, "plane of pod": 8,
        "npu, ascend-950dt": 1088, "cabinet": 17,
    }  # fmt: skip
    fill = 1e-2  # of a short run
    assert classes["plane of cabinet"].worst.kept == pytest.approx(7 / 8, rel=fill)
    assert classes["switch of cabinet, ub-l1"].worst.kept == pytest.approx(7 / 8, rel=fill)
    # the others go on sending an eighth by way of the L2 chip that has three links of four left to this cabinet
    assert classes["link of pod, ub-x4-optical"].worst.kept == pytest.approx(3 / 4, rel=fill)
    assert [classes[name].worst.cut_off for name in ("npu, ascend-950dt", "cabinet")] == [1, 64]
    assert (
        found.metrics["n_minus_1_worst_over_healthy"] == found.worst.worst.kept == found.frame["kept"].min()
    )
    assert found.metrics["n_minus_1_ranks_cut_off"] == 64
    below = sum(one.count for one in found.classes if one.worst.kept < 0.9)
    assert found.metrics["n_minus_1_parts_below"] == below == 17 * 8 + 64 + 16 + 17 * 8 * 32


SMALL: list[tuple[Any, dict[str, Any]]] = [
    ({"shape": "leaf-spine", "leaves": 3, "hosts": 3, "spines": 2, "link": LINK}, {}),
    ({"shape": "torus", "size": [4, 3], "link": LINK}, {}),
    (
        {"shape": "leaf-spine", "leaves": 2, "hosts": 4, "spines": 2, "link": LINK},
        {"name": "a", "collective": "all-reduce", "algorithm": "ring", "size": "1 MiB"},
    ),
    (
        {"shape": "full-mesh", "size": 6, "link": LINK},
        {"name": "a", "pattern": "shift", "offset": 2, "size": "1 MiB"},
    ),
    (
        {"shape": "fat-tree", "k": 4, "link": LINK},
        {"name": "a", "pattern": "incast", "fan_in": 5, "target": 3, "size": "1 MiB"},
    ),
]


@pytest.mark.parametrize(
    ("topology", "workload"), SMALL, ids=["leaf-spine", "torus", "ring", "shift", "incast"]
)
def test_classes_are_what_every_part_by_itself_comes_to(topology: Any, workload: dict[str, Any]) -> None:
    one = scenario(topology, workload, engine="flow", routing={"policy": "spray"})
    found = fs.survive(one, parts=["link", "switch"] if "leaves" in topology or "k" in topology else ["link"])
    job = job_of(one)
    losing = Losing(one, job, quantity_to_compare(one, "completion_time"), _measured)
    worst, count = 1.0, 0
    for kind in found.question.parts:
        parts = elements(job.fabric, kind)
        kept = np.array([losing.loss(parts.links(index)).kept for index in range(len(parts))])
        mean = [(c.mean, c.count) for c in found.classes if c.part == kind]
        assert sum(number for _, number in mean) == len(parts)
        assert sum(share * number for share, number in mean) == pytest.approx(kept.sum(), rel=1e-9)
        worst, count = min(worst, float(kept.min())), count + len(parts)
    assert found.metrics["n_minus_1_worst_over_healthy"] == pytest.approx(worst, rel=1e-9)
    assert found.metrics["n_minus_1_parts"] == count


def test_both_engines_lose_the_same() -> None:
    topology = {"shape": "leaf-spine", "leaves": 4, "hosts": 2, "spines": 4, "link": LINK}
    kept = [
        fs.survive(scenario(topology, engine=engine, routing={"policy": "spray"})).metrics
        for engine in ("flow", "packet")
    ]
    for name in ("n_minus_1_worst_over_healthy", "n_minus_1_mean_over_healthy"):
        assert kept[0][name] == pytest.approx(kept[1][name], rel=0.02)


def test_ranks_that_are_cut_off_leave() -> None:
    fabric = resolve({"shape": "star", "size": 5, "link": LINK})
    assert cut_off(fabric, np.array([2])).tolist() == [2]
    assert cut_off(fabric, np.arange(5)).tolist() == [1, 2, 3, 4]  # all alone: the first stays
    ring = resolve({"shape": "ring", "size": 6, "link": LINK})
    between = [ring.links_between(a, b)[0] for a, b in ((0, 1), (3, 4))]
    assert cut_off(ring, np.array(between)).tolist() == [1, 2, 3]
    found = fs.survive(scenario({"shape": "star", "size": 5, "link": LINK}), parts=["npu", "switch"])
    npu, switch = found.classes
    assert npu.worst.cut_off == 1
    assert npu.worst.value is not None
    assert npu.worst.kept >= 1  # four of five have less to send
    assert (switch.worst.value, switch.worst.kept, switch.worst.cut_off) == (None, 0.0, 4)
    assert "4 ranks are cut off, and" in switch.worst.stops


def test_a_workload_that_cannot_do_without_a_rank_stops() -> None:
    entry = {
        "name": "ar",
        "collective": "all-reduce",
        "algorithm": "hierarchical",
        "grid": [4, 2],
        "size": "1 MiB",
    }
    found = fs.survive(scenario({"shape": "star", "size": 8, "link": LINK}, entry), parts=["link"])
    assert found.metrics["n_minus_1_worst_over_healthy"] == 0
    assert found.worst.worst.stops.startswith("1 ranks are cut off, and ")


def test_members_that_differ_are_run_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were links that carry something and those that do not taken for alike, the two that are run would tell."""
    monkeypatch.setattr(
        "fabricsim.survival.lost.words_of",
        lambda fabric, schedule, dead: (
            np.zeros(fabric.link_count, np.uint64),
            np.zeros(fabric.nodes, np.int64),
        ),
    )
    entry = {"name": "a", "pattern": "incast", "fan_in": 5, "target": 0, "size": "4 MiB"}
    topology = {"shape": "full-mesh", "size": 6, "link": LINK}
    result = scenario(topology, entry, survive={"parts": ["link"], "members": 5}).run()
    assert result.tables["losses"]["simulated"].tolist() == [5]
    assert any("the 15 of link of" in note and "5 of them, drawn" in note for note in result.notes)


def test_draws_are_seeded_and_nested_numbers_count() -> None:
    topology = {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 3, "link": LINK}
    one = scenario(topology, engine="flow", routing={"policy": "spray"})
    asked = {"parts": ["switch"], "faults": [2, 1], "samples": 6, "keep": 0.5}
    first, again, other = (fs.survive(s, **asked) for s in (one, one, one.replace(seed=3)))
    assert [d.names for d in first.draws] == [d.names for d in again.draws]
    assert [d.names for d in first.draws] != [d.names for d in other.draws]
    assert first.numbers == [1, 2]
    assert all(len(set(draw.names)) == len(draw.names) for draw in first.draws)
    pairs = [draw.loss.kept for draw in first.draws if len(draw.names) == 2]
    assert first.metrics["n_minus_2_worst_over_healthy"] == min(pairs)
    singles = [draw.loss.kept for draw in first.draws if len(draw.names) == 1]
    survived = 0 if min(singles) < 0.5 else 1 if min(pairs) < 0.5 else 2
    assert first.metrics["faults_survived"] == survived


def test_what_is_down_already_stays_down() -> None:
    topology = {"shape": "leaf-spine", "leaves": 2, "hosts": 2, "spines": 4, "link": LINK}
    broken = scenario(
        topology, engine="flow", routing={"policy": "spray"},
        failures=[{"at": "0 s", "node": "sw2"}], recovery={"reroute": "recompute"},
    )  # fmt: skip
    found = fs.survive(broken, parts=["switch"])
    spines = {one.count: one for one in found.classes if not one.worst.cut_off}
    # a leaf sends 4 blocks up, 25 GB/s a spine: 3 spines are no bottleneck beside 3 blocks at 50 GB/s of a host, 2 are
    assert spines[1].worst.kept == 1
    assert spines[3].worst.kept == pytest.approx((3 / 50) / (4 / 50), rel=1e-2)


def test_expectations_and_tables_of_a_run() -> None:
    topology = {"shape": "leaf-spine", "leaves": 2, "hosts": 2, "spines": 2, "link": LINK}
    one = scenario(
        topology, engine="flow", routing={"policy": "spray"}, survive={"parts": ["switch"], "faults": [2]},
        expect={"n_minus_1_worst_over_healthy": ">= 90 %", "n_minus_1_parts": "== 4", "faults_survived": ">= 0"},
    )  # fmt: skip
    result = one.run()
    assert [verdict.ok for verdict in fs.judge([result], one.expectations)] == [False, True, True]
    assert len(result.tables["draws"]) == 10
    assert result.digest != one.replace(survive={"parts": ["link"]}).run().digest


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"parts": ["swich"]},
            "survive.parts.0: 'swich' is no kind of part of star-6; did you mean 'switch'",
        ),
        ({"parts": ["group"]}, "has no group; give its file a layout"),
        ({"parts": []}, "survive.parts: has 0 entries"),
        ({"metric": "packets"}, "survive.metric: packets is neither a time nor a rate"),
        ({"metric": "b.busbw"}, "survive.metric: there is no workload entry 'b'"),
        ({"metric": "recovery_time"}, "survive.metric"),
        ({"faults": [99]}, "survive.faults: 99 parts cannot be lost of 7"),
        ({"members": 1}, "survive.members"),
        ({"kept": 0.9}, "survive.kept: is not a key here"),
    ],
)
def test_what_cannot_be_meant(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as info:
        fs.survive(scenario({"shape": "star", "size": 6, "link": LINK}), **keys)
    assert said in str(info.value)


def test_failures_that_come_later_are_refused() -> None:
    one = scenario(
        {"shape": "star", "size": 4, "link": LINK},
        failures=[{"at": "1 us", "link": ["npu0", "sw0"], "repair_after": "1 us"}],
    )
    with pytest.raises(InputError, match="from 0 s on for good"):
        fs.survive(one)
    with pytest.raises(UsageError, match="has a sweep"):
        fs.survive(scenario({"shape": "star", "size": 4, "link": LINK}, sweep={"seed": [1, 2]}))


def test_ranks_as_text() -> None:
    assert spans(np.array([0, 1, 2, 4, 6, 7])) == "0-2,4,6-7"
    assert down(np.array([3])).avoided


def test_modules_and_bundles_of_a_pod() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    modules = elements(fabric, "module")
    assert len(modules) == 4 * 8 * 32
    assert {fabric.links[c].medium for c in fabric.link_class[[modules.links(0)[0]]]} == {"optical"}
    groups = elements(fabric, "group")
    joined = np.concatenate([groups.links(index) for index in range(len(groups))])
    assert len(np.unique(joined)) == len(joined)
    boards = elements(fabric, "board")
    assert len(boards) == 32
    # 28 links inside, and eight of each NPU to its planes
    assert [len(boards.links(index)) for index in (0, 31)] == [28 + 64, 28 + 64]
    assert boards.name(9) == "pod/cabinet1/board1"
