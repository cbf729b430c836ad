"""What the packet engine does to messages: the words of the model, one test each."""

import networkx as nx
import numpy as np
import pytest

from fabricsim.model import Endpoint, Model, transmit_ps
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Round, Schedule
from fabricsim.topology import resolve
from tests.engines.lab import LINK, fabric_of, messages, operation, path, simulate, star

NS = 1000
TX = 81_920  # 4096 B at 50 GB/s
LATENCY = 500 * NS


def idle_store_and_forward(size: int, model: Model, rates: list[int], latency_ps: int) -> int:
    """The idle-path formula of the model, written out packet by packet."""
    wires = [model.wire(model.mtu)] * (model.packets(size) - 1) + [model.wire(model.last_payload(size))]
    done = [0] * len(wires)
    for rate in rates:
        free = 0
        for index, wire in enumerate(wires):
            free = max(free, done[index]) + transmit_ps(wire, rate)
            done[index] = free
    return done[-1] + latency_ps


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 40_960, 1_000_000])
@pytest.mark.parametrize("rates", [[50], [50, 50], [100, 25, 50], [25, 100, 100, 50]])
def test_idle_path_store_and_forward(size: int, rates: list[int]) -> None:
    fabric = path([(f"{rate} GB/s", "500 ns") for rate in rates], delay="100 ns")
    latency = len(rates) * LATENCY + (len(rates) - 1) * 100 * NS
    for model in (Model(), Model(header=64), Model(header=20, flit=32)):
        record = simulate(fabric, messages((0, 1, size)), model=model)
        expected = idle_store_and_forward(size, model, [rate * 10**9 for rate in rates], latency)
        assert record.delivered_ps[0] == expected
        assert record.sent_ps[0] == idle_store_and_forward(size, model, [rates[0] * 10**9], 0)


@pytest.mark.parametrize("rates", [[50, 50, 50], [100, 50, 25], [25, 50, 100], [50, 25, 100]])
def test_cut_through_runs_at_the_slowest_channel(rates: list[int]) -> None:
    """One packet: it takes L over the slowest rate, plus all latencies, wherever the slow channel stands."""
    fabric = path([(f"{rate} GB/s", "500 ns") for rate in rates])
    record = simulate(fabric, messages((0, 1, 4096)), model=Model("cut-through"))
    assert record.delivered_ps[0] == 3 * LATENCY + transmit_ps(4096, min(rates) * 10**9)


def test_cut_through_waits_for_the_header() -> None:
    fabric = path([("50 GB/s", "500 ns"), ("50 GB/s", "500 ns")])
    record = simulate(fabric, messages((0, 1, 4000)), model=Model("cut-through", header=50))
    assert record.delivered_ps[0] == 2 * LATENCY + transmit_ps(4050, 50 * 10**9) + transmit_ps(50, 50 * 10**9)


def test_messages_ready_together_leave_packet_by_packet() -> None:
    """Two packets each to ranks 1, 2, 3 from rank 0: the order at the source is 1, 2, 3, 1, 2, 3."""
    record = simulate(star(4), messages((0, 3, 8192), (0, 1, 8192), (0, 2, 8192)))
    assert record.sent_ps.tolist() == [6 * TX, 4 * TX, 5 * TX]


def test_the_turn_at_a_source_counts_from_the_source() -> None:
    """Rank 2 names rank 3 first, then 0, then 1."""
    record = simulate(star(4), messages((2, 0, 4096), (2, 1, 4096), (2, 3, 4096)))
    assert record.sent_ps.tolist() == [2 * TX, 3 * TX, TX]


def test_later_messages_queue_behind() -> None:
    first = messages((0, 1, 40_960))
    later = operation(Round([0], [2], [4096]), name="later", start=TX * 1e-12)
    record = simulate(star(3), first, later)
    assert record.sent_ps.tolist() == [10 * TX, 11 * TX]


def test_simultaneous_arrivals_go_by_packet_id() -> None:
    """Ranks 1, 2, 3 send one packet to 0; all reach the switch at once and leave it in order of message."""
    record = simulate(star(4), messages((3, 0, 4096), (1, 0, 4096), (2, 0, 4096)))
    assert record.delivered_ps.tolist() == [2 * LATENCY + (2 + i) * TX for i in range(3)]


def test_a_ring_with_one_slow_edge_runs_at_the_mean_latency() -> None:
    """Nobody waits for ranks it does not talk to: R rounds take R edges in a row, not R times the worst."""
    ranks, rounds = 8, 80
    graph = nx.cycle_graph(ranks)
    graph.edges[0, 1]["latency"] = "4.5 us"
    src = np.arange(ranks)
    record = simulate(fabric_of(graph), operation(Round(src, (src + 1) % ranks, 4096, repeat=rounds)))
    assert record.delivered_ps.max() == rounds * TX + rounds * 7 * LATENCY // 8 + 10 * 9 * LATENCY


def test_a_rank_without_part_in_a_round_does_not_wait() -> None:
    first, second = Round([0], [1], [4096 * 100]), Round([2], [3], [4096])
    record = simulate(star(4), operation(first, second))
    assert record.release_ps.tolist() == [0, 0]


def test_sent_is_enough_to_go_on_sending() -> None:
    """Rank 0 sends in two rounds: the second starts when the first is sent, not when it is delivered."""
    record = simulate(star(3), operation(Round([0], [1], [4096]), Round([0], [2], [4096])))
    assert record.release_ps.tolist() == [0, TX]


def test_after_waits_per_rank_and_barrier_for_all() -> None:
    first = operation(Round([0, 2], [1, 3], [4096, 409_600]), name="first")
    second = Round([1, 3], [0, 2], [4096, 4096])
    short = 2 * (TX + LATENCY)
    long = 101 * TX + 2 * LATENCY
    record = simulate(star(4), first, operation(second, name="second", after=("first",)))
    assert record.release_ps[2:].tolist() == [short, long]
    record = simulate(star(4), first, operation(second, name="second", after=("first",), barrier=True))
    assert record.release_ps[2:].tolist() == [long, long]
    record = simulate(star(4), first, operation(second, name="second", after=("first",), start=1e-6))
    assert record.release_ps[2:].tolist() == [short + 10**6, long + 10**6]


def test_endpoint_overheads_and_gap() -> None:
    endpoint = Endpoint(send_overhead=100e-9, recv_overhead=200e-9)
    record = simulate(star(3), messages((0, 1, 4096), (0, 2, 4096)), model=Model(endpoint=endpoint))
    assert record.sent_ps.tolist() == [100 * NS + TX, 100 * NS + 2 * TX], "overheads of one rank overlap"
    assert record.delivered_ps[0] == 300 * NS + 2 * (TX + LATENCY)
    record = simulate(star(3), messages((0, 1, 4096), (0, 2, 4096)), model=Model(endpoint=Endpoint(gap=1e-6)))
    assert record.sent_ps.tolist() == [TX, 10**6 + TX]


def test_open_loop_messages_are_released_at_their_own_times() -> None:
    arrivals = Round([0, 0], [1, 1], [4096, 4096], delay=np.array([3e-6, 1e-6]))
    record = simulate(star(2), operation(arrivals))
    assert record.release_ps.tolist() == [3 * 10**6, 10**6]


def test_bytes_in_are_bytes_out_and_every_channel_is_counted() -> None:
    rng = np.random.default_rng(5)
    rows = [
        (int(a), int((a + d) % 8), int(s))
        for a, d, s in zip(
            rng.integers(0, 8, 50), rng.integers(1, 8, 50), rng.integers(1, 10**5, 50), strict=True
        )
    ]
    model = Model(header=30)
    record = simulate(star(8), messages(*rows), model=model)
    sizes = [size for _, _, size in rows]
    assert record.arrival_bytes.sum() == sum(sizes)
    assert record.packets == sum(model.packets(size) for size in sizes)
    assert record.channel_packets.sum() == 2 * record.packets, "a star has two hops"
    assert record.channel_wire.sum() == 2 * sum(model.message_wire(size) for size in sizes)
    assert record.dropped == record.retransmitted == 0


def test_queue_peak_is_the_largest_backlog() -> None:
    """Nine packets at once: the source queues all nine, the switch never more than one of one sender."""
    record = simulate(star(2), messages((0, 1, 9 * 4096)))
    assert record.channel_peak.tolist() == [9 * 4096, 4096]


def test_doubling_every_rate_and_halving_every_time_halves_the_run() -> None:
    """To one picosecond per packet and hop, which rounding up may add."""
    rng = np.random.default_rng(2)
    rows = [
        (int(a), int((a + d) % 6), 10_000)
        for a, d in zip(rng.integers(0, 6, 30), rng.integers(1, 6, 30), strict=True)
    ]
    slow = simulate(star(6), messages(*rows))
    fast = simulate(star(6, bandwidth="100 GB/s", latency="250 ns"), messages(*rows))
    assert np.all(np.abs(slow.delivered_ps - 2 * fast.delivered_ps) <= slow.channel_packets.sum())


@pytest.mark.parametrize("policy", ["ecmp", "spray"])
def test_choice_depends_on_the_seed_and_on_nothing_else(policy: str) -> None:
    graph = nx.Graph(
        [
            (0, "s0"),
            *(("s0", f"s{i}") for i in range(1, 9)),
            *((f"s{i}", "s9") for i in range(1, 9)),
            ("s9", 1),
        ]
    )
    fabric = fabric_of(graph)
    traffic = Schedule((messages(*[(0, 1, 4096)] * 64),))
    first, again, other = (
        routes(fabric, traffic.messages, Routing(policy), Model(), seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.channels, again.channels)
    assert not np.array_equal(first.channels, other.channels)


def test_spray_uses_every_path_evenly_and_ecmp_one_a_message() -> None:
    graph = nx.Graph(
        [
            (0, "s0"),
            *(("s0", f"s{i}") for i in range(1, 5)),
            *((f"s{i}", "s9") for i in range(1, 5)),
            ("s9", 1),
        ]
    )
    fabric = fabric_of(graph)
    spray = simulate(fabric, messages((0, 1, 4096 * 40)), policy="spray")
    assert sorted(spray.channel_packets.tolist()) == [10] * 8 + [40] * 2
    ecmp = simulate(fabric, messages((0, 1, 4096 * 40)), policy="ecmp")
    assert ecmp.channel_packets.tolist() == [40] * 4


def test_spray_uses_all_paths_of_a_two_tier_tree_in_turn() -> None:
    """Four first choices times four second ones: 64 packets take each of the 16 paths four times."""
    fabric = resolve({"shape": "fat-tree", "k": 8, "link": LINK})
    record = simulate(fabric, messages((0, 127, 64 * 4096)), policy="spray")
    by_load = np.unique(record.channel_packets, return_counts=True)
    assert [column.tolist() for column in by_load] == [[4, 16, 64], [2 * 16, 2 * 4, 2]]


def test_hash_by_pair_keeps_all_messages_of_a_pair_together() -> None:
    graph = nx.Graph(
        [
            (0, "s0"),
            *(("s0", f"s{i}") for i in range(1, 9)),
            *((f"s{i}", "s9") for i in range(1, 9)),
            ("s9", 1),
        ]
    )
    fabric = fabric_of(graph)
    traffic = Schedule((messages(*[(0, 1, 4096)] * 64),))
    by_message = routes(fabric, traffic.messages, Routing("ecmp"), Model(), 3)
    by_pair = routes(fabric, traffic.messages, Routing("ecmp", "pair"), Model(), 3)
    assert len(np.unique(by_message.channels)) > len(np.unique(by_pair.channels)) == 4


def test_packets_pass_only_nodes_that_forward() -> None:
    graph = nx.path_graph(4)
    graph.add_edges_from([(0, "s0"), ("s0", "s1"), ("s1", "s2"), ("s2", 3)])
    for node in (1, 2):
        graph.nodes[node]["forwards"] = False
    record = simulate(fabric_of(graph), messages((0, 3, 1)))
    assert record.channel_packets.tolist() == [1] * 4, "the short way leads through NPUs that do not forward"


def test_a_message_is_sent_and_delivered_at_once_without_latency() -> None:
    """The run does not end before the last message is sent as well."""
    record = simulate(path([("50 GB/s", "0 ns")]), messages((0, 1, 4096)))
    assert record.sent_ps.tolist() == record.delivered_ps.tolist() == [TX]


def test_what_is_added_up_takes_its_time_and_nothing_else_does() -> None:
    """A message of 4096 B takes 4096 ps more at 1 TB/s, before the rank goes on."""
    endpoint = Endpoint(reduce_rate=10**12)
    added = operation(Round([0], [1], [4096], reduce=True), Round([1], [0], [4096]))
    record = simulate(star(2), added, model=Model(endpoint=endpoint))
    way = 2 * (TX + LATENCY)
    assert record.delivered_ps.tolist() == [way + 4096, 2 * way + 4096]
    mixed = operation(Round([0, 1], [1, 0], [4096, 4096], reduce=np.array([False, True])))
    assert simulate(star(2), mixed, model=Model(endpoint=endpoint)).delivered_ps.tolist() == [way, way + 4096]
