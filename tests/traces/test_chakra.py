"""Chakra traces: every way of writing a value, what is refused and where, and that what is read replays."""

import gzip
import json
import struct
from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.scenario import load_scenario
from fabricsim.topology import resolve
from fabricsim.traces import Node
from fabricsim.traces.attributes import attribute
from fabricsim.traces.wire import bytes_field, varint_bytes, varint_field
from tests.traces.lab import compute, receive, send, step, together, trace_of, written

PING = trace_of(
    compute(0, 5e-6), send(0, 1, 1000, 0), receive(0, 1, 2000, 1),
    receive(1, 0, 1000), compute(1, 7e-6, 3), send(1, 0, 2000, 4),
)  # fmt: skip


def star(ranks: int) -> fs.Fabric:
    link = {"bandwidth": "50 GB/s", "latency": "500 ns"}
    return resolve({"shape": "star", "size": ranks, "link": link})


def key(number: int, way: int) -> bytes:
    return varint_bytes(number << 3 | way)


ZIGZAG = {15: 2 * 77, 17: 2 * 77}
WHOLE = [
    *((number, varint_field(number, ZIGZAG.get(number, 77))) for number in (7, 9, 11, 13, 15, 17)),
    *((number, key(number, 5) + struct.pack("<I", 77)) for number in (19, 23)),
    *((number, key(number, 1) + struct.pack("<Q", 77)) for number in (21, 25)),
]


@pytest.mark.parametrize("field", [field for _, field in WHOLE], ids=[str(number) for number, _ in WHOLE])
def test_every_type_of_whole_number_is_read(field: bytes) -> None:
    data = bytes_field(1, b"comm_size") + field
    assert attribute(data, 0, len(data)) == ("comm_size", 77)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (key(3, 1) + struct.pack("<d", 2.5), 2.5), (key(5, 5) + struct.pack("<f", 2.5), 2.5),
        (varint_field(9, -3), -3), (varint_field(15, 5), -3), (varint_field(27, 1), True),
        (bytes_field(29, b"g"), "g"), (bytes_field(31, b"g"), b"g"),
        (bytes_field(28, bytes_field(1, b"\x01\x00")), [True, False]),
        (bytes_field(10, varint_field(1, 4) + varint_field(1, 5)), [4, 5]),
        (bytes_field(20, bytes_field(1, struct.pack("<II", 4, 5))), [4, 5]),
        (bytes_field(30, bytes_field(1, b"a") + bytes_field(1, b"b")), ["a", "b"]),
    ],
)  # fmt: skip
def test_other_values_are_read(field: bytes, value: object) -> None:
    data = bytes_field(1, b"x") + field
    assert attribute(data, 0, len(data)) == ("x", value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    trace = fs.read_trace(written(PING, tmp_path))
    assert [(n.rank, n.kind, n.needs, n.peer, n.size, n.tag) for n in trace.nodes] == [
        (n.rank, n.kind, n.needs, n.peer, n.size, n.tag) for n in PING.nodes
    ]
    assert [n.duration for n in trace.nodes] == pytest.approx([n.duration for n in PING.nodes])


def test_a_packed_file_says_the_same(tmp_path: Path) -> None:
    plain = fs.replay("t", fs.read_trace(written(PING, tmp_path)), range(2))
    for file in list(tmp_path.iterdir()):
        file.write_bytes(gzip.compress(file.read_bytes()))
    packed = fs.replay("t", fs.read_trace(tmp_path / "t"), range(2))
    assert fs.Schedule((plain,)).digest == fs.Schedule((packed,)).digest


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_a_ping_takes_its_computations_and_its_messages(engine: str) -> None:
    result = fs.simulate(star(2), fs.replay("t", PING, range(2)), engine=engine)
    wire = (
        4 * 500e-9 + 2 * 1000 / 50e9 + 2 * 2000 / 50e9
    )  # each message fits in one packet, and takes two links
    # a run's time counts from the release of its first message, 5 us after its beginning
    assert result.metrics["completion_time_s"] == pytest.approx(7e-6 + wire, abs=4e-12)


def test_a_collective_begins_when_each_member_comes_and_ends_for_each_when_it_is_done() -> None:
    alone = fs.simulate(star(4), fs.all_reduce("64 KiB", algorithm="ring"), engine="packet")
    nodes = [together(rank, "all-reduce", 64 << 10) for rank in range(4)]
    nodes += [
        node for rank in range(4) for node in (compute(rank, 3e-6, rank), compute(rank, 1e-6, 4 + 2 * rank))
    ]
    nodes += [together(rank, "all-reduce", 64 << 10, 5 + 2 * rank) for rank in range(4)]
    twice = fs.simulate(star(4), fs.replay("t", trace_of(*nodes), range(4)), engine="packet")
    # in a ring of equals everyone is done at once, computes for 4 us, and begins again
    expected = 2 * alone.metrics["completion_time_s"] + 4e-6
    assert twice.metrics["completion_time_s"] == pytest.approx(expected, abs=2e-12)
    assert twice.metrics["bytes_delivered"] == 2 * alone.metrics["bytes_delivered"]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("all-gather", 4 * 3 * 1024), ("reduce-scatter", 3 * 1024), ("all-to-all", 3 * 1024)],
)
def test_sizes_are_of_a_ranks_input(kind: str, payload: int) -> None:
    trace = trace_of(*(together(r, kind, 1024) for r in range(4)))
    assert (
        fs.replay(
            "t", trace, range(4), algorithms={kind: "ring" if kind != "all-to-all" else "direct"}
        ).payload
        == payload
    )


def test_a_step_of_64_ranks_replays_on_both_engines(tmp_path: Path) -> None:
    trace = fs.read_trace(written(step(64, 8, 2), tmp_path), groups=tmp_path / "groups.json")
    operation = fs.replay("t", trace, range(64), algorithms={"all-reduce": "ring"})
    assert operation.payload == 64 * (2 * 2 * 7 * (64 << 10) // 8) + 64 * (2 * 7 * (256 << 10) // 8)
    packet, flow = (fs.simulate(star(64), operation, engine=engine) for engine in ("packet", "flow"))
    latency = (2 * 14 + 14) * 1e-6
    wire = (2 * 14 * (64 << 10) / 8 + 14 * (256 << 10) / 8) / 50e9
    assert flow.metrics["completion_time_s"] >= 10e-6 + latency + wire - 1e-9
    assert packet.metrics["completion_time_s"] == pytest.approx(flow.metrics["completion_time_s"], rel=0.05)


def test_a_step_of_1024_ranks_replays(tmp_path: Path) -> None:
    trace = fs.read_trace(written(step(1024, 8, 1), tmp_path), groups=tmp_path / "groups.json")
    operation = fs.replay("t", trace, range(1024), algorithms={"all-reduce": "halving-doubling"})
    result = fs.simulate(star(1024), operation, engine="flow")
    rounds = 2 * 3 + 2 * 7
    wire = (2 * 7 / 8 * (64 << 10) + 2 * 127 / 128 * (256 << 10)) / 50e9
    least = rounds * 1e-6 + wire  # after the only computation
    assert least - 1e-9 <= result.metrics["completion_time_s"] <= 1.1 * least
    assert operation.payload == 1024 * (2 * 7 * (64 << 10) // 8 + 2 * 127 * (256 << 10) // 128)


@pytest.mark.parametrize("form", ["feeder", "jsonizer"])
def test_json_says_the_same_as_bytes(tmp_path: Path, form: str) -> None:
    plain = fs.replay("t", PING, range(2))
    for rank in range(2):
        own = [(i, n) for i, n in enumerate(PING.nodes) if n.rank == rank]
        first = own[0][0]
        entries = [_entry(form, i - first, n, [need - first for need in n.needs]) for i, n in own]
        text = json.dumps({"workload_graph": entries})
        if form == "jsonizer":
            text = "\n".join(json.dumps(entry, indent=2) for entry in [{"version": "0.0.4"}, *entries])
        (tmp_path / f"t.{rank}.json").write_text(text)
    read = fs.replay("t", fs.read_trace(tmp_path / "t"), range(2))
    assert read.payload == plain.payload == 3000
    assert read.graph.delay.tolist() == pytest.approx(plain.graph.delay.tolist())
    assert read.graph.src.tolist() == plain.graph.src.tolist()


def _entry(form: str, number: int, node: Node, needs: list[int]) -> dict:
    types = {"compute": 4, "send": 5, "receive": 6}
    names = {"compute": "COMP_NODE", "send": "COMM_SEND_NODE", "receive": "COMM_RECV_NODE"}
    end = "comm_dst" if node.kind == "send" else "comm_src"
    micros = round(node.duration * 1e6)
    if form == "feeder":
        more = {} if node.kind == "compute" else {end: node.peer, "comm_size": node.size}
        kind = types[node.kind]
        return {"Id": number, "Name": "n", "NodeType": kind, "runtime": micros, "data_deps": needs, **more}
    attributes = [{"name": end, "int32Val": node.peer}, {"name": "comm_size", "uint64Val": str(node.size)}]
    return {
        "id": str(number), "type": names[node.kind], "durationMicros": str(micros),
        "dataDeps": [str(need) for need in needs], "attr": attributes if node.kind != "compute" else [],
    }  # fmt: skip


def test_groups_that_a_pytorch_trace_lists_are_known(tmp_path: Path) -> None:
    listed = json.dumps([json.dumps([{"pg_name": "7", "ranks": [0, 1]}, {"pg_name": "w", "ranks": []}])])
    for rank in range(2):
        nodes = [
            bytes_field(1, b"0.0.4"),
            varint_field(3, 1) + bytes_field(8, bytes_field(1, listed.encode())),
        ]
        for number, group in ((1, b"7"), (2, b"w")):
            size = bytes_field(1, b"comm_size") + varint_field(13, 640)
            kind = bytes_field(1, b"comm_type") + varint_field(9, 0)
            name = bytes_field(1, b"pg_name") + bytes_field(29, group)
            attributes = b"".join(bytes_field(10, part) for part in (size, kind, name))
            nodes.append(varint_field(1, number) + varint_field(3, 7) + attributes)
        data = b"".join(varint_bytes(len(node)) + node for node in nodes)
        (tmp_path / f"t.{rank}.et").write_bytes(data)
    trace = fs.read_trace(tmp_path / "t")
    assert dict(trace.groups) == {"7": (0, 1), "w": (0, 1)}
    assert fs.replay("t", trace, range(2)).payload == 2 * 2 * 640


# -- what is refused -------------------------------------------------------------------------------------

BAD = {
    "unmatched-send": (trace_of(send(0, 1, 8), compute(1, 0)), "rank 0, node .* sends what rank 1 never receives"),
    "unmatched-receive": (trace_of(compute(0, 0), receive(1, 0, 8)), "rank 1, node .* what rank 0 never sends"),
    "tags-differ": (trace_of(send(0, 1, 8, tag=1), receive(1, 0, 8, tag=2)), "never receives"),
    "sizes-differ": (trace_of(send(0, 1, 8), receive(1, 0, 9)), "rank 1, node .* receives 9 B"),
    "no-such-peer": (trace_of(send(0, 5, 8), compute(1, 0)), "names rank 5"),
    "circle": (
        trace_of(receive(0, 1, 8), send(0, 1, 8, 0), receive(1, 0, 8), send(1, 0, 8, 2)),
        "circle of nodes .* rank 0, node .*rank 1, node",
    ),
    "group-unknown": (
        trace_of(together(0, "all-reduce", 64, group="9"), compute(1, 0), groups={"1": (0, 1)}),
        "rank 0, node .* '9', which is not known",
    ),
    "not-in-its-group": (
        trace_of(*(together(r, "all-reduce", 64, group="1") for r in range(3)), groups={"1": (0, 1)}),
        "rank 2, node .* which its rank is not in",
    ),
    "group-sizes-differ": (
        trace_of(together(0, "all-reduce", 64), together(1, "all-reduce", 128)),
        "rank 1, node .* all-reduce of 128 B; rank 0, node .* all-reduce of 64 B",
    ),
    "group-kinds-differ": (trace_of(together(0, "all-reduce", 64), together(1, "all-gather", 64)), "all-gather"),
    "one-never-joins": (
        trace_of(together(0, "all-reduce", 64), together(0, "all-reduce", 64), together(1, "all-reduce", 64)),
        "rank 0, node .* that rank 1 never joins",
    ),
    "group-beyond-the-ranks": (
        trace_of(together(0, "barrier", 0, group="1"), compute(1, 0), groups={"1": (0, 9)}), "has rank 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_trace_that_does_not_hold_together_is_refused(name: str, tmp_path: Path) -> None:
    trace, message = BAD[name]
    groups = tmp_path / "groups.json" if trace.groups else None
    read = fs.read_trace(written(trace, tmp_path), groups=groups)
    with pytest.raises(InputError, match=message) as info:
        fs.replay("t", read, range(read.ranks))
    assert name == "group-beyond-the-ranks" or " at byte " in str(info.value)


def test_a_file_that_breaks_off_is_refused_anywhere(tmp_path: Path) -> None:
    prefix = written(PING, tmp_path)
    whole = (tmp_path / "t.1.et").read_bytes()
    starts = {0}
    at = 0
    while at < len(whole):
        at += 1 + whole[at]  # all messages here are shorter than 128 B
        starts.add(at)
    for length in range(1, len(whole)):
        (tmp_path / "t.1.et").write_bytes(whole[:length])
        with pytest.raises(InputError) as info:
            fs.replay("t", fs.read_trace(prefix), range(2))
        assert length in starts or "rank 1: byte " in str(info.value)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    written(step(4, 2, 1), tmp_path)
    (tmp_path / "t.2.et").unlink()
    with pytest.raises(InputError, match="rank 2 of 4 has no file"):
        fs.read_trace(tmp_path / "t")
    with pytest.raises(InputError, match="there is no such trace"):
        fs.read_trace(tmp_path / "nothing")


def test_an_unknown_need_and_operations_without_a_rate_are_refused(tmp_path: Path) -> None:
    node = varint_field(1, 3) + varint_field(3, 4) + bytes_field(5, varint_bytes(9))
    data = b"".join(varint_bytes(len(part)) + part for part in (b"", node))
    (tmp_path / "t.0.et").write_bytes(data)
    with pytest.raises(InputError, match="rank 0, node 3 at byte 1 waits for node 9"):
        fs.read_trace(tmp_path / "t")
    operations = bytes_field(10, bytes_field(1, b"num_ops") + varint_field(9, 1000))
    for rank in range(2):
        body = varint_field(3, 4) + operations
        text = b"".join(varint_bytes(len(part)) + part for part in (b"", body))
        (tmp_path / f"u.{rank}.et").write_bytes(text)
    trace = fs.read_trace(tmp_path / "u")
    with pytest.raises(InputError, match="1000 operations and no duration"):
        fs.replay("t", trace, range(2))
    assert fs.replay("t", trace, range(2), flops=1e9).graph.delay.tolist() == [1e-6, 1e-6]


def test_a_scenario_replays_a_trace_beside_it(tmp_path: Path) -> None:
    written(step(8, 4, 1), tmp_path)
    (tmp_path / "s.yaml").write_text(
        "schema: fabricsim/1\n"
        "topology: {shape: star, size: 9, link: {bandwidth: 50 GB/s, latency: 500 ns}}\n"
        "workload:\n"
        "  - {name: t, trace: t, groups: groups.json, algorithms: {all-reduce: direct}}\n"
        "  - {after: [t], collective: all-reduce, size: 1 MiB}\n"
    )
    result = load_scenario(tmp_path / "s.yaml").run()
    assert [operation.kind for operation in result.operations] == ["trace", "all-reduce"]
    text = (tmp_path / "s.yaml").read_text()
    for old, new, said in [
        ("trace: t,", "trace: x,", "no such trace"), ("direct", "treee", "algorithms"),
        ("size: 9", "size: 4", "the trace has 8 ranks"),
        ("algorithms:", "ranks: 0-3, algorithms:", "has 8 ranks, and 4"),
        ("groups.json", "none.json", "no such file"), ("trace: t,", "trace: t, size: 1 MiB,", "is not a key here"),
    ]:  # fmt: skip
        (tmp_path / "bad.yaml").write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=said):
            _bound(tmp_path / "bad.yaml")


def _bound(path: Path) -> None:
    scenario = load_scenario(path)
    scenario.bind(scenario.fabric())
