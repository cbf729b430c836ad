"""What can never finish ends with exit code 4 and the names, in both engines: seen through the command line."""

import re
from pathlib import Path

import pytest

from tests.conftest import Cli

RING = "topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}\n"
STAR = RING.replace("ring", "star")
ISLANDS = "topology: {graph: islands.json}\n"
ALL = "workload: [{name: a, collective: all-reduce, algorithm: ring, size: 64 KiB}]\n"
DOWN = "(npu1 -> sw0|sw0 -> npu1), which is down"
TRACE = "workload: [{name: a, trace: circle.goal}]\n"
CIRCLE = """num_ranks 2
rank 0 {
l1: recv 8b from 1 tag 0
l2: send 8b to 1 tag 0
l2 requires l1
}
rank 1 {
l1: recv 8b from 0 tag 0
l2: send 8b to 0 tag 0
l2 requires l1
}
"""
GRAPH = """{"nodes": [{"id": "a0", "kind": "npu"}, {"id": "a1", "kind": "npu"}, {"id": "b0", "kind": "npu"}],
 "edges": [{"source": "a0", "target": "a1", "bandwidth": "50 GB/s", "latency": "1 us"}]}"""


def cut(at: str, how: str = "recovery: {reroute: none}\n") -> str:
    return f"failures: [{{at: {at}, link: [npu1, sw0]}}]\n{how}"


CASES = {
    "no-path": (ISLANDS + ALL, r"there is no path from a1 to b0 \(2 pairs in all\)"),
    "circle-of-tasks": (RING + TRACE, "circle of nodes that wait for each other: rank 0, node l1"),
    "circle-of-entries": (
        RING
        + "workload:\n  - {name: a, after: [b], collective: barrier}\n  - {name: b, after: [a], collective: barrier}\n",
        "entries wait for each other in a circle: a → b → a",
    ),
    "down-from-the-start": (STAR + ALL + cut("0 s"), DOWN),
    "down-for-good": (STAR + ALL + cut("1 us"), DOWN),
    "degraded-to-nothing": (
        STAR + ALL + "failures: [{at: 1 us, link: [npu1, sw0], factor: 0}]\n",
        DOWN,
    ),
    "cut-off": (
        STAR + ALL + cut("0 s", "recovery: {reroute: recompute}\n"),
        "there is no path from npu0 to npu1",
    ),
}


@pytest.mark.parametrize("engine", ["flow", "packet"])
@pytest.mark.parametrize("case", CASES)
def test_what_can_never_finish_exits_with_4_and_the_names(
    cli: Cli, tmp_path: Path, case: str, engine: str
) -> None:
    text, said = CASES[case]
    (tmp_path / "islands.json").write_text(GRAPH)
    (tmp_path / "circle.goal").write_text(CIRCLE)
    scenario = tmp_path / "s.yaml"
    scenario.write_text(f"schema: fabricsim/1\nengine: {engine}\n{text}")
    code, out, err = cli("run", scenario)
    assert (code, out) == (4, ""), err
    assert re.search(said, err), err
    assert "Traceback" not in err


def test_what_is_also_wrong_in_itself_is_an_invalid_input(cli: Cli, tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    text, said = CASES["circle-of-entries"]
    scenario.write_text(f"schema: fabricsim/1\n{text}  - {{name: c, after: [d], collective: barrier}}\n")
    code, _, err = cli("run", scenario)
    assert code == 3
    assert re.search(said, err), err
