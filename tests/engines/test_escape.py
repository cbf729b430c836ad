"""Adaptive packets with an escape network: it delivers where one lane stalls, and no packet leaves it."""

import itertools

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.engines.escape import CHOOSING, EscapePaths
from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import QueuedPort
from fabricsim.errors import InputError, StallError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, next_hops
from fabricsim.schedule import Round, Schedule
from tests.engines.lab import operation
from tests.topology.lab import shape

TIGHT = Model(buffer=8192)
ESCAPE = Routing("adaptive", lanes="escape")


def shifted(fabric: Fabric, by: int, size: int = 200_000) -> Schedule:
    """Return a round in which every rank sends to the one `by` further on."""
    src = np.arange(fabric.ranks)
    return Schedule((operation(Round(src, (src + by) % fabric.ranks, size)),))


def everyone(fabric: Fabric, size: int) -> Schedule:
    src, dst = (part.reshape(-1) for part in np.indices((fabric.ranks, fabric.ranks)))
    apart = src != dst
    return Schedule((operation(Round(src[apart], dst[apart], size)),))


def test_a_torus_stalls_on_one_lane_and_delivers_with_escape() -> None:
    """All ranks send to all: two packets of room a lane fill at once."""
    torus = shape("torus", size=[4, 4])
    work = everyone(torus, 40_000)
    with pytest.raises(StallError, match="in a circle"):
        fs.simulate(torus, work, routing="adaptive", model=TIGHT)
    result = fs.simulate(torus, work, routing=ESCAPE, model=TIGHT)
    assert result.metrics["bytes_delivered"] == 16 * 15 * 40_000
    again = fs.simulate(torus, work, routing=ESCAPE, model=TIGHT)
    assert again.digest == result.digest


CASES = [
    shape("ring", size=7), shape("torus", size=[3, 4]), shape("torus", size=[4, 4, 2]), shape("full-mesh", size=[3, 3]),
    shape("fat-tree", k=4),
]  # fmt: skip


@pytest.mark.parametrize("fabric", CASES, ids=lambda fabric: fabric.name)
@pytest.mark.parametrize("buffer", [4096, 8192])
@pytest.mark.parametrize(
    "options", [{}, {"queueing": "voq", "arbiter": "round-robin"}, {"switching": "cut-through"}]
)
def test_all_bytes_arrive_in_the_least_of_room(fabric: Fabric, buffer: int, options: dict[str, str]) -> None:
    rng = np.random.default_rng([fabric.ranks, buffer])
    src, dst = rng.integers(0, fabric.ranks, (2, 80))
    size = rng.integers(1, 60_000, 80)
    apart = src != dst
    work = Schedule((operation(Round(src[apart], dst[apart], size[apart])),))
    result = fs.simulate(fabric, work, routing=ESCAPE, model=Model(buffer=buffer, **options), seed=buffer)
    assert result.metrics["bytes_delivered"] == size[apart].sum()
    hops = next_hops(fabric, np.arange(fabric.ranks)).distance[dst[apart], src[apart]]
    assert result.links["packets"].sum() == (-(-size[apart] // 4096) * hops).sum()


def test_whoever_has_escaped_stays_and_nobody_escapes_who_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    onward, escaped, kept = EscapePaths.onward, {}, []

    def watching(self: EscapePaths, packet: Packet) -> QueuedPort:
        before = CHOOSING if packet.via is None else packet.escape
        room = packet.via is not None and any(
            port.gates[2].open(packet.wire)
            for port in self._candidates(packet.via.target, self._dst[packet.message])
        )
        port = onward(self, packet)
        assert (packet.escape == CHOOSING) == (packet.lane == 2)
        if before != CHOOSING:
            assert packet.lane < 2, "it stays"
        elif packet.via is not None:
            assert (packet.lane == 2) == room
        kept.append(packet.lane)
        if packet.lane < 2:
            escaped.setdefault(packet.id, []).append((port.wiring.channel, packet.lane))
        return port

    monkeypatch.setattr(EscapePaths, "onward", watching)
    torus = shape("torus", size=[4, 4])
    fs.simulate(torus, everyone(torus, 40_000), routing=ESCAPE, model=TIGHT)
    assert set(kept) == {0, 1, 2}
    for walk in escaped.values():
        levels = torus.level[[channel // 2 for channel, _ in walk]].tolist()
        assert levels == sorted(levels), "one dimension after the other"
        for (a, low), (b, high) in itertools.pairwise(walk):
            same = torus.level[a // 2] == torus.level[b // 2]
            wrapped = abs(int(torus.channel_src[a]) - int(torus.channel_dst[a])) in (3, 12)
            assert high == (low or int(wrapped) if same else 0)


def test_without_limit_lanes_change_nothing() -> None:
    torus = shape("torus", size=[3, 4])
    work = shifted(torus, 5)
    one, other = (fs.simulate(torus, work, routing=routing) for routing in ("adaptive", ESCAPE))
    assert one.metrics == other.metrics


def test_what_escape_lanes_cannot_be_with() -> None:
    torus = shape("torus", size=[3, 3])
    for model, says in (
        (Model(buffer=65536, flow_control="pfc"), "a pause can come after"),
        (Model(buffer=65536, queueing="input"), "waits behind those of other routes"),
    ):
        with pytest.raises(InputError, match=says):
            fs.simulate(torus, shifted(torus, 4), routing=ESCAPE, model=model)
