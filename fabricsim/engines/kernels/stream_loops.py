"""The loops of `streams`, which Numba compiles: plain Python over arrays, each a pure function of its arguments.

A row of (rows, 3) is a packet that waits: when it is ready [ps], what is left of its way, and its tie. The way is a
number: from the lowest bits up its class of size, the port that it takes at each node, and a 1 above them all. The tie
is its id in transit, and above all ids its turn at its source. Without Numba nothing calls them but the tests.
"""

# Numba reads the types off the arguments
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np


def tally(packets, first_path, count, starts, channels, passing):
    """Add to `passing` how many packets pass each channel; return how many channels the longest path has."""
    longest = 0
    for message in range(len(packets)):
        each, more = packets[message] // count[message], packets[message] % count[message]
        for turn in range(min(count[message], packets[message])):
            path = first_path[message] + turn
            taking = each + 1 if turn < more else each
            longest = max(longest, starts[path + 1] - starts[path])
            for hop in range(starts[path], starts[path + 1]):
                passing[channels[hop]] += taking
    return longest


def enter(
    order, stretch, packets, first_packet, first_path, count, starts, channels, entering, port, bits, last_size,
    full_size, size_bits, place, rows, in_turn,
):  # fmt: skip
    """Write a row for every packet, at its source: each rank's packets in their turns.

    order: messages by source, peer and id; stretch: where each source's begin in it, and its length. It is used up.
    """
    turn, total = 0, len(in_turn)
    for rank in range(len(stretch) - 1):
        begin, end, index = stretch[rank], stretch[rank + 1], 0
        while begin < end:
            going = begin
            for slot in range(begin, end):
                message = order[slot]
                path = first_path[message]
                path += index if index < count[message] else index % count[message]
                way = 1
                for hop in range(starts[path + 1] - 1, starts[path], -1):
                    way = way << bits | port[channels[hop]]
                channel = channels[starts[path]]
                row = place[channel]
                place[channel] += 1
                last = index + 1 == packets[message]
                size = last_size[message] if last else full_size
                rows[row, 0] = entering[message]
                rows[row, 1] = way << size_bits | size
                rows[row, 2] = total + turn
                in_turn[turn] = first_packet[message] + index
                turn += 1
                if not last:
                    order[going] = message
                    going += 1
            end = going
            index += 1


def arrange(first, last, base, rows, arranged, heads):
    """Copy the rows of some stretches, each in the order of ready time and tie.

    Rows are dealt into as many buckets of time as there are rows; each bucket is sorted by itself (Shell, CACM 1959).
    heads: room for the buckets of the longest stretch, and one more.
    """
    offset = base[first]
    for stretch in range(first, last):
        low, high = base[stretch], base[stretch + 1]
        begin = low - offset
        earliest = latest = rows[low, 0]
        in_order = True
        for row in range(low + 1, high):
            due = rows[row, 0]
            if due < rows[row - 1, 0] or (due == rows[row - 1, 0] and rows[row, 2] < rows[row - 1, 2]):
                in_order = False
            earliest, latest = min(earliest, due), max(latest, due)
        if in_order:
            for row in range(low, high):
                for column in range(3):
                    arranged[row - offset, column] = rows[row, column]
            continue
        shift = 0
        while (latest - earliest) >> shift >= high - low:
            shift += 1
        buckets = ((latest - earliest) >> shift) + 1
        heads[: buckets + 1] = 0
        for row in range(low, high):
            heads[((rows[row, 0] - earliest) >> shift) + 1] += 1
        heads[0] = begin
        for bucket in range(buckets):
            heads[bucket + 1] += heads[bucket]
        for row in range(low, high):
            bucket = (rows[row, 0] - earliest) >> shift
            spot = heads[bucket]
            heads[bucket] += 1
            for column in range(3):
                arranged[spot, column] = rows[row, column]
        for bucket in range(buckets):
            end, gap = heads[bucket], 1
            while 9 * gap < end - begin:
                gap = 3 * gap + 1
            while gap:
                for row in range(begin + gap, end):
                    due, way, tie = arranged[row, 0], arranged[row, 1], arranged[row, 2]
                    spot = row - gap
                    while spot >= begin and (
                        due < arranged[spot, 0] or (due == arranged[spot, 0] and tie < arranged[spot, 2])
                    ):
                        for column in range(3):
                            arranged[spot + gap, column] = arranged[spot, column]
                        spot -= gap
                    arranged[spot + gap, 0], arranged[spot + gap, 1], arranged[spot + gap, 2] = due, way, tie
                gap //= 3
            begin = end


def serve(
    first, last, order, base, arranged, in_turn, size_bits, bits, out, out_starts, far, wires, rate_class, table, rates,
    latency, onward, head, cut_through, place, rows, sent, wire, busy, peak, left, arrived,
):  # fmt: skip
    """Serve the stretches of some channels; return how many packets have arrived, and the latest arrival [ps].

    order: the channel of each stretch. Rows of packets that go on are written where `place` says.
    """
    offset, total, arrivals, latest = base[first], len(in_turn), 0, 0
    size_mask, port_mask = (1 << size_bits) - 1, (1 << bits) - 1
    for stretch in range(first, last):
        channel = order[stretch]
        rate, ports = rate_class[channel], out_starts[far[channel]]
        idle = longest = octets = time = 0
        for row in range(base[stretch] - offset, base[stretch + 1] - offset):
            due, way, tie = arranged[row, 0], arranged[row, 1], arranged[row, 2]
            size = way & size_mask
            way >>= size_bits
            tx = table[size * rates + rate]
            begin = max(idle, due)
            idle = begin + tx
            longest = max(longest, idle - due)
            time += tx
            octets += wires[size]
            if tie >= total:
                tie = in_turn[tie - total]
                left[tie] = idle
            if way == 1:
                arrived[tie] = idle + latency[channel]
                latest = max(latest, idle + latency[channel])
                arrivals += 1
                continue
            following = out[ports + (way & port_mask)]
            ready = idle + onward[channel]
            if cut_through:
                ahead = table[size * rates + rate_class[following]]
                ready = max(begin + head[channel] + onward[channel], ready - ahead)
            spot = place[following]
            place[following] += 1
            rows[spot, 0], rows[spot, 1], rows[spot, 2] = ready, way >> bits << size_bits | size, tie
        sent[channel] = base[stretch + 1] - base[stretch]
        wire[channel], busy[channel], peak[channel] = octets, time, longest
    return arrivals, latest


def in_order(time):
    """Return the positions of `time` in ascending order, ties by position, and the sorted times (by radix)."""
    low, high, digit = time.min(), time.max(), 11
    order, key = np.arange(len(time)), time - low
    other_order, other_key = np.empty_like(order), np.empty_like(key)
    mask, shift = (1 << digit) - 1, 0
    while (high - low) >> shift:
        heads = np.zeros(mask + 2, np.int64)
        for row in range(len(key)):
            heads[((key[row] >> shift) & mask) + 1] += 1
        for value in range(mask):
            heads[value + 1] += heads[value]
        for row in range(len(key)):
            value = (key[row] >> shift) & mask
            spot = heads[value]
            heads[value] += 1
            other_order[spot], other_key[spot] = order[row], key[row]
        order, other_order = other_order, order
        key, other_key = other_key, key
        shift += digit
    key += low
    return order, key


def describe(order, message_of, packets_before, size, mtu, payload, message):
    """Write payload [B] and message of packets in some order; packets_before: the id of each message's first packet."""
    for row in range(len(order)):
        one = message_of[order[row]]
        message[row] = one
        last = order[row] + 1 == packets_before[one + 1]
        payload[row] = size[one] - (order[row] - packets_before[one]) * mtu if last else mtu


def reordered(message, packet, newest):
    """Return how many packets, in order of arrival, came after one of their message with a larger id."""
    count = 0
    for row in range(len(packet)):
        if packet[row] < newest[message[row]]:
            count += 1
        newest[message[row]] = max(newest[message[row]], packet[row])
    return count
