"""The loops that Numba compiles: plain Python over arrays, each a pure function of its arguments.

Without Numba nothing calls them but the tests, which run them as they are.
"""

# Numba reads the types off the arguments
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations


def group(packet, ready, route, hop, start, turn, place, by_channel, due, tie, bounds, touched):
    """Sort the rows `packet`, `ready` by channel into `by_channel`, `due`, `tie`; return how many channels have any.

    bounds, touched: where the stretch of each begins and which it is. place: (channels,) zeros, and zeros again
    afterwards.
    """
    used = 0
    for row in range(len(packet)):
        channel = route[hop[packet[row]]]
        if place[channel] == 0:
            touched[used] = channel
            used += 1
        place[channel] += 1
    first = 0
    for index in range(used):
        bounds[index] = first
        first += place[touched[index]]
        place[touched[index]] = bounds[index]
    bounds[used] = first
    for row in range(len(packet)):
        one = packet[row]
        channel = route[hop[one]]
        at = place[channel]
        place[channel] = at + 1
        by_channel[at], due[at] = one, ready[row]
        tie[at] = turn[one] + len(hop) if hop[one] == start[one] else one
    for index in range(used):
        place[touched[index]] = 0
    return used


def sort(used, bounds, due, tie, packet, spare_due, spare_tie, spare_packet):
    """Sort each stretch by (due, tie): merges of the runs that are in order already, of which there are few."""
    for index in range(used):
        low, high = bounds[index], bounds[index + 1]
        while True:
            # merge the first run with the second, the third with the fourth, …, until the first is everything
            begin, merged = low, 0
            while begin < high:
                middle = begin + 1
                while middle < high and (
                    due[middle - 1] < due[middle]
                    or (due[middle - 1] == due[middle] and tie[middle - 1] < tie[middle])
                ):
                    middle += 1
                if middle == high:
                    break
                end = middle + 1
                while end < high and (
                    due[end - 1] < due[end] or (due[end - 1] == due[end] and tie[end - 1] < tie[end])
                ):
                    end += 1
                for row in range(begin, middle):
                    spare_due[row], spare_tie[row], spare_packet[row] = due[row], tie[row], packet[row]
                one, other, row = begin, middle, begin
                while one < middle:
                    if other < end and (
                        due[other] < spare_due[one]
                        or (due[other] == spare_due[one] and tie[other] < spare_tie[one])
                    ):
                        due[row], tie[row], packet[row] = due[other], tie[other], packet[other]
                        other += 1
                    else:
                        due[row], tie[row], packet[row] = spare_due[one], spare_tie[one], spare_packet[one]
                        one += 1
                    row += 1
                begin = end
                merged += 1
            if merged == 0:
                break


def serve(
    used, bounds, touched, by_channel, due, route, hop, start, end, wire, size_class, rate_class, table, rates,
    latency, onward, head, cut_through, free, sent, wires, busy, peak, left, arrived, out, when, there, gone,
):  # fmt: skip
    """Serve stretches in order; return how many rows of `out` and `when`, of `there` and of `gone` are filled."""
    going = arriving = leaving = 0
    for index in range(used):
        channel = touched[index]
        idle, rate, longest = free[channel], rate_class[channel], peak[channel]
        size = time = 0
        for row in range(bounds[index], bounds[index + 1]):
            one = by_channel[row]
            at = hop[one]
            tx = table[size_class[one] * rates + rate]
            begin = max(idle, due[row])
            idle = begin + tx
            longest = max(longest, idle - due[row])
            time += tx
            size += wire[one]
            if at == start[one]:
                left[one] = idle
                gone[leaving] = one
                leaving += 1
            if at + 1 == end[one]:
                arrived[one] = idle + latency[channel]
                there[arriving] = one
                arriving += 1
                continue
            hop[one] = at + 1
            ready = idle + onward[channel]
            if cut_through:
                ahead = table[size_class[one] * rates + rate_class[route[at + 1]]]
                ready = max(begin + head[channel] + onward[channel], ready - ahead)
            out[going], when[going] = one, ready
            going += 1
        free[channel], peak[channel] = idle, longest
        sent[channel] += bounds[index + 1] - bounds[index]
        wires[channel] += size
        busy[channel] += time
    return going, arriving, leaving
