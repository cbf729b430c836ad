"""Dragonfly, Slim Fly, Jellyfish, HyperX, HammingMesh, Clos and the twisted torus against their definitions."""

from collections import Counter
from itertools import combinations, product

import networkx as nx
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.topology import SHAPES
from tests.topology.lab import LINK, degrees, pairs, shape


def routers(fabric: Fabric) -> nx.Graph:
    """Return the graph of the switches, numbered from 0."""
    graph = nx.Graph((a - fabric.ranks, b - fabric.ranks) for a, b in pairs(fabric) if a >= fabric.ranks)
    assert len(graph) == fabric.switches
    return graph


@pytest.mark.parametrize("arrangement", ["palm-tree", "absolute"])
@pytest.mark.parametrize(("a", "p", "h"), [(2, 1, 1), (4, 2, 2), (3, 1, 2)])
def test_dragonfly(arrangement: str, a: int, p: int, h: int) -> None:
    fabric, groups = shape("dragonfly", a=a, p=p, h=h, arrangement=arrangement), a * h + 1
    assert degrees(fabric) == {("npu", 1): a * p * groups, ("switch", p + a - 1 + h): a * groups}
    graph = routers(fabric)
    assert nx.diameter(graph) <= 3
    between = Counter((x // a, y // a) for x, y in graph.edges if x // a != y // a)
    assert {tuple(sorted(pair)) for pair in between} == set(combinations(range(groups), 2))
    assert sum(between.values()) == groups * (groups - 1) // 2
    assert sum(x // a == y // a for x, y in graph.edges) == groups * a * (a - 1) // 2
    for router, port in product(range(a), range(h)):  # of group 0, by the definition of each arrangement
        peers = {peer // a for peer in graph[router]}
        assert router * h + port + 1 in peers


def test_fewer_groups_share_the_links_evenly() -> None:
    fabric = shape("dragonfly", a=4, p=1, h=2, groups=5)
    of_group = Counter(
        ((x - fabric.ranks) // 4, (y - fabric.ranks) // 4)
        for (x, y), n in pairs(fabric).items() for _ in range(n) if x >= fabric.ranks
    )  # fmt: skip
    assert {n for (g, h), n in of_group.items() if g != h} == {4 * 2 // (5 - 1)}


@pytest.mark.parametrize(
    ("q", "delta"), [(3, -1), (4, 0), (5, 1), (7, -1), (8, 0), (9, 1), (11, -1), (13, 1)]
)
def test_slim_fly_has_diameter_two(q: int, delta: int) -> None:
    fabric, degree = shape("slim-fly", q=q), (3 * q - delta) // 2
    graph = routers(fabric)
    assert dict(Counter(d for _, d in graph.degree)) == {degree: 2 * q * q}
    assert nx.diameter(graph) == 2
    assert fabric.ranks == 2 * q * q * -(-degree // 2)


def test_the_slim_fly_of_five_is_hoffman_and_singleton_s() -> None:
    assert nx.is_isomorphic(routers(shape("slim-fly", q=5, hosts=1)), nx.hoffman_singleton_graph())


@pytest.mark.parametrize(("n", "degree"), [(8, 3), (16, 5), (9, 8), (10, 7), (200, 12)])
def test_jellyfish_is_regular_connected_and_the_same_again(n: int, degree: int) -> None:
    fabric = shape("jellyfish", switches=n, degree=degree, hosts=2, seed=1)
    graph = routers(fabric)
    assert {d for _, d in graph.degree} == {degree}
    assert nx.is_connected(graph)
    assert max(pairs(fabric).values()) == 1
    assert fabric.digest == shape("jellyfish", switches=n, degree=degree, hosts=2, seed=1).digest
    if degree < n - 1:
        assert fabric.digest != shape("jellyfish", switches=n, degree=degree, hosts=2, seed=2).digest


@pytest.mark.parametrize("size", [(4,), (3, 4), (2, 3, 4)])
def test_hyperx_has_as_many_hops_as_dimensions(size: tuple[int, ...]) -> None:
    expected = nx.complete_graph(size[0])
    for length in size[1:]:
        expected = nx.cartesian_product(expected, nx.complete_graph(length))
    graph = routers(shape("hyperx", size=list(size), hosts=3))
    assert nx.is_isomorphic(graph, expected)
    assert nx.diameter(graph) == len(size)


@pytest.mark.parametrize(("a", "b", "x", "y"), [(2, 2, 2, 3), (1, 1, 3, 3), (3, 2, 2, 2)])
def test_hamming_mesh(a: int, b: int, x: int, y: int) -> None:
    fabric = shape("hamming-mesh", board=[a, b], size=[x, y])
    assert fabric.ranks == a * b * x * y
    counted = Counter({("npu", 4): fabric.ranks}) + Counter({("switch", 2 * x): y * b})
    assert degrees(fabric) == counted + Counter({("switch", 2 * y): x * a})


@pytest.mark.parametrize("size", [(2, 4), (4, 4, 8), (2, 4, 4), (3, 4)])
def test_a_twisted_torus_advances_the_longest_on_a_wrap(size: tuple[int, ...]) -> None:
    expected, longest = nx.MultiGraph(), max(size)
    for at in product(*(range(n) for n in size)):
        for axis, length in enumerate(size):
            to = list(at)
            to[axis] = (at[axis] + 1) % length
            if length < longest and at[axis] == length - 1:
                to = [(c + n // 2) % n if n == longest else c for c, n in zip(to, size, strict=True)]
            expected.add_edge(at, tuple(to))
    fabric = shape("torus", size=list(size), twist=True)
    weight = [1, size[0], size[0] * size[1]]
    rank = {at: sum(c * w for c, w in zip(at, weight, strict=False)) for at in expected}
    assert pairs(fabric) == Counter(tuple(sorted((rank[a], rank[b]))) for a, b in expected.edges())


@pytest.mark.parametrize(("tiers", "taper", "hosts"), [(2, 1, 3), (2, 2, 4), (3, [2, 1], 4), (3, [1, 2], 3)])
def test_clos_uses_every_port(tiers: int, taper: object, hosts: int) -> None:
    fabric = shape("clos", radix=6, tiers=tiers, taper=taper)
    used = {ports for kind, ports in degrees(fabric) if kind == "switch"}
    assert used == {6}
    stated = taper if isinstance(taper, list) else [taper]
    assert list(fabric.about.tapers.values()) == stated
    assert fabric.ranks == hosts * 6 * ({1: 3, 2: 4}[stated[1]] if tiers == 3 else 1)


def test_rails_meet_above_or_not_at_all() -> None:
    only = shape("rail-only", npus=4, servers=3, rail=LINK)
    assert degrees(only) == {("npu", 2): 12, ("switch", 4): 3, ("switch", 3): 4}
    joined = shape("rail-optimised", npus=4, servers=4, groups=2, spines=2, taper=1, rail=LINK)
    assert nx.is_connected(nx.Graph(joined.to_networkx()))
    assert joined.switches == 4 * 2 + 4 * 2 + 2


def test_planes_do_not_meet() -> None:
    fabric = shape("multi-plane", leaves=2, hosts=3, spines=2, planes=4)
    graph = nx.Graph(fabric.to_networkx())
    graph.remove_nodes_from([f"npu{rank}" for rank in range(fabric.ranks)])
    assert nx.number_connected_components(graph) == 4


def test_every_shape_says_what_it_is() -> None:
    assert all(0 < len(of.about) < 80 for of in SHAPES.values())


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("dragonfly", {"a": 4, "p": 1, "h": 2, "groups": 4}, "write one of 2, 3, 5, 9"),
        ("slim-fly", {"q": 6}, "write a prime power, such as [4, 5, 7]"),
        ("slim-fly", {"q": 10**12}, "q: 1000000000000 gives no such graph"),
        ("jellyfish", {"switches": 5, "degree": 3, "hosts": 1}, "switches × degree even"),
        ("jellyfish", {"switches": 5, "degree": 2, "hosts": 1}, "degree: 2 is too small"),
        ("hamming-mesh", {"board": [2], "size": [2, 2]}, "board: has 1 entries"),
        ("hamming-mesh", {"board": [2, 2], "size": [4, 4], "switch": {"ports": 4}}, "switch: each switch needs 8"),
        ("torus", {"size": [2, 5], "twist": True}, "twist: half of 5 is not a whole number"),
        ("clos", {"radix": 8, "tiers": 2, "taper": 2}, "a multiple of 3"),
        ("clos", {"radix": 8, "tiers": 2, "blocks": 9}, "blocks: 9 blocks need as many ports"),
        ("clos", {"radix": 8, "tiers": 2, "taper": [1, 1]}, "taper: 2 tapers are given for the 1 tiers"),
    ],
)  # fmt: skip
def test_bad_parameters_say_what_would_be_right(name: str, keys: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        shape(name, **keys)
    assert said in str(error.value)
