"""GOAL schedules and htsim's connection matrices: what they say is what runs, and what is wrong has a line."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.topology import resolve

STAR = {"shape": "star", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}}
HOP = 1e-6 + 2 * 1000 / 50e9
"""A message of 1000 B over two links [s]."""

GOAL = """num_ranks 3
rank 0 {
l1: calc 4000 cpu 0   // 4 us
l2: send 1000b to 1 tag 7 cpu 0 nic 0
l3: send 1000b to 2
l2 requires l1  /* over
two lines */
l3 irequires l2
}
rank 1 {
recv 1000b from 0 tag 7
}
rank 2 { // out of order
a: recv 1000b from 0
b: calc 3000
c: send 1000b to 1 tag 9
b requires a
c irequires b
}
"""
GOAL = GOAL.replace("recv 1000b from 0 tag 7\n", "recv 1000b from 0 tag 7\nrecv 1000b from 2 tag 9\n")

CM = """Nodes 4
Connections 4
Triggers 2
0->1 id 1 start 2000000 size 1000 recv_done_trigger 1
2->3 id 2 start 0 size 1000 send_done_trigger 2
1->0 id 3 trigger 1 size 1000
3->2 id 4 trigger 2 size 1000

trigger id 1 oneshot
trigger id 2 barrier count 1
"""


def replayed(text: str, tmp_path: Path, engine: str = "packet") -> fs.Result:
    file = tmp_path / "trace.txt"
    file.write_text(text)
    trace = fs.read_trace(file)
    return fs.simulate(resolve(STAR), fs.replay("t", trace, range(trace.ranks)), engine=engine)


def releases(result: fs.Result) -> dict[tuple[int, int], float]:
    flows = result.flows
    return {(a, b): t for a, b, t in zip(flows["src"], flows["dst"], flows["release_s"], strict=True)}


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_goal_begins_what_it_requires(engine: str, tmp_path: Path) -> None:
    released = releases(replayed(GOAL, tmp_path, engine))
    assert released[0, 1] == pytest.approx(4e-6, abs=2e-12)
    assert released[0, 2] == pytest.approx(4e-6, abs=2e-12)  # l2 has begun when l1 is over
    # both leave rank 0 at once and share its link, packet after packet or half each
    assert released[2, 1] == pytest.approx(4e-6 + HOP + 1000 / 50e9, abs=3e-8)


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_triggers_start_what_waits_for_them(engine: str, tmp_path: Path) -> None:
    released = releases(replayed(CM, tmp_path, engine))
    assert released[2, 3] == 0
    assert released[0, 1] == pytest.approx(2e-6, abs=2e-12)
    assert released[1, 0] == pytest.approx(2e-6 + HOP, abs=4e-12)
    assert released[3, 2] == pytest.approx(1000 / 50e9, abs=2e-12)  # when the last bit has left rank 2


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (changed(GOAL, "from 0 tag 7", "from -1"), 11, "takes any message"),
        (changed(GOAL, "l2 requires l1", "l2 requires l9"), 6, "rank 0 has no l9"),
        (changed(GOAL, "l1: calc", "l2: calc"), 4, "two l2"),
        (changed(GOAL, "calc 4000", "calculate 4000"), 3, "no statement"),
        (changed(GOAL, "num_ranks 3", "num_ranks 4"), 1, "see rank 3"),
        (
            changed(GOAL, "tag 7 cpu 0 nic 0", "tag 8"),
            11,
            "rank 1, node #0 waits for what rank 0 never sends",
        ),
        (GOAL.rstrip()[:-1], 14, "rank 2 has no end"),
        (changed(GOAL, "l3 irequires l2", "l1 requires l2"), 3, "circle of nodes"),
        (changed(GOAL, "l3 irequires l2", "l3 irequires l3"), 5, "begin after itself"),
        (changed(GOAL, "rank 0 {", "rank 0 {\nrank 1 {"), 3, "does not belong here"),
        (changed(CM, "Connections 4", "Connections 5"), 1, "5 Connections and has 4"),
        (changed(CM, "Nodes 4\n", "Triggers 2\n"), 1, "states no Nodes"),
        (changed(CM, "Nodes 4", "Nodes 3"), 5, "from 2 to 3"),
        (changed(CM, "trigger 1 size", "trigger 5 size"), 6, "no trigger 5"),
        (changed(CM, "oneshot", "multishot"), 9, "depends on time"),
        (changed(CM, "count 1", "count 2"), 10, "fires after 2, and 1 flows"),
        (changed(CM, "start 0 size 1000", "start 0 size 0"), 5, "no size"),
        (changed(CM, "start 0 size", "start 0 prio 3 size"), 5, "prio has no meaning"),
        (changed(CM, "start 0 ", ""), 5, "neither start nor trigger"),
        (changed(CM, "trigger id 2", "failure switch_type TOR\ntrigger id 2"), 10, "below failures:"),
        (changed(CM, "2->3", "2>3"), 5, "is no flow"),
        ("hello", None, "not a trace that is known"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, line: int | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as info:
        replayed(text, tmp_path)
    assert [fault.line for fault in info.value.faults] == [line]
