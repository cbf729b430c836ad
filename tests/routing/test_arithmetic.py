"""Candidates by arithmetic are those that a search finds, for every pair of ranks."""

import numpy as np
import pytest

from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Router, Routing, routes, shares, unreachable
from fabricsim.routing.products import product_of
from fabricsim.routing.tiering import tiers_of
from fabricsim.schedule import Schedule
from fabricsim.topology import load_topology, resolve
from tests.engines.lab import messages
from tests.routing.test_search import DIES, LINK
from tests.routing.test_shares import all_pairs
from tests.topology.lab import shape

JOINED_RAILS = {
    "device": {"ports": 8},
    "levels": [
        {"name": "server", "members": 3, "rule": "switched", "planes": 2, "link": LINK},
        {"name": "group", "members": 3, "rule": "rails", "switches": 2, "ports": 2, "link": LINK},
        {"name": "block", "members": 2, "rule": "switched", "uplinks_of": "group", "uplinks": 4, "switches": 2,
         "join": True, "link": LINK},
        {"name": "cluster", "members": 2, "rule": "switched", "uplinks_of": "block", "uplinks": 3, "switches": 3,
         "link": LINK},
    ],
}  # fmt: skip
BOARDS = {
    "device": {"forwards": True},
    "levels": [
        {"name": "board", "members": 3, "rule": "full-mesh", "ports": 4, "link": LINK},
        {"name": "cabinet", "members": 2, "rule": "switched", "planes": 2, "ports": [1, 2], "link": LINK},
        {"name": "out", "beside": "cabinet", "rule": "switched", "planes": 1, "link": LINK},
        {"name": "row", "members": 2, "rule": "switched", "uplinks_of": "out", "uplinks": 2, "switches": 2,
         "link": LINK},
        {"name": "pod", "members": 2, "rule": "switched", "uplinks_of": "cabinet", "uplinks": 4, "switches": 2,
         "link": LINK},
        {"name": "cluster", "members": 2, "rule": "switched", "uplinks_of": "row", "uplinks": 2, "switches": 2,
         "link": LINK},
    ],
}  # fmt: skip
RAILS_APART = {
    "levels": [
        {"name": "server", "members": 2, "rule": "switched", "link": LINK},
        {"name": "rail", "members": 2, "rule": "rails", "link": LINK},
        {
            "name": "top",
            "members": 2,
            "rule": "switched",
            "uplinks_of": "rail",
            "uplinks": 2,
            "switches": 2,
            "link": LINK,
        },
    ]
}
JELLYFISH = {"switches": 6, "degree": 3, "hosts": 1, "seed": 1}
RAILS_OF_BOARDS = {
    "levels": [
        {"name": "board", "members": 3, "rule": "switched", "link": LINK},
        {"name": "rack", "members": 2, "rule": "none"},
        {"name": "pod", "members": 2, "rule": "rails", "rails_of": "board", "link": LINK},
        {"name": "top", "members": 2, "rule": "switched", "uplinks_of": "pod", "uplinks": 2, "switches": 2,
         "join": True, "link": LINK},
    ]
}  # fmt: skip
TIERED = {
    "star": lambda: shape("star", size=5),
    "fat-tree": lambda: shape("fat-tree", k=4),
    "leaf-spine": lambda: shape("leaf-spine", leaves=3, hosts=4, spines=2),
    "planes": lambda: shape("multi-plane", leaves=2, hosts=2, spines=3, planes=2),
    "clos": lambda: shape("clos", radix=4, tiers=3),
    "rails": lambda: shape("rail-optimised", npus=3, servers=2, groups=3, spines=2, rail=LINK),
    "rail": lambda: load_topology("hgx-h100-rail", servers=2),
    "stacking": lambda: load_topology("server-stacking", groups=2, servers=2, blocks=1),
    "joined-rails": lambda: resolve(JOINED_RAILS),
    "boards": lambda: resolve(BOARDS),
    "rails-of-boards": lambda: resolve(RAILS_OF_BOARDS),
    "rails-apart": lambda: resolve(RAILS_APART),
    "dies": lambda: resolve(DIES),
    "superpod": lambda: load_topology("atlas950-superpod", cabinets=2),
}
PRODUCTS = {
    "ring": lambda: shape("ring", size=6),
    "line": lambda: shape("line", size=5),
    "full-mesh": lambda: shape("full-mesh", size=[4, 3]),
    "torus": lambda: shape("torus", size=[4, 3, 2]),
    "mesh": lambda: shape("mesh", size=[3, 4]),
    "hypercube": lambda: shape("hypercube", size=16),
    "rack": lambda: load_topology("ub-mesh-rack"),
    "graph": lambda: resolve({
        "device": {"forwards": True},
        "levels": [
            {"name": "board", "members": 2, "rule": "full-mesh", "ports": 3, "link": LINK},
            {"name": "pod", "members": 5, "rule": "graph", "link": LINK,
             "graph": {"edges": [[0, 1, 2], [1, 2], [2, 3], [3, 0], [3, 4, 3]]}},
        ],
    }),
}  # fmt: skip


def same(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare shares, and the paths of packets, of every pair, with those of a search."""
    src, dst = all_pairs(fabric)
    some = slice(None) if len(src) < 2000 else slice(0, None, len(src) // 1000)
    src, dst = src[some], dst[some]
    cut = set(unreachable(fabric, src, dst))
    kept = np.array([pair not in cut for pair in zip(src.tolist(), dst.tolist(), strict=True)])
    asked, (src, dst) = (src, dst), (src[kept], dst[kept])
    traffic = Schedule(
        (messages(*[(a, b, 7) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]),)
    ).messages
    found = []
    for _ in range(2):
        split = shares(fabric, src, dst, Routing("spray"))
        paths = [routes(fabric, traffic, Routing(p), Model(mtu=1), 5) for p in ("minimal", "ecmp", "spray")]
        found.append(
            [split.starts, split.channels, *(part for p in paths for part in (p.starts, p.channels))]
        )
        found[-1].append(np.round(split.weights, 12))
        for name in ("tiers_of", "product_of"):
            monkeypatch.setattr(f"fabricsim.routing.paths.{name}", lambda fabric: None)
    for arithmetic, search in zip(*found, strict=True):
        assert np.array_equal(arithmetic, search)
    assert set(unreachable(fabric, *asked)) == cut


@pytest.mark.parametrize("name", TIERED)
def test_tiers_are_what_a_search_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = TIERED[name]()
    assert tiers_of(fabric) is not None
    same(fabric, monkeypatch)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_what_a_search_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = PRODUCTS[name]()
    assert product_of(fabric) is not None
    same(fabric, monkeypatch)


def test_ranks_of_unequal_place_do_not_meet_on_rails_apart() -> None:
    fabric = resolve(RAILS_APART)
    cut = unreachable(fabric, *all_pairs(fabric))
    assert cut == [(a, b) for a in range(8) for b in range(8) if a // 2 != b // 2 and a % 2 != b % 2]


def test_what_levels_do_not_say_is_searched() -> None:
    """NPUs that forward on rails offer ways that no tier has; a switch in a mesh, and a random graph, are no tiers."""
    relays = {**RAILS_APART, "device": {"forwards": True}}
    for fabric in (resolve(relays), shape("hyperx", size=[2, 2], hosts=2), shape("jellyfish", **JELLYFISH)):
        assert tiers_of(fabric) is None
        assert product_of(fabric) is None
    assert unreachable(resolve(relays), *all_pairs(resolve(relays))) == []


@pytest.mark.parametrize("name", ["fat-tree", "boards", "torus", "jellyfish"])
def test_a_router_gives_block_after_block_what_routes_give(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = {**TIERED, **PRODUCTS, "jellyfish": lambda: shape("jellyfish", **JELLYFISH)}
    fabric = makers[name]()
    src, dst = all_pairs(fabric)
    traffic = Schedule(
        (messages(*[(a, b, 7) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]),)
    ).messages
    whole = routes(fabric, traffic, Routing("ecmp"), Model(), 2)
    monkeypatch.setattr("fabricsim.routing.paths.ROWS", 5)
    router = Router(fabric, Routing("ecmp"), 2)
    message = np.arange(len(src))
    blocks = [
        router.paths(src[i : i + 13], dst[i : i + 13], message[i : i + 13]) for i in range(0, len(src), 13)
    ]
    assert np.array_equal(np.concatenate([channels for _, channels in blocks]), whole.channels)
    assert np.array_equal(np.concatenate([np.diff(starts) for starts, _ in blocks]), whole.hops)
    assert blocks[0][1].dtype == np.int32
