"""What a packet network cannot be: each wrong number gives one error, at its line, under its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabricsim.errors import InputError, key_text
from fabricsim.scenario import load_scenario

HEAD = """schema: fabricsim/1
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
"""
WORK = "workload: [{name: ar, collective: all-reduce, size: 1 MiB}]\n"
ECN = "model: {ecn: {kmin: 5 kB}}\n"

MODELS = [
    ("buffer: 0 B", "model.buffer", "is zero"),
    ("buffer: -1 B", "model.buffer", ""),
    ("buffer: 4095 B", "model.buffer", "hold no full packet; write at least 4096 B"),
    ("buffer: 4096 B, header: 64 B", "model.buffer", "write at least 4160 B"),
    ("buffer: 8191 B, cell: 4096 B, mtu: 5000 B", "model.buffer", "write at least 8192 B"),
    ("mtu: 0 B", "model.mtu", "is zero"),
    ("flit: 0 B", "model.flit", "is zero"),
    ("buffer: 64 KiB, cell: 0 B", "model.cell", "is zero"),
    ("buffer: 64 KiB, flow_control: credit", "model.flow_control", "credits"),
    ("flow_control: pfc", "model.flow_control", "state buffer as well"),
    ("cell: 64 B", "model.cell", "state buffer as well"),
    ("buffer: 64 KiB, pause: 16 KiB", "model.pause", "it belongs to pfc"),
    ("buffer: 64 KiB, headroom: 16 KiB", "model.headroom", "it belongs to pfc"),
    ("buffer: 64 KiB, flow_control: pfc, cell: 64 B", "model.cell", "it belongs to credits"),
    ("buffer: 64 KiB, flow_control: none, resume: 1 KiB", "model.resume", "it belongs to pfc"),
    ("buffer: 64 KiB, flow_control: pfc, pause: 65 KiB", "model.pause", "is above the buffer"),
    ("buffer: 64 KiB, flow_control: pfc, resume: 65 KiB", "model.resume", "is above pause"),
    ("buffer: 64 KiB, flow_control: pfc, pause: 8 KiB, resume: 9 KiB", "model.resume", "is above pause"),
    ("ecn: {kmin: 9 kB, kmax: 8 kB}", "model.ecn", "kmin is above kmax"),
    ("ecn: {kmin: 300 kB}", "model.ecn", "kmin is above kmax"),
    ("ecn: {pmax: 150 %}", "model.ecn.pmax", "150 %"),
    ("lanes: 0", "model.lanes", "at least 1"),
    ("lanes: 2, priorities: [1]", "model.priorities", "give one number a lane"),
    ("lanes: 2, priorities: [1, -1]", "model.priorities.1", "at least 0"),
    ("queueing: outputs", "model.queueing", "output"),
    ("arbiter: random-robin", "model.arbiter", "round-robin"),
    ("bit_error_rate: 1.0", "model.bit_error_rate", "less than 1"),
    ("bit_error_rate: -1e-9", "model.bit_error_rate", "at least 0"),
    ("retry_delay: 1 us", "model.retry_delay", "state bit_error_rate as well"),
    ("meeting_buffer: 4095 B", "model.meeting_buffer", "write at least 4096 B"),
    ("open_meetings: 0", "model.open_meetings", "at least 1"),
]

SENDERS = [
    ("kind: window", "sender.window", "needs one"),
    ("kind: dctcp", "sender.window", "needs one"),
    ("kind: pull", "sender.window", "needs one"),
    ("kind: window, window: 0 B", "sender.window", "is zero"),
    ("kind: window, window: 4095 B", "sender.window", "below one packet of 4096 B"),
    ("kind: pull, window: 4095 B", "sender.window", "below one packet of 4096 B"),
    ("kind: dctcp, window: 4095 B", "sender.window", "below one packet of 4096 B"),
    ("kind: windows", "sender.kind", "window"),
    ("kind: dctcp, window: 64 KiB, gain: 0", "sender.gain", ""),
    ("kind: dctcp, window: 64 KiB, gain: 2", "sender.gain", ""),
    ("kind: dctcp, window: 64 KiB, timer: 1 us", "sender.timer", "has no effect"),
    ("kind: dcqcn, window: 64 KiB", "sender.window", "has no effect"),
    ("kind: dcqcn, timer: 0 s", "sender.timer", "less than a picosecond"),
    ("kind: dcqcn, cnp_interval: 0 s", "sender.cnp_interval", "less than a picosecond"),
    ("kind: dcqcn, byte_counter: 0 B", "sender.byte_counter", "is zero"),
    ("kind: dcqcn, hyper_increase: 0 B/s", "sender.hyper_increase", "less than 1 B/s"),
    ("kind: dcqcn, min_rate: 0 B/s", "sender.min_rate", "less than 1 B/s"),
    ("kind: dcqcn, fast_recovery: 0", "sender.fast_recovery", "at least 1"),
    ("hyper_increase: 1 GB/s", "sender.hyper_increase", "has no effect"),
    ("loss: go-back", "sender.loss", "go-back-n"),
    ("timeout: 0 s", "sender.timeout", "less than a picosecond"),
    ("retries: 0", "sender.retries", "at least 1"),
]

ENTRIES = [
    ("{name: ar, collective: all-reduce, size: 1 MiB, lane: 1}", "workload.0.lane", "model.lanes is 1"),
    ("{name: ar, collective: all-reduce, size: 1 MiB, lane: -1}", "workload.0.lane", ""),
    (
        "{name: m, memory: read, size: 64 B, requests: 4, outstanding: 1, response_lane: 1}",
        "workload.0.response_lane",
        "model.lanes is 1",
    ),
]


def bind(path: Path) -> None:
    for point in load_scenario(path).points():
        point.bind(point.fabric())


def check(path: Path, text: str, key: str, says: str) -> None:
    """Assert that a scenario is refused for one thing, in its last line."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as info:
        bind(path)
    (fault,) = info.value.faults
    assert (key_text(fault.key), fault.line) == (key, text.count("\n"))
    assert says in str(fault)
    assert f"{path}:{fault.line}: {key}: " in str(info.value)
    assert info.value.exit_code == 3


@pytest.mark.parametrize(("keys", "key", "says"), MODELS, ids=[row[0] for row in MODELS])
def test_models(tmp_path: Path, keys: str, key: str, says: str) -> None:
    check(tmp_path / "x.yaml", HEAD + WORK + f"model: {{{keys}}}\n", key, says)


@pytest.mark.parametrize(("keys", "key", "says"), SENDERS, ids=[row[0] for row in SENDERS])
def test_senders(tmp_path: Path, keys: str, key: str, says: str) -> None:
    marks = ECN if "dctcp" in keys or "dcqcn" in keys else ""
    check(tmp_path / "x.yaml", HEAD + WORK + marks + f"sender: {{{keys}}}\n", key, says)


@pytest.mark.parametrize("kind", ["dctcp, window: 64 KiB", "dcqcn"])
def test_a_sender_that_reads_marks_needs_some(tmp_path: Path, kind: str) -> None:
    text = HEAD + WORK + f"sender: {{kind: {kind}}}\n"
    check(tmp_path / "x.yaml", text, "sender.kind", "state model.ecn")


@pytest.mark.parametrize(("entry", "key", "says"), ENTRIES, ids=["lane", "below", "response"])
def test_entries(tmp_path: Path, entry: str, key: str, says: str) -> None:
    check(tmp_path / "x.yaml", HEAD + f"workload: [{entry}]\n", key, says)
