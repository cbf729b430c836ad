"""What `inspect` says, against formulas and NetworkX."""

import itertools

import networkx as nx
import numpy as np
import pytest

from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.topology import load_topology, resolve

B = 50e9
LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def shape(kind: str, *, policy: str = "spray", **keys) -> Fabric:
    from dataclasses import replace

    return replace(resolve({"shape": kind, "link": LINK, **keys}), policy=policy)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("ring", {"size": 7}),
        ("torus", {"size": [4, 3]}),
        ("mesh", {"size": [3, 4]}),
        ("full-mesh", {"size": [3, 3]}),
        ("star", {"size": 5}),
        ("fat-tree", {"k": 4}),
    ],
)
def test_hops_are_those_of_networkx(kind: str, keys: dict) -> None:
    fabric = shape(kind, **keys)
    graph = fabric.to_networkx()
    names = [fabric.node_name(rank) for rank in range(fabric.ranks)]
    hops = [nx.shortest_path_length(graph, a, b) for a, b in itertools.permutations(names, 2)]
    figures = inspect(fabric)
    assert figures["diameter_hops"] == max(hops)
    assert figures["mean_hops"] == pytest.approx(np.mean(hops), rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "keys", "cut"),
    [
        ("star", {"size": 8}, 4 * B),
        ("ring", {"size": 8}, 2 * B),
        ("full-mesh", {"size": 8}, 16 * B),
        ("full-mesh", {"size": [4, 4]}, 4 * 4 * B),
        ("torus", {"size": [4, 8]}, 2 * 4 * B),
        ("torus", {"size": [4, 4, 4]}, 2 * 16 * B),
        ("hypercube", {"size": 16}, 8 * B),
        ("fat-tree", {"k": 4}, 8 * B),
        ("leaf-spine", {"leaves": 4, "hosts": 4, "spines": 2}, 8 * B),
        ("leaf-spine", {"leaves": 4, "hosts": 4, "spines": 2, "taper": 2}, 4 * B),
    ],
)
def test_bisection_is_the_known_one_and_proven(kind: str, keys: dict, cut: float) -> None:
    figures = inspect(shape(kind, **keys))
    assert figures["bisection_Bps"] == pytest.approx(cut, rel=1e-12)
    assert figures["bisection_exact"] is True


def test_a_cut_that_no_bound_meets_is_not_called_exact() -> None:
    """Uniform traffic crosses the middle of a 4 × 4 mesh unevenly under spray, and a lollipop anyhow."""
    figures = inspect(shape("mesh", size=[4, 4]))
    assert (figures["bisection_Bps"], figures["bisection_exact"]) == (4 * B, False)
    assert inspect(Fabric.from_networkx(nx.lollipop_graph(6, 4), link=LINK))["bisection_exact"] is False


@pytest.mark.parametrize("k", [4, 6, 8])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a9_uniform_traffic_on_a_torus(k: int, dimensions: int) -> None:
    """8b/k · (N−1)/N (Dally and Towles, Principles and Practices of Interconnection Networks, section 3.3)."""
    figures = inspect(shape("torus", size=[k] * dimensions))
    ranks = k**dimensions
    assert figures["all_to_all_bound_Bps"] == pytest.approx(8 * B / k * (ranks - 1) / ranks, rel=1e-9)


@pytest.mark.parametrize("k", [2, 4, 6])
def test_a9_uniform_traffic_on_a_line(k: int) -> None:
    assert inspect(shape("mesh", size=k))["all_to_all_bound_Bps"] == pytest.approx(
        4 * B / k * (k - 1) / k, rel=1e-9
    )


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("policy", ["spray", "minimal"])
def test_a10_uniform_traffic_on_a_full_mesh(n: int, policy: str) -> None:
    bound = inspect(shape("full-mesh", size=[n, n], policy=policy))["all_to_all_bound_Bps"]
    assert bound == pytest.approx((n * n - 1) / n * B, rel=1e-9)


def test_a11_mixed_widths() -> None:
    """n_d · b_d · (N−1)/N, the smallest over the dimensions."""
    links = [{"bandwidth": "50 GB/s", "latency": "0 ns"}, {"bandwidth": "10 GB/s", "latency": "0 ns"}]
    fabric = resolve({"shape": "full-mesh", "size": [4, 8], "link": links})
    assert inspect(fabric)["all_to_all_bound_Bps"] == pytest.approx(8 * 10e9 * 31 / 32, rel=1e-9)


@pytest.mark.parametrize("taper", [1, 2, 4])
def test_a16_taper(taper: int) -> None:
    """λ/B = min(1, (1/t) / share leaving the leaf)."""
    fabric = shape("leaf-spine", leaves=4, hosts=8, spines=2, taper=taper)
    share = (32 - 8) / 31
    figures = inspect(fabric)
    assert figures["all_to_all_bound_Bps"] == pytest.approx(B * min(1, 1 / taper / share), rel=1e-9)
    assert figures["tiers"][0]["oversubscription"] == taper


def test_published_counts_of_the_machines() -> None:
    figures = inspect(load_topology("cloudmatrix384"))
    assert (figures["npus"], figures["switches"], figures["diameter_hops"]) == (768, 336 + 112, 4)
    assert figures["cables"] == {"copper": 768 * 7, "optical": 336 * 16, "pcb": 384}
    figures = inspect(load_topology("gb200-nvl72"))
    assert figures["scale_up_injection_Bps"] == 18 * 50 * 10**9
    figures = inspect(load_topology("hgx-h100-rail"))
    assert (figures["scale_up_injection_Bps"], figures["scale_out_injection_Bps"]) == (
        450 * 10**9,
        50 * 10**9,
    )


def test_links_inside_a_package_do_not_take_the_headers_of_the_others_away() -> None:
    """UB packets of CloudMatrix384: 4096 B of payload and 40 B of header in flits of 20 B, whatever joins two dies."""
    figures = inspect(load_topology("cloudmatrix384"))
    assert figures["bisection_payload_Bps"] == pytest.approx(figures["bisection_Bps"] * 4096 / (207 * 20))
    assert figures["package_Bps"] == 270 * 10**9
    assert figures["port_sum_raw_Bps"] == 7 * 28 * 10**9
