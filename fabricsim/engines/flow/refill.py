"""Loops that fill a few flows anew and find whom that concerns: compiled where the solver is numba, else as they stand.

One solution is `relink`, and then `survey`, `fill`, `concerned` in turn until nobody new is concerned. A link is looked
at again only where a flow on it has joined: what its other flows leave, and who of them it limits, stays as noted.
"""

from __future__ import annotations

import heapq
from typing import Any, Final, NamedTuple

ABOVE: Final = 1 + 1e-11
"""Levels that differ by less carry the rounding of many fillings."""


class Lists(NamedTuple):
    """Flows as in `Flows`, the capacity of links [B/s], and for each link a list of the entries of flows on it.

    head: (links,) the first entry. after, before: (entries,) the next one, and the one before; −1 where there is none.
    owner: (entries,) the flow of each.
    """

    starts: Any
    links: Any
    weights: Any
    owner: Any
    capacity: Any
    head: Any
    after: Any
    before: Any


class State(NamedTuple):
    """Of each flow its rate [B/s], the link that limits it, whether it is filled anew; who is, and their old rates."""

    rate: Any
    bottleneck: Any
    inside: Any
    some: Any
    was: Any


class Notes(NamedTuple):
    """What one solution notes of links.

    used: those of the flows filled anew; todo: those of them to look at; mark: 0 if not used, 1 if used, 2 if to look
    at. Of each, what the other flows leave (room), the highest rate among them (top) and the lowest of those it limits
    (low); the weights and the number of the flows filled anew (share, many). While these are filled: what is left of
    the room, weights and number (free, wanted, growing), the rate at which the link has limited some of them, −1 if
    none (level), and the highest that any of them has (high).
    """

    used: Any
    todo: Any
    mark: Any
    room: Any
    top: Any
    low: Any
    share: Any
    many: Any
    free: Any
    wanted: Any
    growing: Any
    level: Any
    high: Any


def relink(started: Any, gone: Any, altered: Any, lists: Lists, state: State) -> int:
    """Take flows off the lists of their links, put others on; return how many must be filled, −1 if too many.

    Those are what has started, and whoever was limited by a link that something has left, or that is altered.
    """
    starts, links, owner, head, after, before = (
        lists.starts, lists.links, lists.owner, lists.head, lists.after, lists.before,
    )  # fmt: skip
    rate, bottleneck, inside, some, was = state.rate, state.bottleneck, state.inside, state.some, state.was
    count, most = 0, len(some)
    for flow in gone:
        rate[flow] = 0.0
        for entry in range(starts[flow], starts[flow + 1]):
            here, there = before[entry], after[entry]
            if here < 0:
                head[links[entry]] = there
            else:
                after[here] = there
            if there >= 0:
                before[there] = here
    for flow in started:
        if count == most:
            return -1
        inside[flow] = True
        some[count], was[count] = flow, 0.0
        count += 1
        for entry in range(starts[flow], starts[flow + 1]):
            link = links[entry]
            there = head[link]
            before[entry], after[entry] = -1, there
            if there >= 0:
                before[there] = entry
            head[link] = entry
    for flow in gone:
        for entry in range(starts[flow], starts[flow + 1]):
            link = links[entry]
            item = head[link]
            while item >= 0:
                other = owner[item]
                if bottleneck[other] == link and not inside[other]:
                    if count == most:
                        return -1
                    inside[other] = True
                    some[count], was[count] = other, rate[other]
                    count += 1
                item = after[item]
    for link in altered:
        item = head[link]
        while item >= 0:
            other = owner[item]
            if not inside[other]:
                if count == most:
                    return -1
                inside[other] = True
                some[count], was[count] = other, rate[other]
                count += 1
            item = after[item]
    return count


def survey(first: int, count: int, used: int, lists: Lists, state: State, notes: Notes) -> int:
    """Note of the links of flows some[first:count], which have joined, what others leave; return how many are used."""
    starts, links, weights, owner, head, after = (
        lists.starts, lists.links, lists.weights, lists.owner, lists.head, lists.after,
    )  # fmt: skip
    rate, bottleneck, inside, some = state.rate, state.bottleneck, state.inside, state.some
    todo, mark = notes.todo, notes.mark
    looks = 0
    for place in range(first, count):
        flow = some[place]
        for entry in range(starts[flow], starts[flow + 1]):
            link = links[entry]
            if mark[link] == 2:
                continue
            if mark[link] == 0:
                notes.used[used] = link
                used += 1
            mark[link] = 2
            todo[looks] = link
            looks += 1
    for place in range(looks):
        link = todo[place]
        room, top, low, share, many = lists.capacity[link], 0.0, float("inf"), 0.0, 0
        item = head[link]
        while item >= 0:
            other = owner[item]
            if inside[other]:
                share += weights[item]
                many += 1
            else:
                has = rate[other]
                room -= weights[item] * has
                if has > top:
                    top = has
                if has < low and bottleneck[other] == link:
                    low = has
            item = after[item]
        notes.room[link], notes.top[link], notes.low[link] = max(room, 0.0), top, low
        notes.share[link], notes.many[link] = share, many
        mark[link] = 1
    return used


def fill(count: int, used: int, lists: Lists, state: State, notes: Notes) -> None:
    """Fill flows some[:count] in what the others leave: always at the link of the least level next."""
    starts, links, weights, owner, head, after = (
        lists.starts, lists.links, lists.weights, lists.owner, lists.head, lists.after,
    )  # fmt: skip
    rate, bottleneck, some = state.rate, state.bottleneck, state.some
    free, wanted, growing, level, high = notes.free, notes.wanted, notes.growing, notes.level, notes.high
    for place in range(count):
        rate[some[place]] = -1.0
    heap = [(0.0, 0) for _ in range(0)]  # empty, of a type that compiles
    for place in range(used):
        link = notes.used[place]
        free[link], wanted[link], growing[link] = notes.room[link], notes.share[link], notes.many[link]
        level[link], high[link] = -1.0, 0.0
        heap.append((free[link] / wanted[link], link))
    heapq.heapify(heap)
    left = count
    while left:
        key, link = heapq.heappop(heap)
        if not growing[link]:
            continue
        now = max(free[link] / wanted[link], 0.0)
        if now > key * (1 + 1e-12) and len(heap) and now > heap[0][0]:
            heapq.heappush(heap, (now, link))
            continue
        level[link] = now
        item = head[link]
        while growing[link]:
            flow = owner[item]
            if rate[flow] < 0.0:
                rate[flow] = now
                bottleneck[flow] = link
                left -= 1
                for entry in range(starts[flow], starts[flow + 1]):
                    other = links[entry]
                    free[other] -= weights[entry] * now
                    wanted[other] -= weights[entry]
                    growing[other] -= 1
                    if now > high[other]:
                        high[other] = now
            item = after[item]


def concerned(count: int, used: int, lists: Lists, state: State, notes: Notes) -> int:
    """Have join whoever has lost his bottleneck, or has more than those whom a link limits; return how many are filled.

    −1 if they are too many.
    """
    owner, head, after = lists.owner, lists.head, lists.after
    rate, bottleneck, inside, some, was = state.rate, state.bottleneck, state.inside, state.some, state.was
    for place in range(used):
        link = notes.used[place]
        full = notes.free[link] <= lists.capacity[link] * (ABOVE - 1)
        # those whom the link limits have lost it if they have less than `least`; nobody may have more than `most`
        least = max(notes.top[link], notes.high[link]) / ABOVE if full else float("inf")
        most = notes.level[link] * ABOVE if notes.level[link] >= 0.0 else float("inf")
        if notes.low[link] >= least and notes.top[link] <= most:
            continue
        item = head[link]
        while item >= 0:
            other = owner[item]
            loses = bottleneck[other] == link and rate[other] < least
            if not inside[other] and (loses or rate[other] > most):
                if count == len(some):
                    return -1
                inside[other] = True
                some[count], was[count] = other, rate[other]
                count += 1
            item = after[item]
    return count
