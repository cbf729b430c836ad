"""Steps as layers of text: what is computed and exchanged, among whom, in which order; what is wrong has a line."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.topology import resolve
from fabricsim.traces import Trace

STAR = {"shape": "star", "size": 8, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}}
HEAD = "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 2 ep: 2 pp: 1 vpp: 1 ga: 1 all_gpus: 8 checkpoints: 0"
LAYERS = """2
attention -1 5000 ALLREDUCE 65536 6000 ALLREDUCE 65536 7000 ALLREDUCE 131072 100
experts   -1 1000 ALLTOALL_EP 65536 1000 ALLTOALL_EP 65536 1000 ALLREDUCE_DP_EP 65536 100
"""


def read(text: str, tmp_path: Path) -> Trace:
    (tmp_path / "step.txt").write_text(text)
    return fs.read_trace(tmp_path / "step.txt")


def pair_s(size: int) -> float:
    """A ring all-reduce of two ranks through the switch: two rounds, each of half of the data."""
    return 2 * (1e-6 + size / 2 / 50e9)


def test_who_exchanges_with_whom(tmp_path: Path) -> None:
    trace = read(f"{HEAD}\n{LAYERS}", tmp_path)
    assert trace.ranks == 8
    assert trace.groups["tp2"] == (2, 3)
    assert trace.groups["dp1"] == (1, 3, 5, 7)
    assert trace.groups["ep4"] == (4, 6)
    assert trace.groups["dp-ep0"] == (0, 4)
    own = [node for node in trace.nodes if node.rank == 5]
    assert [node.label for node in own if node.kind == "collective"] == [
        "attention fwd all-reduce", "experts fwd all-to-all", "experts ig all-to-all", "experts wg all-reduce",
        "attention ig all-reduce", "attention wg all-reduce",
    ]  # fmt: skip
    assert [node.group for node in own if node.kind == "collective"] == [
        "tp4",
        "ep5",
        "ep5",
        "dp-ep1",
        "tp4",
        "dp1",
    ]


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_a_transformer_waits_for_all_but_weight_gradients(tmp_path: Path, engine: str) -> None:
    """Two ranks share two layers: forward one exchange each, back each beside the computation of weight gradients."""
    head = "HYBRID_TRANSFORMER model_parallel_NPU_group: 2 all_gpus: 2"
    row = "{} -1 1000 ALLREDUCE 1048576 2000 ALLREDUCE 1048576 {} NONE 0 500"
    rows = (row.format("a", 100_000), row.format("b", 1000))
    trace = read("\n".join([head, "2", *rows]), tmp_path)
    operation = fs.replay("t", trace, range(2), algorithms={"all-reduce": "ring"})
    result = fs.simulate(resolve(STAR), operation, engine=engine)
    one = pair_s(1 << 20) + 0.5e-6
    # from the first message on: forward and b's exchange back in turn, 2 us of b's inputs, then a's last exchange
    least = 2 * one + 1e-6 + 2e-6 + max(one, 1e-6) + 2e-6 + pair_s(1 << 20)
    assert result.metrics["completion_time_s"] == pytest.approx(least, rel=0.01)


def test_a_data_parallel_step_computes_weight_gradients_first(tmp_path: Path) -> None:
    row = "{} -1 10 NONE 0 20 NONE 0 30 ALLREDUCE 64 0"
    trace = read("\n".join(["DATA all_gpus: 4", "2", row.format("a"), row.format("b")]), tmp_path)
    own = [node.label for node in trace.nodes if node.rank == 0]
    assert own == ["a fwd", "b fwd", "b wg", "b wg all-reduce", "b ig", "a wg", "a wg all-reduce", "a ig"]
    assert trace.groups == {"all0": (0, 1, 2, 3)}


def test_a_model_parallel_step_does_not_exchange_gradients_of_its_inputs(tmp_path: Path) -> None:
    row = "{} -1 10 ALLGATHER 64 20 ALLREDUCE 64 30 NONE 0 0"
    trace = read("\n".join(["MODEL all_gpus: 4", "2", row.format("a"), row.format("b")]), tmp_path)
    own = [node.label for node in trace.nodes if node.rank == 0 and node.kind == "collective"]
    assert own == ["a fwd all-gather", "b fwd all-gather", "b ig all-reduce"]


def test_a_micro_benchmark_is_one_exchange(tmp_path: Path) -> None:
    trace = read("MICRO all_gpus: 4\n1\nx -1 0 NONE 0 0 NONE 0 0 ALLREDUCE 1048576 0\n", tmp_path)
    assert [(node.collective, node.size) for node in trace.nodes] == [("all-reduce", 1 << 20)] * 4
    operation = fs.replay("t", trace, range(4), algorithms={"all-reduce": "ring"})
    result = fs.simulate(resolve(STAR), operation, engine="flow")
    alone = fs.simulate(
        resolve(STAR), fs.all_reduce("1 MiB", algorithm="ring", ranks=range(4)), engine="flow"
    )
    assert result.metrics["completion_time_s"] == pytest.approx(alone.metrics["completion_time_s"])


def test_groups_of_one_exchange_nothing(tmp_path: Path) -> None:
    head = HEAD.replace("NPU_group: 2", "NPU_group: 1").replace("ep: 2", "ep: 1")
    trace = read(f"{head}\n{LAYERS}", tmp_path)
    kinds = {node.label for node in trace.nodes if node.kind == "collective"}
    assert kinds == {"attention wg all-reduce", "experts wg all-reduce"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("HYBRID_DLRM all_gpus: 8\n1\n", 1, "steps of HYBRID_DLRM are not read"),
        ("DATA\n1\n", 1, "all_gpus is not stated; add all_gpus: and a number"),
        ("HYBRID_TRANSFORMER all_gpus: 8\n1\n", 1, "model_parallel_NPU_group is not stated"),
        (HEAD.replace("pp: 1", "pp: 4") + "\n", 1, "pp is 4; stages of a pipeline"),
        (HEAD.replace("checkpoints: 0", "checkpoints: 2") + "\n", 1, "checkpoints is 2"),
        (HEAD.replace("all_gpus: 8", "all_gpus: 6") + "\n", 1, "6 ranks do not divide into groups of 2 · 2"),
        (f"{HEAD}\nattention\n", 2, "there is no number of layers"),
        (f"{HEAD}\n{LAYERS.replace('2', '3', 1)}", 2, "3 layers are stated, and 2 follow"),
        (f"{HEAD}\n{LAYERS.replace(' 100', '', 1)}", 3, "11 columns, not 12"),
        (f"{HEAD}\n{LAYERS.replace('ALLTOALL_EP', 'ALLTWOALL', 1)}", 4, "'ALLTWOALL' is not an exchange"),
        (f"{HEAD}\n{LAYERS.replace('65536', '-5', 1)}", 3, "the bytes of fwd is '-5'"),
        (f"{HEAD}\n{LAYERS.replace('65536', '0', 1)}", 3, "ALLREDUCE of no bytes"),
        ("DATA all_gpus: 2\n1\na -1 0 ALLREDUCE 64 0 NONE 0 0 NONE 0 0", 3, "makes no exchange in fwd"),
        ("MICRO all_gpus: 2\n2\n", 2, "2 layers are stated, and 0 follow"),
    ],
)
def test_what_cannot_be_replayed_is_said_at_its_line(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as info:
        read(text, tmp_path)
    (fault,) = info.value.faults
    assert (fault.file, fault.line) == (str(tmp_path / "step.txt"), line)
    assert words in str(fault)
