"""What differs between two topologies, counted by hand."""

from typing import Any

import networkx as nx
import pytest

from fabricsim.fabric import Fabric
from fabricsim.inspection.diff import Side, diff
from fabricsim.report.diff_tables import diff_markdown
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.loader import stated_parameters

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def graph(*edges: tuple[str, str, str]) -> Side:
    found = nx.MultiGraph()
    found.add_nodes_from("abcd")
    for a, b, rate in edges:
        found.add_edge(a, b, bandwidth=rate, latency="0 s")
    return Side("graph", Fabric.from_networkx(found), {})


def links(a: Side, b: Side) -> tuple[int, int, int, int]:
    found = diff(a, b)["links"]
    return found["same"], found["added"], found["removed"], found["rerated"]


RING = [("a", "b", "1 GB/s"), ("b", "c", "1 GB/s"), ("c", "d", "1 GB/s"), ("d", "a", "1 GB/s")]


@pytest.mark.parametrize(
    ("edges", "counts"),
    [
        (RING, (4, 0, 0, 0)),
        ([(b, a, rate) for a, b, rate in reversed(RING)], (4, 0, 0, 0)),
        ([*RING, ("a", "c", "1 GB/s")], (4, 1, 0, 0)),
        (RING[1:], (3, 0, 1, 0)),
        ([("a", "b", "2 GB/s"), *RING[1:]], (3, 0, 0, 1)),
        ([*RING, ("a", "b", "1 GB/s")], (4, 1, 0, 0)),
        ([*RING, ("a", "b", "2 GB/s")], (4, 1, 0, 0)),
        ([("a", "b", "2 GB/s"), ("a", "b", "2 GB/s"), *RING[1:]], (3, 1, 0, 1)),
        ([("a", "c", "1 GB/s"), *RING[1:]], (3, 1, 1, 0)),
    ],
)
def test_links_are_matched_one_by_one(edges: list[tuple[str, str, str]], counts: tuple[int, ...]) -> None:
    assert links(graph(*RING), graph(*edges)) == counts
    same, added, removed, rerated = counts
    assert links(graph(*edges), graph(*RING)) == (same, removed, added, rerated)


def machine(**settings: Any) -> Side:
    parameters = {**stated_parameters("atlas950-superpod"), "cabinets": 16, **settings}
    return Side("pod", load_topology("atlas950-superpod", **{"cabinets": 16, **settings}), parameters)


def test_half_the_taper_doubles_the_links_above() -> None:
    """16 cabinets of 8 switches have 32 links up each at a taper of 2, and 64 at 1."""
    found = diff(machine(), machine(taper=1))
    assert found["parameters"] == [{"name": "taper", "a": 2, "b": 1}]
    added = 16 * 8 * 32
    assert {"name": "pod.links", "a": added, "b": 2 * added} in found["counts"]
    assert (found["links"]["added"], found["links"]["removed"], found["links"]["rerated"]) == (added, 0, 0)
    (row,) = found["links"]["by_level"]
    assert (row["change"], row["level"], row["count"], row["a"]) == ("added", "pod", added, None)
    (cut,) = [row for row in found["bounds"] if row["name"] == "bisection_Bps"]
    assert cut["b"] == 2 * cut["a"]


def test_a_latency_that_changes_is_a_rate_that_changes() -> None:
    ring = {"shape": "ring", "size": 4}
    a, b = (Side("ring", resolve({**ring, "link": {**LINK, "latency": t}}), {}) for t in ("500 ns", "600 ns"))
    found = diff(a, b)
    assert links(a, b) == (0, 0, 0, 4)
    (row,) = found["links"]["by_level"]
    assert (row["a"]["latency_s"], row["b"]["latency_s"]) == (500e-9, 600e-9)
    assert (found["bounds"], found["same"]) == ([], False)


def test_nothing_differs_from_itself() -> None:
    side = machine()
    found = diff(side, side)
    assert found["same"]
    assert found["parameters"] == found["counts"] == found["bounds"] == found["links"]["by_level"] == []


def test_two_machines_without_a_common_name() -> None:
    a, b = (Side(name, load_topology(name), {}) for name in ("hgx-h100", "gb200-nvl72"))
    found = diff(a, b)
    assert (found["links"]["common_nodes"], found["links"]["removed"], found["links"]["added"]) == (
        0,
        144,
        1296,
    )


def test_markdown_has_a_table_for_each_kind_of_difference() -> None:
    text = diff_markdown(diff(machine(), machine(taper=1)))
    assert [line for line in text.splitlines() if line.startswith("**")] == [
        "**Parameters**", "**Counts**", "**Links**", "**Figures**"
    ]  # fmt: skip
    assert "| taper | 2 | 1 | 0.5 |" in text


def test_the_same_links_between_other_chips_differ() -> None:
    """H20 is wired as H100 is, and computes 148 in place of 989 TFLOP/s."""
    a, b = (Side(name, load_topology(name), {}) for name in ("hgx-h100", "hgx-h20"))
    found = diff(a, b)
    rows = {row["name"]: (row["a"], row["b"]) for row in found["records"]}
    assert rows["device.name"] == ("h100-sxm", "h20-sxm")
    assert rows["device.flops.bf16"] == (989e12, 148e12)
    assert (found["links"]["same"], found["same"]) == (144, False)
