"""MSCCL programs: read, checked, and the same as the algorithm they write out."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.collectives import collective, read_program
from fabricsim.errors import InputError
from fabricsim.scenario import parse_scenario
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def step(s: int, kind: str, buffer: str, off: int, dep: tuple[int, int] = (-1, -1), to: str = "") -> str:
    return (
        f'<step s="{s}" type="{kind}" srcbuf="{buffer}" srcoff="{off}" dstbuf="{to or buffer}" dstoff="{off}" '
        f'cnt="1" depid="{dep[0]}" deps="{dep[1]}" hasdep="0"/>'
    )


def ring_all_gather(n: int) -> str:
    """Write out a ring: block b goes from gpu b on round all others; a receive comes before what sends it on."""
    gpus = []
    for gpu in range(n):
        steps = [step(0, "s", "o", gpu)]
        steps += [step(k, "rcs", "o", (gpu - k) % n) for k in range(1, n - 1)]
        steps.append(step(n - 1, "r", "o", (gpu + 1) % n))
        gpus.append(
            f'<gpu id="{gpu}" i_chunks="1" o_chunks="{n}" s_chunks="0"><tb id="0" send="{(gpu + 1) % n}" '
            f'recv="{(gpu - 1) % n}" chan="0">{"".join(steps)}</tb></gpu>'
        )
    head = f'<algo name="rings" nchunksperloop="{n}" ngpus="{n}" coll="allgather" inplace="1">'
    return head + "".join(gpus) + "</algo>"


PAIR = """<algo name="swap" nchunksperloop="1" ngpus="2" coll="allreduce" inplace="1">
<gpu id="0" i_chunks="1" o_chunks="1" s_chunks="1">
  <tb id="0" send="1" recv="-1" chan="0">{send}</tb><tb id="1" send="-1" recv="1" chan="0">{receive}</tb></gpu>
<gpu id="1" i_chunks="1" o_chunks="1" s_chunks="1">
  <tb id="0" send="0" recv="-1" chan="0">{send}</tb><tb id="1" send="-1" recv="0" chan="0">{receive}</tb></gpu>
</algo>"""
GOOD = {"send": step(0, "s", "i", 0), "receive": step(0, "r", "s", 0) + step(1, "re", "s", 0, (0, 0), "i")}


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "x.xml").write_text(text)
    return tmp_path / "x.xml"


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_a_ring_written_out_takes_as_long_as_the_ring(tmp_path: Path, n: int) -> None:
    program = read_program(written(tmp_path, ring_all_gather(n)))
    fabric = resolve({"shape": "ring", "size": n, "link": LINK})
    size = f"{n * 64} KiB"
    times = [
        fs.simulate(fabric, fs.all_gather(size, algorithm=algorithm)).metrics["completion_time_s"]
        for algorithm in ("ring", program)
    ]
    assert times[0] == times[1]


def test_a_program_adds_up_where_it_says(tmp_path: Path) -> None:
    program = read_program(written(tmp_path, PAIR.format(**GOOD)))
    operation = collective("x", "all-reduce", program, [7, 3], 1 << 10)
    assert operation.graph is not None
    messages = operation.graph.is_message
    assert sorted(operation.graph.src[messages].tolist()) == [3, 7]
    assert (operation.payload, operation.algorithm, operation.bus_factor) == (2 << 10, "swap", 1.0)


def test_chunks_have_a_byte_or_more(tmp_path: Path) -> None:
    text = PAIR.format(**GOOD).replace('nchunksperloop="1"', 'nchunksperloop="100"')
    with pytest.raises(InputError, match="32 B are less than a byte for each"):
        collective("x", "all-reduce", read_program(written(tmp_path, text)), [0, 1], 32)


def test_a_scenario_names_a_program_beside_it(tmp_path: Path) -> None:
    written(tmp_path, ring_all_gather(4))
    text = """
schema: fabricsim/1
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
workload: [{collective: all-gather, algorithm: msccl, file: x.xml, size: 1 MiB}]
"""
    scenario = parse_scenario(text, base=tmp_path)
    assert scenario.schedule(scenario.fabric()).operations[0].messages == 4 * 3
    for change, key, words in (
        ("file: x.xml, ", "file", "add file: and the name of its XML"),
        ("all-gather", "algorithm", "is an allgather; take one with coll='allreduce'"),
        ("size: 4", "ranks", "is for 4 gpus, not 5"),
    ):
        other = {"all-gather": "all-reduce", "size: 4": "size: 5"}.get(change, "")
        wrong = parse_scenario(text.replace(change, other, 1), base=tmp_path)
        with pytest.raises(InputError, match=words) as caught:
            wrong.schedule(wrong.fabric())
        assert caught.value.faults[0].key == ("workload", 0, key)


WRONG = [
    (
        PAIR.format(send=GOOD["send"], receive=step(0, "r", "s", 0)),
        "does not end with the right data in output chunk 0",
    ),
    (
        PAIR.format(send=GOOD["send"], receive=step(0, "rrc", "i", 0) + step(1, "r", "s", 0)),
        "receives what nobody sends",
    ),
    (PAIR.format(send=GOOD["send"] * 2, receive=step(0, "r", "s", 0)), "sends what nobody receives"),
    (
        PAIR.format(send=step(0, "s", "s", 0), receive=step(0, "r", "s", 0)),
        "reads a chunk that nothing has been written",
    ),
    (PAIR.format(send=step(0, "s", "i", 3), receive=step(0, "r", "s", 0)), "goes beyond buffer i"),
    (
        PAIR.format(send=step(0, "s", "i", 0, (1, 0)), receive=step(0, "rrc", "i", 0)),
        "waits for what waits for it",
    ),
    (PAIR.format(send=step(0, "x", "i", 0), receive=""), "has the type 'x'"),
    (PAIR.format(**GOOD).replace('ngpus="2"', 'ngpus="3"'), "its gpus are not 0 to 2"),
    (PAIR.format(**GOOD).replace('chan="0"', 'chan="a"', 1), "has chan='a'; write a whole number"),
    ("<algo", "is not an MSCCL program"),
    ("<!DOCTYPE x>" + PAIR.format(**GOOD), "document type"),
    ("<gpu/>", "write <algo>"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_wrong_with_a_program_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_program(written(tmp_path, text))
    assert "x.xml" in str(caught.value)
