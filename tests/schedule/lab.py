"""Walks schedules in an ideal network, in which every message takes a time of its own however many there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabricsim.schedule import Operation, Schedule, expanded


@dataclass(frozen=True)
class Times:
    """When each message is released, sent and delivered, by id."""

    released: list[int]
    sent: list[int]
    delivered: list[int]


def by_steps(schedule: Schedule, sending: list[int], travelling: list[int]) -> Times:
    """Walk the steps of a schedule; a message is sent `sending` after its release, delivered `travelling` later."""
    steps, messages = expanded(schedule), schedule.messages
    open_waits = steps.waits.tolist()
    count = len(messages)
    released, sent, delivered = [0] * count, [0] * count, [0] * count
    reached = [0] * len(steps)
    ready = [step for step in range(len(steps)) if open_waits[step] == 0]
    done = 0

    def follow(starts: np.ndarray, targets: np.ndarray, index: int, time: int) -> None:
        for step in targets[starts[index] : starts[index + 1]].tolist():
            reached[step] = max(reached[step], time)
            open_waits[step] -= 1
            if open_waits[step] == 0:
                ready.append(step)

    while ready:
        step = ready.pop()
        done += 1
        reached[step] += int(steps.delay[step])
        follow(steps.next_starts, steps.next_steps, step, reached[step])
        for m in steps.released[steps.released_starts[step] : steps.released_starts[step + 1]].tolist():
            assert steps.released_by[m] == step
            released[m] = reached[step] + int(messages.delay[m])
            sent[m] = released[m] + sending[m]
            delivered[m] = sent[m] + travelling[m]
            follow(steps.sent_starts, steps.sent_steps, m, sent[m])
            follow(steps.delivered_starts, steps.delivered_steps, m, delivered[m])
    assert done == len(steps)
    return Times(released, sent, delivered)


def by_the_book(schedule: Schedule, sending: list[int], travelling: list[int]) -> Times:
    """The same for rounds of plain messages, rank by rank and round by round, as the words say it."""
    m = schedule.messages
    count = len(m)
    released, sent, delivered = [0] * count, [0] * count, [0] * count
    ends: dict[tuple[str, int], int] = {}
    for index, op in enumerate(schedule.operations):
        entered = {rank: _start(op, rank, schedule, ends) for rank in op.ranks.tolist()}
        for number in range(op.round_count):
            mine = np.flatnonzero((m.operation == index) & (m.round == number)).tolist()
            done = dict(entered)
            for k in mine:
                released[k] = entered[int(m.src[k])] + int(m.delay[k])
                sent[k] = released[k] + sending[k]
                delivered[k] = sent[k] + travelling[k]
                done[int(m.src[k])] = max(done[int(m.src[k])], sent[k])
                done[int(m.dst[k])] = max(done[int(m.dst[k])], delivered[k])
            entered = done
        ends |= {(op.name, rank): time for rank, time in entered.items()}
    return Times(released, sent, delivered)


def _start(op: Operation, rank: int, schedule: Schedule, ends: dict[tuple[str, int], int]) -> int:
    waited = [
        time for (name, other), time in ends.items() if name in op.after and (op.barrier or other == rank)
    ]
    return max(waited, default=0) + int(op.start)
