"""Which fraction of a flow crosses which channel."""

import networkx as nx
import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, routes, shares
from fabricsim.routing.shares import Shares
from fabricsim.schedule import Schedule
from tests.engines.lab import fabric_of, messages
from tests.routing.test_search import FABRICS
from tests.topology.lab import shape


def all_pairs(fabric: Fabric) -> tuple[np.ndarray, np.ndarray]:
    src, dst = (column.reshape(-1) for column in np.indices((fabric.ranks, fabric.ranks)))
    apart = src != dst
    return src[apart], dst[apart]


def dense(fabric: Fabric, found: Shares) -> np.ndarray:
    """Return (flows, channels) weights."""
    table = np.zeros((len(found.starts) - 1, fabric.channels))
    table[found.flow, found.channels] = found.weights
    return table


def packets_on(fabric: Fabric, rows: list[tuple[int, int, int]], policy: str, seed: int) -> np.ndarray:
    """Return (messages, channels) the share of each message's packets that cross each channel."""
    traffic = Schedule((messages(*rows),)).messages
    paths = routes(fabric, traffic, Routing(policy), Model(mtu=1), seed)
    owner = np.repeat(np.repeat(np.arange(len(rows)), paths.count), paths.hops)
    table = np.zeros((len(rows), fabric.channels))
    np.add.at(table, (owner, paths.channels), 1)
    return table / paths.count[:, None]


@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
@pytest.mark.parametrize("name", FABRICS)
def test_shares_are_what_packets_do(name: str, policy: str) -> None:
    """With 720 packets every number of candidates on these fabrics is gone through a whole number of times."""
    fabric = FABRICS[name]()
    src, dst = all_pairs(fabric)
    rows = [(a, b, 720) for a, b in zip(src[::5].tolist(), dst[::5].tolist(), strict=True)]
    found = shares(fabric, src[::5], dst[::5], Routing(policy), 3)
    assert np.allclose(dense(fabric, found), packets_on(fabric, rows, policy, 3), atol=1e-12)


@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
def test_what_enters_a_node_leaves_it(policy: str) -> None:
    fabric = FABRICS["fat-tree"]()
    src, dst = all_pairs(fabric)
    table = dense(fabric, shares(fabric, src, dst, Routing(policy), 1))
    net = np.zeros((len(src), fabric.nodes))
    np.add.at(net.T, fabric.channel_src, table.T)
    np.subtract.at(net.T, fabric.channel_dst, table.T)
    expected = np.zeros_like(net)
    expected[np.arange(len(src)), src] = 1
    expected[np.arange(len(src)), dst] = -1
    assert np.allclose(net, expected)


def test_ways_that_meet_again_add_up() -> None:
    """Two planes of three spines: every spine carries 1/6, and the leaf's last channel of each plane a half."""
    fabric = shape("multi-plane", leaves=2, hosts=1, spines=3, planes=2)
    found = shares(fabric, np.array([0]), np.array([1]), Routing("spray"))
    assert sorted(found.weights.tolist()) == pytest.approx([1 / 6] * 12 + [1 / 2] * 4)
    into = found.weights[fabric.channel_dst[found.channels] == 1]
    assert into.tolist() == pytest.approx([1 / 2, 1 / 2])


def test_channels_of_a_flow_ascend_and_a_flow_to_itself_has_none() -> None:
    fabric = shape("fat-tree", k=4)
    found = shares(fabric, np.array([0, 3, 0]), np.array([9, 3, 9]), Routing("spray"))
    first = found.channels[: found.starts[1]]
    assert np.all(np.diff(first) > 0)
    assert found.starts[1] == found.starts[2]
    assert np.array_equal(first, found.channels[found.starts[2] :])


def test_an_ecmp_choice_depends_on_the_message_given() -> None:
    fabric = shape("leaf-spine", leaves=2, hosts=2, spines=8)
    src, dst = np.zeros(64, np.int64), np.full(64, 3)
    by_position = shares(fabric, src, dst, Routing("ecmp"), 5)
    same = shares(fabric, src, dst, Routing("ecmp"), 5, np.zeros(64, np.int64))
    assert len(np.unique(by_position.channels)) > 4
    assert len(np.unique(same.channels)) == 4


@pytest.mark.parametrize("policy", ["minimal", "spray"])
def test_a_pair_without_a_path_is_named(policy: str) -> None:
    fabric = fabric_of(nx.Graph([(0, 1), (2, 3)]))
    with pytest.raises(InputError, match="no path from 1 to 2"):
        shares(fabric, np.array([0, 1]), np.array([1, 2]), Routing(policy))
