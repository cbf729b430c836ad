"""Adaptive routing, and lanes that routes need: packets that look at queues, and circles that lanes take apart."""

import networkx as nx
import numpy as np
import pytest

import fabricsim as fs
from fabricsim.engines.paths import AdaptivePaths
from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import QueuedPort
from fabricsim.errors import InputError, StallError
from fabricsim.model import Model, Sender
from fabricsim.routing import Routing
from fabricsim.schedule import Round, Schedule
from fabricsim.topology import resolve
from tests.engines.lab import LINK, fabric_of, messages, operation

MODELS = [
    Model(),
    Model("cut-through", header=64),
    Model(buffer=16_384),
    Model(buffer=8192, flow_control="none", sender=Sender(loss="go-back-n", timeout=5e-6)),
    Model(queueing="voq"),
]


@pytest.mark.parametrize("model", MODELS, ids=["plain", "cut-through", "credits", "drops", "voq"])
def test_every_choice_is_of_the_least_queued(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch every choice: nothing with less was at hand, and only shortest paths were."""
    onward, choices = AdaptivePaths.onward, []

    def watching(self: AdaptivePaths, packet: Packet) -> QueuedPort:
        before = {}
        here = self._src[packet.message] if packet.via is None else packet.via.target
        for port in self._candidates(here, self._dst[packet.message]):
            before[port.wiring.channel] = port.queued(0)
        chosen = onward(self, packet)
        choices.append(len(before))
        assert before[chosen.wiring.channel] == min(before.values())
        return chosen

    monkeypatch.setattr(AdaptivePaths, "onward", watching)
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    result = fs.simulate(fabric, fs.permutation("40 kB"), routing="adaptive", model=model, seed=3)
    assert max(choices) == 2
    assert result.metrics["bytes_delivered"] == 16 * 40_000
    assert result.kernel == "simpy"


def test_queues_that_are_equal_give_spray() -> None:
    """One message meets nobody; its own packets leave a path when the next one comes back to it."""
    fabric = resolve({"shape": "leaf-spine", "leaves": 2, "hosts": 2, "spines": 4, "link": LINK})
    one, other = (
        fs.simulate(fabric, messages((0, 3, 64 * 4096)), routing=policy, seed=5)
        for policy in ("adaptive", "spray")
    )
    assert one.metrics["completion_time_s"] == other.metrics["completion_time_s"]
    assert one.links["packets"].tolist() == other.links["packets"].tolist()


def test_adaptive_goes_round_what_is_slow() -> None:
    """One of four spines has links of a tenth: spray waits for it, adaptive gives it few packets."""
    graph = nx.Graph([(0, "s0"), ("s9", 1)])
    for spine in range(1, 5):
        rate = "5 GB/s" if spine == 1 else "50 GB/s"
        graph.add_edge("s0", f"s{spine}", bandwidth=rate)
        graph.add_edge(f"s{spine}", "s9", bandwidth=rate)
    graph.edges[0, "s0"]["bandwidth"] = graph.edges["s9", 1]["bandwidth"] = "200 GB/s"
    fabric = fabric_of(graph)
    adaptive, spray = (
        fs.simulate(fabric, messages((0, 1, 2**20)), routing=policy) for policy in ("adaptive", "spray")
    )
    # spray sends a quarter of the packets over a fortieth of the rate; equal queues give each path what it drains
    assert spray.metrics["completion_time_s"] > 2**18 / 5e9
    assert adaptive.metrics["completion_time_s"] < spray.metrics["completion_time_s"] / 2
    slow = adaptive.links.set_index("channel").loc["s0 -> s1", "packets"]
    assert 256 * 5 / 155 < slow < 64 / 2
    assert adaptive.metrics["packets_reordered"] > 0


def test_a_fluid_knows_no_queues() -> None:
    fabric = resolve({"shape": "star", "size": 4, "link": LINK})
    with pytest.raises(InputError, match="adaptive routing chooses by them"):
        fs.simulate(fabric, fs.permutation("64 kB"), routing="adaptive", engine="flow")


def around(lanes: str, buffer: int = 4096) -> fs.Result:
    """Return a shift by three around a ring of eight with little room in each buffer."""
    fabric = resolve({"shape": "ring", "size": 8, "link": LINK})
    src = np.arange(8)
    work = Schedule((operation(Round(src, (src + 3) % 8, 80_000)),))
    return fs.simulate(fabric, work, routing=Routing("minimal", lanes=lanes), model=Model(buffer=buffer))


def test_a_dateline_takes_the_circle_of_a_ring_apart() -> None:
    with pytest.raises(StallError, match="in a circle"):
        around("single")
    result = around("dateline")
    assert result.metrics["bytes_delivered"] == 8 * 80_000
    assert result.notes == ()


def test_routes_that_can_deadlock_are_told_where_they_did_not() -> None:
    """With room for all packets none waits in a circle, but the routes are the same."""
    (note,) = around("single", buffer=2**20).notes
    assert "routes of this run can deadlock, though they did not" in note
    assert "npu0 -> npu1" in note


def adaptive_around(lanes: str) -> fs.Result:
    """Return a shift by three around a ring of eight with room for all packets, each of which may choose."""
    fabric = resolve({"shape": "ring", "size": 8, "link": LINK})
    src = np.arange(8)
    work = Schedule((operation(Round(src, (src + 3) % 8, 80_000)),))
    return fs.simulate(fabric, work, routing=Routing("adaptive", lanes=lanes), model=Model(buffer=2**20))


def test_ways_that_packets_choose_are_followed_too() -> None:
    """Around a ring they can wait in a circle; with lanes to escape by, and up and down a tree, they cannot."""
    (note,) = adaptive_around("single").notes
    assert "routes of this run can deadlock, though they did not" in note
    assert adaptive_around("escape").notes == ()
    tree = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    assert fs.simulate(tree, fs.shift("8 kB"), routing="adaptive", model=Model(buffer=8192)).notes == ()
