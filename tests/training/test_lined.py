"""All groups as rounds along lines: the messages that they would be listed as, and the same times."""

from typing import Any

import numpy as np
import pytest

import fabricsim.training.probes as probes
from fabricsim.collectives import collective
from fabricsim.run import run
from fabricsim.scenario import parse_scenario
from fabricsim.schedule import Round
from fabricsim.training import Layout, Parallel
from fabricsim.training.lined import as_lines, stride_of

RANKS = np.arange(96)
DENSE = {
    "layers": 12,
    "hidden": 1024,
    "heads": 16,
    "kv_heads": 16,
    "head": 64,
    "ffn": 4096,
    "vocabulary": 1000,
}
ROUTED = {**DENSE, "experts": 32, "top_k": 4, "expert_ffn": 512, "shared": 1, "dense_layers": 2}


@pytest.mark.parametrize("algorithm", ["ring", "direct", "halving-doubling", "recursive-doubling"])
@pytest.mark.parametrize(
    ("groups", "stride", "members"), [(("tp",), 1, 4), (("dp",), 4, 8), (("pp",), 32, 3), (("dp", "pp"), 4, 24)]
)  # fmt: skip
def test_lines_are_the_messages_of_all_groups(
    algorithm: str, groups: tuple[str, ...], stride: int, members: int
) -> None:
    found = Layout(Parallel(tp=4, dp=8, pp=3), RANKS).groups(*groups)
    if len(groups) > 1:  # the innermost one is the fastest, so that a copy of a stage follows another
        found = np.sort(found)
    assert stride_of(found, 96) == stride
    assert found.shape[1] == members
    size = 16 * members * 6
    kind = "all-reduce" if algorithm.endswith("doubling") else "all-gather"
    for r in collective("a", kind, algorithm, found[0], size).rounds:
        lines = as_lines(r, found[0], stride, 96)
        assert lines is not None
        places = np.searchsorted(found[0], np.stack([r.src, r.dst]))
        listed = {(int(src), int(dst)) for group in found for src, dst in group[places].T}
        assert listed == set(zip(lines.src.tolist(), lines.dst.tolist(), strict=True))
        assert (lines.messages, lines.repeat, lines.block) == (len(listed), r.repeat, int(r.size[0]))


def test_a_round_on_small_lines_has_few_members() -> None:
    """A stage of a collective over levels: pairs 4 apart in each of 3 parts of 8."""
    lower = (np.arange(24).reshape(3, 2, 4)[:, 0]).reshape(-1)
    r = Round(np.concatenate([lower, lower + 4]), np.concatenate([lower + 4, lower]), np.full(24, 16))
    lines = as_lines(r, np.arange(24), 1, 96)
    assert lines is not None
    assert (lines.side, lines.stride, lines.between) == (2, 4, None)


def test_what_is_not_alike_is_no_lines() -> None:
    mixed = Round(np.array([0, 1]), np.array([1, 0]), np.array([16, 32]))
    assert as_lines(mixed, np.arange(2), 1, 4) is None
    assert stride_of(np.array([[0, 1], [3, 2]]), 4) == 0
    assert stride_of(np.array([[0, 2], [1, 3]]), 4) == 2
    assert stride_of(np.array([[0, 1], [2, 3]]), 8) == 0


def times(entry: dict[str, Any]) -> tuple[dict[str, float], int]:
    """Return what each exchange takes on 1,024 GPUs, and how many messages were run."""
    entry = {"name": "step", "micro_batches": 4, "sequence": 2048, "efficiency": "50 %", **entry}
    machine = {"name": "server-stacking", "set": {"servers": 8, "groups": 4, "blocks": 4}}
    document = {"schema": "fabricsim/1", "topology": machine, "engine": "flow", "workload": [entry]}
    (found,) = run(parse_scenario(document))
    took = {op.name: op.metrics["completion_time_s"] for op in found.operations[1:]}
    return {"step": found.metrics["step_time_s"], **took}, int(found.metrics["messages"])


@pytest.mark.parametrize(
    "entry",
    [
        {"train": DENSE, "parallel": {"tp": 8, "pp": 4, "zero": 1}},
        {"train": DENSE, "parallel": {"tp": 4, "cp": 2, "pp": 4, "zero": 3}, "algorithms": {"dp": "hierarchical"}},
        {"train": ROUTED, "parallel": {"tp": 2, "ep": 32, "pp": 4}, "algorithms": {"dp": "halving-doubling"}},
    ],
)  # fmt: skip
def test_lines_take_as_long_as_messages(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_LISTED", 10**9)
    listed, few = times(entry)
    monkeypatch.setattr(probes, "MOST_LISTED", 0)
    lined, many = times(entry)
    assert many > few  # all groups now, not those of one copy of a level
    assert lined == pytest.approx(listed, rel=1e-9)


def test_thirty_thousand_ranks_train() -> None:
    """Every exchange of 32,768 ranks is some classes of messages; shared matrices take what they do on 64."""

    def took(servers: int, groups: int, blocks: int) -> dict[str, float]:
        machine = {"name": "server-stacking", "set": {"servers": servers, "groups": groups, "blocks": blocks}}
        entry = {"name": "step", "train": DENSE, "parallel": {"tp": 8}, "micro_batches": 4, "sequence": 2048,
                 "efficiency": "50 %"}  # fmt: skip
        (found,) = run(
            parse_scenario(
                {"schema": "fabricsim/1", "topology": machine, "engine": "flow", "workload": [entry]}
            )
        )
        return found.operation("step/tp-gather").metrics | {"messages_run": found.metrics["messages"]}

    small, large = took(2, 2, 2), took(64, 8, 8)
    assert large["messages_run"] > 1_000_000  # and each of 4,096 servers has its own
    assert large["completion_time_s"] == pytest.approx(small["completion_time_s"], rel=1e-9)
