"""Rounds at a time: messages whose rates are known without following every event.

Two kinds of round need no events. In a **free** round no channel is asked for more than it has, even if all messages
run at once as on an idle fabric; each then takes the time it takes alone, whatever the others do, and a repeated round
is walked through rank by rank (`progress`). In a **burst** all messages start together, and are solved once.
Both assume that no other round is on their channels meanwhile. That is checked at the end, over all channels and
times; where it fails, the events are followed one by one instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.outcome import Outcome
from fabricsim.engines.flow.pool import NOBODY, Pool, Settings
from fabricsim.engines.flow.progress import Pass, Walk, walk
from fabricsim.engines.flow.solver import TOLERANCE
from fabricsim.engines.flow.transfers import Traffic, Transfers, transfers_of
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import Operation, Round, Schedule
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
TOGETHER = 1e-13
"""Ranks that enter a round within this share of the clock enter it together."""


@dataclass(frozen=True, eq=False)
class Block:
    """A round and its repeats, done: which operation and rounds it is, its transfers, and its times.

    start, end: (messages,) when the fluid of each begins in the first pass, and ends in the last. sent, delivered:
    (messages,) of the first pass; last: delivery of the last. load: (links,) what it asks of each link at most.
    """

    operation: int
    number: int
    repeat: int
    round: Round
    transfers: Transfers
    walk: Walk
    release: Floats
    sent: Floats
    delivered: Floats
    last: Floats
    start: Floats
    end: Floats
    load: Floats
    solves: int

    @property
    def rows(self) -> tuple[IntArray, IntArray, tuple[Floats, ...]]:
        """The round of each row, how many passes it stands for, and its release, sent, delivered and last delivery."""
        times = (self.release, self.sent, self.delivered)
        count = len(self.round.src)
        if self.walk.each is None:
            return np.full(count, self.number), np.full(count, self.repeat), (*times, self.last)
        passes = self.number + np.arange(self.repeat)
        moved = [(self.walk.each + (t - self.walk.first)).reshape(-1) for t in times]
        return np.repeat(passes, count), np.ones(count * self.repeat, np.int64), (*moved, moved[2])


def misfit(schedule: Schedule, failures: Failures, model: Model, routing: Routing) -> str:
    """Return why events have to be followed one by one; empty if rounds may be taken at a time."""
    if len(failures):
        return "links fail or degrade"
    if model.endpoint.gap:
        return "endpoint.gap makes messages wait for each other"
    for op in schedule.operations:
        if op.graph is not None:
            return f"{op.name!r} is a graph of tasks"
        if op.meets:
            return f"messages of {op.name!r} meet in switches"
        if op.warmup and any(r.repeat > 1 for r in op.rounds):
            return f"the warm-up of {op.name!r} tells repeats of a round apart"
        hashed = routing.policy == "ecmp" and routing.hash == "message"
        if hashed and any(r.repeat > 1 for r in op.rounds):
            return f"each repeat of a round of {op.name!r} takes paths of its own"
    return ""


def by_rounds(
    fabric: Fabric, schedule: Schedule, routing: Routing, model: Model, seed: int, settings: Settings
) -> Outcome | None:
    """Return the Outcome of taking rounds at a time, or None where they turn out to depend on each other's events."""
    blocks: list[Block] = []
    finish: dict[str, Floats] = {}
    message = schedule.first_message
    for index, op in enumerate(schedule.operations):
        entry = _entry(fabric, op, finish)
        number = 0
        for merged in _merged(op.rounds):
            block = _block(fabric, index, number, merged, message, entry, routing, model, seed, settings)
            if block is None:
                return None
            blocks.append(block)
            number, message = number + merged.repeat, message + merged.messages * merged.repeat
            if block.walk.leave is None:
                if number < op.round_count or any(op.name in later.after for later in schedule.operations):
                    return None
                break
            entry[_members(merged)] = block.walk.leave
        finish[op.name] = entry
    return None if _overbooked(fabric, blocks) else _outcome(schedule, blocks)


def _entry(fabric: Fabric, op: Operation, finish: dict[str, Floats]) -> Floats:
    """Return (fabric ranks,) when each rank enters an operation; NaN for ranks that have no part in it."""
    entry = np.full(fabric.ranks, np.nan)
    before = [finish[name] for name in op.after]
    if op.barrier and before:
        entry[op.ranks] = max(float(np.nanmax(times)) for times in before)
    else:
        waits = [np.where(np.isnan(times[op.ranks]), 0.0, times[op.ranks]) for times in before]
        entry[op.ranks] = np.max(waits, axis=0) if waits else 0.0
    return entry + op.start


def _merged(rounds: tuple[Round, ...]) -> list[Round]:
    """Return the rounds, those that are equal and follow each other as one with their repeats together."""
    out: list[Round] = []
    for r in rounds:
        if out and _equal(out[-1], r):
            out[-1] = out[-1].repeated(out[-1].repeat + r.repeat)
        else:
            out.append(r)
    return out


def _equal(a: Round, b: Round) -> bool:
    plain = a.delay is None and b.delay is None and a.meetings is None and b.meetings is None
    return plain and all(np.array_equal(x, y) for x, y in ((a.src, b.src), (a.dst, b.dst), (a.size, b.size)))


def _members(r: Round) -> IntArray:
    return np.unique(np.concatenate([r.src, r.dst]))


# -- one round ---------------------------------------------------------------------------------------------


def _block(
    fabric: Fabric, index: int, number: int, r: Round, message: int, ranks: Floats,
    routing: Routing, model: Model, seed: int, settings: Settings,
) -> Block | None:  # fmt: skip
    count = len(r.src)
    none = np.full(count, -1, np.int64)
    traffic = Traffic(r.src, r.dst, r.size, message + np.arange(count), none, none.astype(np.bool_) & False)
    transfers = transfers_of(fabric, traffic, routing, model, seed)
    members = _members(r)
    place = np.zeros(fabric.ranks, np.int64)
    place[members] = np.arange(len(members))
    src, dst, entry = place[r.src], place[r.dst], ranks[members]
    wait = (np.zeros(count) if r.delay is None else r.delay) + model.endpoint.send_overhead
    load = transfers.flows.load(transfers.solo, len(transfers.channels))
    solves = 0
    if np.all(load <= transfers.capacity * (1 + TOLERANCE)):
        fluid = transfers.wire / transfers.solo
    else:
        start = entry[src] + wait
        if np.ptp(start) > TOGETHER * abs(float(start[0])):
            return None
        fluid, solves = burst(transfers, settings)
        load = transfers.capacity
    arrived = fluid + transfers.arrived + model.endpoint.recv_overhead
    one = Pass(src, dst, wait + fluid + transfers.sent, wait + arrived)
    walked = walk(one, entry, r.repeat)
    if walked is None or (solves and r.repeat > 1 and not _in_step(walked, entry, one)):
        return None
    release = walked.first + wait - model.endpoint.send_overhead
    begin = walked.first + wait
    if walked.last is None:
        end = last = np.full(count, float(walked.end[-1]))
    else:
        end, last = walked.last + wait + fluid, walked.last + one.delivered
    return Block(
        index, number, r.repeat, r, transfers, walked, release, walked.first + one.sent, walked.first + one.delivered,
        last, begin, end, load, solves,
    )  # fmt: skip


def _in_step(walked: Walk, entry: Floats, one: Pass) -> bool:
    """Return whether all ranks have stayed together through all passes, so that every pass was a burst."""
    after = one.after(entry)
    return walked.leave is not None and all(
        float(np.ptp(times)) <= TOGETHER * float(times.max()) for times in (after, walked.leave)
    )


def burst(transfers: Transfers, settings: Settings) -> tuple[Floats, int]:
    """Return how long the fluid of each transfer takes if all start together, and how often rates were found."""
    pool = Pool(transfers.flows, transfers.wire, transfers.capacity, settings)
    took = np.zeros(len(transfers))
    pool.solve(0.0, np.arange(len(transfers)))
    done, ends = pool.finish_if_equal()
    took[done] = ends
    while pool.next_end() < np.inf:
        now = pool.next_end()
        done = pool.take(now)
        took[done] = now
        if pool.frees(done):
            pool.solve(now, NOBODY)
    return took, pool.solves


# -- all rounds together -----------------------------------------------------------------------------------


def _overbooked(fabric: Fabric, blocks: list[Block]) -> bool:
    """Return whether rounds that overlap in time ask some channel for more than it has.

    A block counts on a channel from its first message there to its last: more than it uses, never less.
    """
    if len(blocks) < 2:
        return False
    channel, time, change = [], [], []
    for block in blocks:
        flows, links = block.transfers.flows, len(block.transfers.channels)
        begin, end = np.full(links, np.inf), np.zeros(links)
        np.minimum.at(begin, flows.links, block.start[flows.flow])
        np.maximum.at(end, flows.links, block.end[flows.flow])
        # what ends in the instant in which another begins is over: rounding must not make them meet
        end -= np.minimum(1e-12 * end, 0.5 * (end - begin))
        channel += [block.transfers.channels] * 2
        time += [begin, end]
        change += [block.load, -block.load]
    order = np.lexsort((np.concatenate(time), np.concatenate(channel)))
    of = np.concatenate(channel)[order]
    total = np.cumsum(np.concatenate(change)[order])
    # loads of a channel add up to nothing, so the running sum starts anew with each
    return bool(np.any(total > fabric.bandwidth[of] * (1 + 1e-6)))


def _outcome(schedule: Schedule, blocks: list[Block]) -> Outcome:
    rows = [block.rows for block in blocks]
    counts = [len(number) for number, _, _ in rows]
    release, sent, delivered, last = (
        np.concatenate([times[column] for _, _, times in rows]) for column in range(4)
    )
    src, dst, size = (
        np.concatenate([np.resize(getattr(b.round, name), n) for b, n in zip(blocks, counts, strict=True)])
        for name in ("src", "dst", "size")
    )
    operation = np.repeat([block.operation for block in blocks], counts)
    start, end = np.full(len(schedule.operations), np.inf), np.full(len(schedule.operations), -np.inf)
    for block in blocks:
        start[block.operation] = min(start[block.operation], float(block.walk.first.min()))
    np.maximum.at(end, operation, last)
    count = np.concatenate([many for _, many, _ in rows])
    channels, wire, capacity = _channel_wire(blocks)
    bounds = [float((wire / capacity).max()), max(block.transfers.path_ps for block in blocks) / PS_PER_S]
    table = [_round_rows(block) for block in blocks]
    return Outcome(
        operation, np.concatenate([number for number, _, _ in rows]), src, dst, size, count,
        release, sent, delivered, last, start, end,
        np.concatenate([row for row, _ in table], axis=1), np.concatenate([span for _, span in table], axis=1),
        channels, wire, int((size * count).sum()), max(bounds), sum(block.solves for block in blocks),
    )  # fmt: skip


def _channel_wire(blocks: list[Block]) -> tuple[IntArray, Floats, Floats]:
    """Return the channels used, the wire bytes on each, and its capacity."""
    channels = np.concatenate([block.transfers.channels for block in blocks])
    wire = np.concatenate([block.transfers.channel_wire * block.repeat for block in blocks])
    capacity = np.concatenate([block.transfers.capacity for block in blocks])
    if len(blocks) == 1:
        return channels, wire, capacity
    used, first, place = np.unique(channels, return_index=True, return_inverse=True)
    return used, np.bincount(place, wire, len(used)).astype(np.float64), capacity[first]


def _round_rows(block: Block) -> tuple[IntArray, Floats]:
    """Return the rows of the rounds table: one a pass where their times are known, else one for all."""
    passes = len(block.walk.begin)
    alike = 1 if passes == block.repeat else block.repeat
    payload, messages = int(block.round.size.sum()), len(block.round.src)
    columns = [np.full(passes, value) for value in (block.operation, alike, messages, payload)]
    numbers = block.number + np.arange(passes)
    return np.stack([columns[0], numbers, *columns[1:]]), np.stack([block.walk.begin, block.walk.end])
