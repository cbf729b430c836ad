"""A second, slow packet simulator, written from the description of the model alone, to test the kernel.

It knows explicit queues, and phases in which every idle channel picks by (ready time, source before or after
transit, id); nothing is planned ahead. One operation of one round, store-and-forward or cut-through.
"""

from __future__ import annotations

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.failures import LinkDown, Recovery
from fabricsim.model import Model, transmit_ps
from fabricsim.routing import Routes
from fabricsim.schedule import Messages


def naive_delivery(fabric: Fabric, messages: Messages, paths: Routes, model: Model) -> list[int]:
    """Return when each message is delivered, in ps, all being released at 0."""
    packets = []  # (id, message, wire, path)
    for message, size in enumerate(messages.size.tolist()):
        for index in range(model.packets(size)):
            payload = model.last_payload(size) if index == model.packets(size) - 1 else model.mtu
            p = int(paths.first[message]) + index % int(paths.count[message])
            route = paths.channels[paths.starts[p] : paths.starts[p + 1]].tolist()
            packets.append((len(packets), message, index, model.wire(payload), route))
    rate, latency = fabric.bandwidth.tolist(), fabric.latency_ps.tolist()
    delay = fabric.delay_ps[fabric.channel_dst].tolist()
    queues: dict[int, list[tuple]] = {}
    free: dict[int, int] = {}
    arrivals: dict[int, list[tuple[int, int]]] = {}  # time -> (packet, hop it is ready for)
    wakes: set[int] = {0}
    done: dict[int, int] = {}
    for ident, message, index, _, route in packets:
        turn = (int(messages.dst[message]) - int(messages.src[message])) % fabric.ranks
        queues.setdefault(route[0], []).append((0, 1, (index, turn, message), ident, 0))
    while wakes or arrivals:
        now = min([*wakes, *arrivals])
        wakes.discard(now)
        for ident, hop in arrivals.pop(now, []):
            message, route = packets[ident][1], packets[ident][4]
            if hop == len(route):
                done[message] = now
            else:
                queues.setdefault(route[hop], []).append((now, 0, (ident,), ident, hop))
        for channel in sorted(queues):
            if free.get(channel, 0) > now or not queues[channel]:
                continue
            first = min(queues[channel])
            queues[channel].remove(first)
            ident, hop = first[3], first[4]
            _, _, _, wire, route = packets[ident]
            end = now + transmit_ps(wire, rate[channel])
            ready = end + latency[channel]
            if hop + 1 < len(route):
                if model.switching == "cut-through":
                    head = (
                        now
                        + (transmit_ps(model.wire(0), rate[channel]) if model.wire(0) else 0)
                        + latency[channel]
                    )
                    ready = max(head, ready - transmit_ps(wire, rate[route[hop + 1]]))
                ready += delay[channel]
            arrivals.setdefault(ready, []).append((ident, hop + 1))
            free[channel] = end
            wakes.add(end)
    return [done[message] for message in range(len(messages))]


def random_fabric(rng: np.random.Generator, *, zero_latency: bool) -> Fabric:
    """Return a connected random fabric with a few rates and latencies, so that ties are common."""
    import networkx as nx

    from tests.engines.lab import fabric_of

    ranks, switches = int(rng.integers(2, 7)), int(rng.integers(0, 4))
    nodes = [*range(ranks), *(f"s{i}" for i in range(switches))]
    graph = nx.MultiGraph()
    order = list(rng.permutation(len(nodes)))
    for position, index in enumerate(order[1:], 1):
        graph.add_edge(nodes[order[int(rng.integers(position))]], nodes[index])
    for _ in range(int(rng.integers(0, 2 * len(nodes)))):
        a, b = rng.choice(len(nodes), 2, replace=False)
        graph.add_edge(nodes[a], nodes[b])
    for _, _, data in graph.edges(data=True):
        data["bandwidth"] = str(rng.choice(["50 GB/s", "25 GB/s", "100 GB/s"]))
        data["latency"] = str(rng.choice(["0 ns" if zero_latency else "163.84 ns", "100 ns", "81.92 ns"]))
    for node in graph.nodes:
        graph.nodes[node]["delay"] = str(rng.choice(["0 ns", "81.92 ns"]))
    return fabric_of(graph)


def random_losses(
    rng: np.random.Generator, fabric: Fabric, answer: str, pairs: int, most: int
) -> tuple[list[LinkDown], Recovery, list[tuple[int, int, int]]]:
    """Return links that fail, most repaired later, what is done about that, and messages of less than `most` bytes."""
    faults = []
    for link in rng.integers(0, fabric.link_count, 4).tolist():
        ends = tuple(fabric.node_name(int(end[link])) for end in (fabric.src, fabric.dst))
        repair = float(rng.uniform(1e-8, 3e-6)) if rng.random() < 0.7 else None
        faults.append(LinkDown(float(rng.uniform(0, 4e-6)), ends, repair))
    recovery = Recovery(float(rng.choice([0.0, 1e-7, 1e-6])), answer, 1e-6 if answer == "recompute" else 0.0)
    ends_of = rng.integers(0, fabric.ranks, (pairs, 2))
    return faults, recovery, [(int(a), int(b), int(rng.integers(1, most))) for a, b in ends_of if a != b]
