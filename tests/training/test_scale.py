"""How steps scale, and what a rack of full meshes loses to a Clos: the orderings that others published."""

from typing import Any

import pandas as pd
import pytest

import fabricsim as fs
from fabricsim.errors import UsageError
from fabricsim.report.scaling import linearity_of, scale_linearity
from fabricsim.run import run
from fabricsim.scenario import parse_scenario

DENSE: dict[str, Any] = {"train": "gpt3-175b", "parallel": {"tp": 8, "pp": 8, "zero": 1}}
ROUTED: dict[str, Any] = {"train": "pangu-pro-moe", "parallel": {"tp": 4, "pp": 4, "ep": 16, "zero": 1}}
SERVERS = {
    64: {"name": "server-stacking", "set": {"servers": 8, "groups": 1, "blocks": 1}},
    1024: {"name": "server-stacking", "set": {"servers": 16, "groups": 4, "blocks": 2}},
}
SUPERNODES = {
    npus: {"name": "atlas950-superpod", "set": {"cabinets": npus // 64}} for npus in (64, 1024)
}  # fmt: skip


def step(topology: Any, **entry: Any) -> dict[str, float]:
    given = {
        "name": "step",
        "micro_batches": 16,
        "sequence": 4096,
        "efficiency": "50 %",
        "peak": "989 TFLOP/s",
    }
    document = {"schema": "fabricsim/1", "topology": topology, "engine": "flow", "workload": [given | entry]}
    (found,) = run(parse_scenario(document))
    return found.metrics


def each(metrics: dict[str, float]) -> float:
    return metrics["token_rate"] / metrics["step_ranks"]


@pytest.mark.parametrize("model", [DENSE, ROUTED], ids=["dense", "routed"])
def test_supernodes_scale_better_than_servers(model: dict[str, Any]) -> None:
    """With one device and one work for all, copies exchange over one port of a server's GPU, and many of an NPU."""
    servers, supernodes = (
        each(step(machine[1024], **model)) / each(step(machine[64], **model))
        for machine in (SERVERS, SUPERNODES)
    )
    assert servers < supernodes < 1
    assert supernodes > 0.95  # UB-Mesh, arXiv 2503.20377, section 6: 95 % and more


def test_a_fixed_batch_scales_worse_than_fixed_work() -> None:
    """Linearity is the ratio of bubbles where nothing is sent: (p − 1)/(m + p − 1) of a step."""
    work, batch = (step(SUPERNODES[1024], **DENSE, micro_batches=m) for m in (128, 8))
    assert each(work) > each(batch)
    useful = {m: m / (m + 7) for m in (8, 128)}
    assert each(batch) / each(work) == pytest.approx(useful[8] / useful[128], rel=0.05)


@pytest.mark.parametrize("parallel", [{"tp": 8, "pp": 8}, {"tp": 8, "cp": 8}, {"tp": 8, "cp": 2, "pp": 4}])
@pytest.mark.parametrize("model", ["gpt3-175b", "llama3-405b"])
def test_a_rack_of_full_meshes_is_a_little_slower_than_a_clos(model: str, parallel: dict[str, int]) -> None:
    """UB-Mesh, arXiv 2503.20377, section 6: 93.2 to 95.9 % of a Clos inside the rack, dense models."""
    rate = float(fs.load_topology("ub-mesh-rack").bandwidth[0]) / 1e9
    clos = {
        "shape": "star", "size": 64, "link": {"bandwidth": f"{14 * rate} GB/s", "latency": "60 ns"},
        "switch": {"delay": "200 ns"},
    }  # fmt: skip
    entry = {"train": model, "parallel": parallel, "sequence": 8192, "peak": "376 TFLOP/s"}
    assert 0.90 < step("ub-mesh-rack", **entry)["token_rate"] / step(clos, **entry)["token_rate"] < 0.98


def frame() -> pd.DataFrame:
    return pd.DataFrame({
        "name": ["a", "a", "b", "b", "b"],
        "step_ranks": [128.0, 64.0, 256.0, 64.0, float("nan")],
        "token_rate": [180.0, 100.0, 100.0, 50.0, float("nan")],
    })  # fmt: skip


def test_linearity_is_the_rate_of_each_rank_over_the_bases() -> None:
    table = linearity_of(frame(), ["name"])
    assert table.index.tolist() == [64, 128, 256]
    assert table["a"].dropna().tolist() == pytest.approx([1, 180 / 128 / (100 / 64)])
    assert table["b"].dropna().tolist() == pytest.approx([1, 100 / 256 / (50 / 64)])


def test_the_picture_states_the_base() -> None:
    ax = scale_linearity(frame(), ["name"])
    labels = [line.get_label() for line in ax.lines[1:]]
    assert labels == ["a: 90 % of 64 at 128", "b: 50 % of 64 at 256"]
    assert ax.lines[1].get_ydata() == pytest.approx([100, 90])


def test_what_is_no_study_is_refused() -> None:
    with pytest.raises(UsageError, match="no column 'kind'"):
        linearity_of(frame(), ["kind"])
    with pytest.raises(UsageError, match="two points are x at 64 ranks"):
        linearity_of(frame().assign(all="x"), ["all"])
    with pytest.raises(UsageError, match="no point of the frame is a training step"):
        linearity_of(frame().iloc[4:], ["name"])
