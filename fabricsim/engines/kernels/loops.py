"""The loops that Numba compiles: plain Python over arrays, each a pure function of its arguments.

Without Numba nothing calls them but the tests, which run them as they are.
"""

# Numba reads the types off the arguments
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np


def group(channel, key, code, place, grouped, bounds):
    """Put the keys of each channel together, in `grouped`; return the channels, in the order of their codes.

    bounds: where the stretch of each begins. place: (channels,) zeros, and zeros again afterwards.
    """
    used = 0
    for row in range(len(channel)):
        if place[channel[row]] == 0:
            grouped[used] = code[channel[row]] * len(code) + channel[row]
            used += 1
        place[channel[row]] += 1
    touched = np.sort(grouped[:used]) % len(code)
    first = 0
    for index in range(used):
        bounds[index] = first
        first += place[touched[index]]
        place[touched[index]] = bounds[index]
    bounds[used] = first
    for row in range(len(channel)):
        grouped[place[channel[row]]] = key[row]
        place[channel[row]] += 1
    for index in range(used):
        place[touched[index]] = 0
    return touched


def sort(stretches, bounds, key, spare):
    """Sort each stretch of keys: merges of the runs that are in order already, of which there are few."""
    for index in range(stretches):
        high = bounds[index + 1]
        merges = 1
        while merges:
            merges, begin = 0, bounds[index]
            while begin < high:
                # a run, the run after it, and one from both
                middle = begin + 1
                while middle < high and key[middle - 1] <= key[middle]:
                    middle += 1
                end = middle + 1
                while end < high and key[end - 1] <= key[end]:
                    end += 1
                if middle < high:
                    spare[begin:middle] = key[begin:middle]
                    one, other, row = begin, middle, begin
                    while one < middle:
                        if other < end and key[other] < spare[one]:
                            key[row] = key[other]
                            other += 1
                        else:
                            key[row] = spare[one]
                            one += 1
                        row += 1
                    merges += 1
                begin = end


def serve(
    touched, bounds, key, width, low, quantum, in_turn, route, to_go, end, size_class, wires, rate_class, table,
    rates, latency, onward, head, cut_through, free, sent, wire, busy, peak, left, arrived, out, when, following,
    there, gone,
):  # fmt: skip
    """Serve stretches in order; return how many rows of `out`, of `there` and of `gone` it fills."""
    going = arriving = leaving = 0
    packets, mask = len(to_go), (1 << width) - 1
    for index in range(len(touched)):
        channel = touched[index]
        idle, rate, longest = free[channel], rate_class[channel], peak[channel]
        size = time = 0
        for row in range(bounds[index], bounds[index + 1]):
            due = (key[row] >> width) * quantum + low
            tie = key[row] & mask
            one = in_turn[tie - packets] if tie >= packets else tie
            kind = np.int64(size_class[one])
            tx = table[kind * rates + rate]
            begin = max(idle, due)
            idle = begin + tx
            longest = max(longest, idle - due)
            time += tx
            size += wires[kind]
            if tie >= packets:
                left[one] = idle
                gone[leaving] = one
                leaving += 1
            to_go[one] -= 1
            if to_go[one] == 0:
                arrived[one] = idle + latency[channel]
                there[arriving] = one
                arriving += 1
                continue
            channel_after = route[end[one] - to_go[one]]
            ready = idle + onward[channel]
            if cut_through:
                ahead = table[kind * rates + rate_class[channel_after]]
                ready = max(begin + head[channel] + onward[channel], ready - ahead)
            out[going], when[going], following[going] = one, ready, channel_after
            going += 1
        free[channel], peak[channel] = idle, longest
        sent[channel] += bounds[index + 1] - bounds[index]
        wire[channel] += size
        busy[channel] += time
    return going, arriving, leaving
