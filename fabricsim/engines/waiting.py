"""What waits for what, when nothing moves any more: the circle of buffers, or the buffers that hold packets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fabricsim.engines.queues import QueuedPort
from fabricsim.fabric import Fabric

Lane = tuple[int, int]
"""A buffer: the channel at whose far end it is, and the lane."""
SHOWN = 16


def waits_for(fabric: Fabric, ports: Iterable[QueuedPort]) -> list[str]:
    """Return lines that say which buffers wait for room in which others, the circle alone where there is one."""
    edges = _edges(ports)
    names = {lane: f"{fabric.channel_name(lane[0])} (lane {lane[1]})" for pair in edges for lane in pair}
    circle = circle_in(edges)
    if circle:
        steps = zip(circle, [*circle[1:], circle[0]], strict=True)
        shown = [f"  {names[a]} waits for {edges[a, b]} of {names[b]}" for a, b in steps]
        return ["  buffers wait for each other in a circle (deadlock):", *_cut(shown)]
    return _cut([f"  {names[a]} waits for {why} of {names[b]}" for (a, b), why in sorted(edges.items())])


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"  … and {more} more"]


def _edges(ports: Iterable[QueuedPort]) -> Mapping[tuple[Lane, Lane], str]:
    """Return which buffer waits for which one, and what for, of all first packets that are held up."""
    found = {}
    for port in ports:
        for queue in port.contenders:
            packet = queue.packets[0]
            gate = port.gates[packet.lane]
            if packet.via is not None and not packet.granted and not gate.open(packet.wire):
                lane = packet.via.gates.index(packet.gate)
                held, wanted = (packet.via.wiring.channel, lane), (port.wiring.channel, packet.lane)
                found[held, wanted] = gate.waiting_for
    return found


def circle_in(edges: Iterable[tuple[Lane, Lane]]) -> list[Lane]:
    """Return a circle of buffers, from the least one in it on; empty where there is none."""
    after: dict[Lane, list[Lane]] = {}
    for held, wanted in sorted(edges):
        after.setdefault(held, []).append(wanted)
    done: set[Lane] = set()
    for start in sorted(after):
        path: list[Lane] = []
        follow = [iter([start])]
        while follow:
            lane = next(follow[-1], None)
            if lane is None:
                follow.pop()
                done.update(path[-1:])
                del path[-1:]
            elif lane in path:
                circle = path[path.index(lane) :]
                first = circle.index(min(circle))
                return circle[first:] + circle[:first]
            elif lane not in done:
                path.append(lane)
                follow.append(iter(after.get(lane, ())))
    return []
