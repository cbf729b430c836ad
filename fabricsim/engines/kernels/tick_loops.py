"""The loops of `ticks`, which Numba compiles: plain Python over arrays. Without Numba only the tests call them.

What their rows hold is named in `tick_state`.
"""

# Numba reads the types off the arguments
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from fabricsim.engines.kernels.tick_state import (
    ACKNOWLEDGED,
    ANSWERS,
    ARRIVALS,
    AT,
    BANDWIDTH,
    BUSY,
    CALLED,
    CREDIT,
    CREDIT_END,
    CREDITS,
    ENTERED,
    FIRST,
    FREE,
    FREE_PAGE,
    HEADER,
    JOIN,
    JOIN_END,
    KINDS,
    LAST,
    LAST_ARRIVAL,
    LAST_LEFT,
    LATENCY,
    LATEST,
    MARKED_BYTES,
    MARKS,
    MISSING,
    NEXT,
    ONWARD,
    OPEN,
    PAGE,
    PEAK,
    PENDING,
    RATE,
    READY,
    RETURNS,
    SENT,
    SIZE_BITS,
    TAKEN,
    TOLD_SENT,
    TOLD_THERE,
    TOTAL,
    TRANSIT,
    UNSENT,
    UPDATE_AT,
    WAITING,
    WAKES,
    WHAT,
    WINDOW,
    WIRE,
    WOKEN,
)  # fmt: skip
from fabricsim.units import PS_PER_S

NEVER = np.iinfo(np.int64).max
TOGETHER = 16
"""Channels that are looked at before they work."""
APART = frozenset({"run", "admit", "hear_all", "come", "wake", "deal", "sort", "touch"})
"""What is called so seldom that it need not be compiled into its callers."""


def sort(rows, begin, end):
    """Sort a stretch of rows by time and tie (Shell, CACM 1959)."""
    gap = 1
    while 9 * gap < end - begin:
        gap = 3 * gap + 1
    while gap:
        for row in range(begin + gap, end):
            time, tie, item = rows[row, 0], rows[row, 1], rows[row, 2]
            spot = row - gap
            while spot >= begin and (time < rows[spot, 0] or (time == rows[spot, 0] and tie < rows[spot, 1])):
                rows[spot + gap, 0], rows[spot + gap, 1] = rows[spot, 0], rows[spot, 1]
                rows[spot + gap, 2] = rows[spot, 2]
                spot -= gap
            rows[spot + gap, 0], rows[spot + gap, 1], rows[spot + gap, 2] = time, tie, item
        gap //= 3


def put(rules, state, kind, owner, time, tie, item):
    """Write an event into the calendar."""
    slot = state.slots[(time >> rules.shift) & (len(state.slots) - 1)]
    page, row = slot[kind], slot[KINDS + kind]
    if page < 0 or row == PAGE:
        fresh = state.counts[FREE_PAGE]
        state.counts[FREE_PAGE] = state.pages[fresh]
        state.pages[fresh] = page
        page, row = fresh, 0
        slot[kind] = page
    slot[KINDS + kind] = row + 1
    event = state.book[page * PAGE + row]
    event[0], event[1], event[2], event[3] = owner, time, tie, item
    state.counts[PENDING] += 1


def turn(state, slot, kind, page, rows):
    """Close a page that has been read; return the one before and its rows, or −1 and 0."""
    state.counts[PENDING] -= rows
    before = state.pages[page]
    state.pages[page] = state.counts[FREE_PAGE]
    state.counts[FREE_PAGE] = page
    return before, 0 if before < 0 else PAGE


def deal(state, desk, slot, kind, dealt):
    """Put the events of each owner together, in order; return how many owners there are."""
    book, came, owners, bounds = state.book, desk.came, desk.owners, desk.bounds
    used = first = 0
    page, rows = state.slots[slot, kind], state.slots[slot, KINDS + kind]
    while page >= 0:
        for row in range(page * PAGE, page * PAGE + rows):
            owner = book[row, 0]
            if came[owner] == 0:
                owners[used] = owner
                used += 1
            came[owner] += 1
        page, rows = state.pages[page], PAGE
    for number in range(used):
        bounds[number] = first
        first += came[owners[number]]
        came[owners[number]] = bounds[number]
    bounds[used] = first
    page, rows = state.slots[slot, kind], state.slots[slot, KINDS + kind]
    state.slots[slot, kind] = -1
    while page >= 0:
        for row in range(page * PAGE, page * PAGE + rows):
            owner = book[row, 0]
            spot = came[owner]
            came[owner] += 1
            dealt[spot, 0], dealt[spot, 1], dealt[spot, 2] = book[row, 1], book[row, 2], book[row, 3]
        page, rows = turn(state, slot, kind, page, rows)
    for number in range(used):
        came[owners[number]] = 0
        sort(dealt, bounds[number], bounds[number + 1])
    return used


def path_of(job, message, index):
    """Return the path of a message's packet."""
    count = job.paths[message]
    return job.first_path[message] + (index if index < count else index % count)


def let_in(rules, job, state, message, time):
    """Let packets of a message enter its source's queue at `time`, as far as its window goes."""
    row = state.message[message]
    position, total, last = 0, len(state.arrived), job.packets[message] - 1
    while row[ENTERED] <= last:
        index = row[ENTERED]
        payload = job.last_payload[message] if index == last else rules.mtu
        if row[OPEN] + payload > row[WINDOW]:
            return
        row[OPEN] += payload
        row[ENTERED] += 1
        one = job.first[message] + index
        packet = state.packet[one]
        packet[AT] = job.starts[path_of(job, message, index)]
        packet[WHAT] = (job.last_size[message] if index == last else job.full_size) << 1
        channel = job.route[packet[AT]]
        tie = total + position * len(job.packets) + job.standing[message]
        put(rules, state, TRANSIT, channel if channel >= 0 else -1 - channel, time, tie, one)
        position += 1


def hear(rules, job, state, message, one):
    """Make room for what an acknowledged packet had taken, and let marks change the window (RFC 8257)."""
    row = state.message[message]
    index = one - job.first[message]
    payload = job.last_payload[message] if index + 1 == job.packets[message] else rules.mtu
    if rules.adapts:
        row[ACKNOWLEDGED] += payload
        if state.packet[one, WHAT] & 1:
            row[MARKED_BYTES] += payload
        if row[UPDATE_AT] < 0:  # the first window is watched to its end
            row[UPDATE_AT] = row[ENTERED]
        elif index >= row[UPDATE_AT]:
            share = row[MARKED_BYTES] / row[ACKNOWLEDGED]
            alpha = (1 - rules.gain) * state.alpha[message] + rules.gain * share
            state.alpha[message] = alpha
            if row[MARKED_BYTES] > 0:
                row[WINDOW] = max(rules.mtu, int(row[WINDOW] * (1 - alpha / 2)))
            else:
                row[WINDOW] += rules.mtu
            row[ACKNOWLEDGED] = row[MARKED_BYTES] = 0
            row[UPDATE_AT] = row[ENTERED]
    row[OPEN] -= payload


def hear_all(rules, job, state, desk, slot):
    """Hear the answers of a tick, message by message; those of one instant are all heard before anything enters."""
    for number in range(deal(state, desk, slot, ANSWERS, desk.joining)):
        message, end = desk.owners[number], desk.bounds[number + 1]
        for row in range(desk.bounds[number], end):
            hear(rules, job, state, message, desk.joining[row, 2])
            time = desk.joining[row, 0]
            if row + 1 == end or desk.joining[row + 1, 0] != time:
                let_in(rules, job, state, message, time)


def call(state, desk, channel, called):
    """Note that a channel has something to do in this tick; return how many have."""
    if state.channel[channel, CALLED]:
        return called
    state.channel[channel, CALLED] = 1
    desk.called[called] = channel
    return called + 1


def come(state, desk, slot, kind, dealt, begins, called):
    """Deal what comes in a tick to its channels: packets, or credits; return how many channels are called by now.

    begins: the column for where a channel's stretch of `dealt` begins; the next one is for its end.
    """
    for number in range(deal(state, desk, slot, kind, dealt)):
        channel = desk.owners[number]
        state.channel[channel, begins] = desk.bounds[number]
        state.channel[channel, begins + 1] = desk.bounds[number + 1]
        called = call(state, desk, channel, called)
    return called


def wake(state, desk, slot, called):
    """Call the channels that become free in a tick, with packets waiting; return how many are called by now."""
    page, rows = state.slots[slot, WAKES], state.slots[slot, KINDS + WAKES]
    state.slots[slot, WAKES] = -1
    while page >= 0:
        for row in range(page * PAGE, page * PAGE + rows):
            channel = state.book[row, 0]
            state.channel[channel, WOKEN] = 0
            called = call(state, desk, channel, called)
        page, rows = turn(state, slot, WAKES, page, rows)
    return called


def is_marked(rules, packet, channel, behind):
    """Return whether a packet is marked with so many bytes waiting behind it."""
    if behind <= rules.kmin or behind > rules.kmax:
        return behind > rules.kmax
    # splitmix64(seed, packet, channel)
    state = np.uint64(0)
    for word in (rules.seed, np.uint64(packet), np.uint64(channel)):
        state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    odds = rules.pmax * (behind - rules.kmin) / (rules.kmax - rules.kmin)
    return (state >> np.uint64(11)) * 2.0**-53 < odds


def leave(job, state, one, end):
    """Work out what follows from a packet's leaving its source."""
    number = job.message[one]
    message = state.message[number]
    message[UNSENT] -= 1
    message[LAST_LEFT] = max(message[LAST_LEFT], end)
    if message[UNSENT] == 0 and job.sent_awaited[number]:
        state.told_sent[state.counts[TOLD_SENT]] = number
        state.counts[TOLD_SENT] += 1


def arrive(rules, job, state, one, time):
    """Work out what follows from a packet's arrival where it ends."""
    number = job.message[one]
    message = state.message[number]
    state.arrived[one] = time
    state.counts[ARRIVALS] += 1
    state.counts[LATEST] = max(state.counts[LATEST], time)
    message[MISSING] -= 1
    message[LAST_ARRIVAL] = max(message[LAST_ARRIVAL], time)
    if message[MISSING] == 0 and job.delivered_awaited[number]:
        state.told_there[state.counts[TOLD_THERE]] = number
        state.counts[TOLD_THERE] += 1
    if rules.answers:
        path = path_of(job, number, one - job.first[number])
        put(rules, state, ANSWERS, number, time + job.answer[path], one, one)


def follow(rules, job, state, row, channel, one, start, end):
    """Work out what follows from a packet that is on a channel from `start` to `end`."""
    packet = state.packet[one]
    what, hop = packet[WHAT], packet[AT]
    via, size = (what >> 1 >> SIZE_BITS) - 1, what >> 1 & ((1 << SIZE_BITS) - 1)
    if via < 0:
        leave(job, state, one, end)
    elif rules.credited:
        put(rules, state, RETURNS, via, end + job.back[via], 0, job.cells[size])
    if job.route[hop] < 0:
        time = end + row[LATENCY]
        arrive(rules, job, state, one, time)
        if rules.credited:
            put(rules, state, RETURNS, channel, time + job.back[channel], 0, job.cells[size])
        return
    ready, after = end + row[ONWARD], job.route[hop + 1]
    if after < 0:
        after = -1 - after
    if rules.cut_through:
        # the head moves on once it is in, but no earlier than lets the tail never run dry at the next rate
        ahead = job.transmit[size * job.rates + state.channel[after, RATE]]
        ready = max(start + row[HEADER] + row[ONWARD], ready - ahead)
    packet[AT], packet[WHAT] = hop + 1, (channel + 1) << SIZE_BITS << 1 | size << 1 | what & 1
    put(rules, state, TRANSIT, after, ready, one, one)


def serve(rules, job, state, desk, channel):
    """Have a channel serve what becomes ready for it, however long that waits: nothing can change it."""
    row = state.channel[channel]
    free, peak, rate = row[FREE], row[PEAK], row[RATE]
    octets = busy = 0
    for spot in range(row[JOIN], row[JOIN_END]):
        due, one = desk.joining[spot, 0], desk.joining[spot, 2]
        size = state.packet[one, WHAT] >> 1 & ((1 << SIZE_BITS) - 1)
        time = job.transmit[size * job.rates + rate]
        start = max(free, due)
        free = start + time
        peak = max(peak, free - due)
        busy += time
        octets += job.wires[size]
        follow(rules, job, state, row, channel, one, start, free)
    row[FREE], row[PEAK] = free, peak
    row[SENT] += row[JOIN_END] - row[JOIN]
    row[WIRE] += octets
    row[BUSY] += busy
    row[CALLED] = row[JOIN] = row[JOIN_END] = 0


def touch(job, state, desk, begin, end):
    """Look at what some called channels will need. All these looks wait for memory together, later ones one by one."""
    seen = 0
    for number in range(begin, end):
        row = state.channel[desk.called[number]]
        if row[FIRST] >= 0:
            seen += job.route[state.packet[row[FIRST], AT]]
        for spot in range(row[JOIN], row[JOIN_END]):
            seen += job.route[state.packet[desk.joining[spot, 2], AT]]
    desk.bounds[0] = seen  # else a compiler would leave it all out


def work(rules, job, state, desk, channel, until):
    """Have a channel take in what joins its queue before `until`, and start what can start before it.

    since: when the last credits came that the first packet waited for.
    """
    row = state.channel[channel]
    free, waiting, cells_free, peak = row[FREE], row[WAITING], row[CREDITS], row[PEAK]
    one, last, rate, size, need = row[FIRST], row[LAST], row[RATE], 0, 0
    join, joins, credit, all_credits = row[JOIN], row[JOIN_END], row[CREDIT], row[CREDIT_END]
    began = octets = busy = since = 0
    while True:
        start = NEVER
        if one >= 0:
            packet = state.packet[one]
            what = packet[WHAT]
            size = what >> 1 & ((1 << SIZE_BITS) - 1)
            if rules.credited:
                need = job.cells[size]
                while cells_free < need and credit < all_credits:
                    since = desk.returning[credit, 0]
                    cells_free += desk.returning[credit, 2]
                    credit += 1
            if cells_free >= need:
                start = max(free, packet[READY], since)
        if join < joins and desk.joining[join, 0] <= start:
            time, new = desk.joining[join, 0], desk.joining[join, 2]
            join += 1
            packet = state.packet[new]
            packet[READY], packet[NEXT] = time, -1
            if one < 0:
                one = new
            else:
                state.packet[last, NEXT] = new
            last = new
            if not rules.plain:
                waiting += job.wires[packet[WHAT] >> 1 & ((1 << SIZE_BITS) - 1)]
                backlog = waiting
                if free > time:
                    backlog += (free - time) * row[BANDWIDTH] // PS_PER_S
                peak = max(peak, backlog)
            continue
        if start >= until:
            break
        if rules.credited:
            while credit < all_credits and desk.returning[credit, 0] <= start:
                cells_free += desk.returning[credit, 2]
                credit += 1
            cells_free -= need
            row[TAKEN] = max(row[TAKEN], row[TOTAL] - cells_free)
        following, ready, wire = packet[NEXT], packet[READY], job.wires[size]
        waiting -= wire
        if rules.marks and is_marked(rules, one, channel, waiting):
            what |= 1
            row[MARKS] += 1
        time = job.transmit[size * job.rates + rate]
        free = start + time
        busy += time
        octets += wire
        began += 1
        if rules.plain:
            peak = max(peak, free - ready)
        packet[WHAT] = what
        follow(rules, job, state, row, channel, one, start, free)
        one = following
    while credit < all_credits:
        cells_free += desk.returning[credit, 2]
        credit += 1
    row[FREE], row[WAITING], row[CREDITS], row[PEAK], row[FIRST], row[LAST] = (
        free,
        waiting,
        cells_free,
        peak,
        one,
        last,
    )
    row[SENT] += began
    row[WIRE] += octets
    row[BUSY] += busy
    row[CALLED] = row[JOIN] = row[JOIN_END] = row[CREDIT] = row[CREDIT_END] = 0
    if start != NEVER and not row[WOKEN]:
        row[WOKEN] = 1
        put(rules, state, WAKES, channel, start, 0, 0)


def run(rules, job, state, desk, tick, stop, most):
    """Run ticks from `tick` on, and return the first that was not run: `stop`, or earlier.

    It ends where there is a message to tell of, where nothing is to come, and after `most` ticks.
    """
    slots, counts = state.slots, state.counts
    mask = len(slots) - 1
    while counts[PENDING] and tick < stop and most and counts[TOLD_SENT] == 0 and counts[TOLD_THERE] == 0:
        slot = tick & mask
        if max(slots[slot, TRANSIT], slots[slot, ANSWERS], slots[slot, RETURNS], slots[slot, WAKES]) < 0:
            tick += 1
            continue
        if slots[slot, ANSWERS] >= 0:
            hear_all(rules, job, state, desk, slot)
        called = come(state, desk, slot, TRANSIT, desk.joining, JOIN, 0)
        called = come(state, desk, slot, RETURNS, desk.returning, CREDIT, called)
        called = wake(state, desk, slot, called)
        for begin in range(0, called, TOGETHER):
            end = min(called, begin + TOGETHER)
            touch(job, state, desk, begin, end)
            for number in range(begin, end):
                if rules.at_once:
                    serve(rules, job, state, desk, desk.called[number])
                else:
                    work(rules, job, state, desk, desk.called[number], (tick + 1) << rules.shift)
        most -= 1
        tick += 1
    return tick


def admit(rules, job, state, message, time):
    """Let messages enter their sources' queues, each at its time."""
    for row in range(len(message)):
        let_in(rules, job, state, message[row], time[row])
