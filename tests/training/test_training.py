"""Training steps: published totals, formulas of computation, pipeline and volumes, and factors that do not fit."""

import re
from typing import Any

import numpy as np
import pytest

from fabricsim.errors import InputError, UsageError
from fabricsim.models import MODELS
from fabricsim.report.page import write_page
from fabricsim.result import Result, load_result
from fabricsim.run import run
from fabricsim.scenario import parse_scenario
from fabricsim.training import Outcome, Parallel, Step
from fabricsim.training.demands import demands
from fabricsim.training.pipeline import pipelined

GPT3, LLAMA, DEEPSEEK = MODELS["gpt3-175b"], MODELS["llama3-405b"], MODELS["deepseek-v3"]
STACK = {"name": "server-stacking", "set": {"servers": 2, "groups": 2, "blocks": 2}}  # 64 GPUs
LINK = ["cluster/block0/group0/server0/gpu0", "cluster/block0/group0/leaf0"]
MODEL = {
    "layers": 16,
    "hidden": 1024,
    "heads": 16,
    "kv_heads": 16,
    "head": 64,
    "ffn": 4096,
    "vocabulary": 1000,
}


def document(**changes: Any) -> dict[str, Any]:
    entry = {"name": "step", "train": MODEL, "parallel": {"tp": 8, "pp": 2}, "micro_batches": 4, "sequence": 1024,
             "efficiency": "50 %"}  # fmt: skip
    entry |= {key: changes.pop(key) for key in list(changes) if key not in ("topology", "failures", "engine")}
    entry = {key: value for key, value in entry.items() if value is not None}
    return {"schema": "fabricsim/1", "topology": STACK, "engine": "flow", "workload": [entry], **changes}


def result(**changes: Any) -> Result:
    (found,) = run(parse_scenario(document(**changes)))
    return found


@pytest.mark.parametrize(
    ("name", "billions", "active"),
    [
        ("llama3-405b", 405, 405),
        ("gpt3-175b", 175, 175),
        ("deepseek-v3", 671, 37),
        ("pangu-pro-moe", 72, 16.5),
    ],
)
def test_parameters_are_those_published(name: str, billions: float, active: float) -> None:
    assert MODELS[name].parameters / 1e9 == pytest.approx(billions, rel=0.01)
    assert MODELS[name].active_parameters / 1e9 == pytest.approx(active, rel=0.02)


def test_operations_are_six_for_each_parameter_and_attention() -> None:
    # less the table that is only looked up; attention of 2·2·heads·head·s/2 a layer, three times
    words = LLAMA.table_parameters
    want = 6 * (LLAMA.parameters - words) + 3 * 126 * 4 * 128 * 128 * 8192 / 2
    assert 3 * LLAMA.forward_flops(8192) == pytest.approx(want, rel=1e-12)


def test_a_rank_alone_reaches_what_its_kernels_reach() -> None:
    step = Step(LLAMA, Parallel(), 2, 8192, 989e12, 0.5)
    alone = Outcome(step, {}, {})
    assert alone.mfu == pytest.approx(0.5, rel=1e-12)
    assert alone.step_time == pytest.approx(step.model_flops / (989e12 * 0.5), rel=1e-12)


@pytest.mark.parametrize(("stages", "batches"), [(1, 3), (4, 4), (4, 16), (7, 3)])
def test_the_bubble_of_a_pipeline(stages: int, batches: int) -> None:
    time = pipelined(np.full(stages, 1.0), np.full(stages, 2.0), 0.0, batches).over.max()
    assert time == pytest.approx(3 * (batches + stages - 1), rel=1e-12)


def test_what_copies_exchange_by_stage_of_zero() -> None:
    def volumes(zero: int) -> dict[str, int]:
        step = Step(GPT3, Parallel(tp=8, dp=4, zero=zero), 1, 2048, 1e15, 0.5)
        return {d.kind: d.size for d in demands(step) if d.dimension == "dp"}

    held = -(-(GPT3.parameters) // 8)
    assert volumes(0) == {"all-reduce": 4 * held}
    assert volumes(1) == volumes(2) == {"reduce-scatter": 4 * held, "all-gather": 2 * held}
    layer = -(-(GPT3.attention_parameters + GPT3.dense_parameters) // 8)
    assert volumes(3) == {"reduce-scatter": 4 * layer, "all-gather": 2 * layer}


def test_the_parts_of_a_step_add_up() -> None:
    m = result().metrics
    assert m["compute_time_s"] + m["bubble_time_s"] + m["exposed_time_s"] == pytest.approx(
        m["step_time_s"], rel=1e-12
    )
    parts = sum(m[f"exposed_{name}_s"] for name in ("tp", "cp", "ep", "pp", "dp"))
    assert parts == pytest.approx(m["exposed_time_s"], rel=1e-12)
    assert m["mfu"] == pytest.approx(
        m["kernel_efficiency"] * m["communication_factor"] * m["availability"], rel=1e-12
    )
    assert m["exposed_tp_s"] > 0
    assert m["exposed_dp_s"] > 0
    assert m["token_rate"] == pytest.approx(
        4 * 4 * 1024 / m["step_time_s"], rel=1e-12
    )  # 4 copies, 4 micro-batches


def test_tables_say_when_each_pass_is_and_where_the_time_goes() -> None:
    found = result()
    passes = found.tables["passes"].frame
    assert len(passes) == 2 * 2 * 4  # ways, stages, micro-batches
    assert passes["end_s"].max() <= found.metrics["step_time_s"]
    exposed = found.tables["exposed"].frame
    assert exposed["exposed_s"].sum() == pytest.approx(found.metrics["exposed_time_s"], rel=1e-9)
    assert set(exposed[exposed.dimension == "tp"].level) == {"server"}


def test_one_copy_of_a_level_stands_for_all() -> None:
    """A link that is slow in name only keeps every group in the run; each exchange takes as long."""
    near, far = result(), result(failures=[{"at": "0 s", "link": LINK, "factor": 0.999999999}])
    assert far.metrics["messages"] > near.metrics["messages"]
    for op in near.operations[1:]:
        whole = far.operation(op.name).metrics["completion_time_s"]
        assert op.metrics["completion_time_s"] == pytest.approx(whole, rel=1e-6)


def test_a_slow_link_costs_the_dimension_that_uses_it() -> None:
    healthy = result().metrics
    hurt = result(failures=[{"at": "0 s", "link": LINK, "factor": 0.25}]).metrics
    assert hurt["exposed_tp_s"] == pytest.approx(healthy["exposed_tp_s"], rel=1e-6)
    assert hurt["exposed_dp_s"] > 1.5 * healthy["exposed_dp_s"]


def test_overlap_hides_what_fits_behind_computation() -> None:
    seen, hidden = result().metrics, result(overlap={"dp": "100 %"}, micro_batches=4).metrics
    assert hidden["exposed_dp_s"] < seen["exposed_dp_s"]
    assert hidden["compute_time_s"] == seen["compute_time_s"]


def test_experts_go_to_the_ranks_that_hold_them() -> None:
    moe = {**MODEL, "experts": 16, "top_k": 2, "expert_ffn": 1024, "kv_heads": 16}
    found = result(train=moe, parallel={"tp": 4, "ep": 16})
    assert found.metrics["exposed_ep_s"] > 0
    names = [op.name for op in found.operations]
    assert {"step/ep-dispatch", "step/ep-combine"} <= set(names)


def test_it_is_saved_and_loaded(tmp_path: Any) -> None:
    found = result()
    again = load_result(found.save(tmp_path / "out"))
    assert again.metrics == found.metrics
    assert again.tables["passes"].frame.equals(found.tables["passes"].frame)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parallel": {"tp": 8, "pp": 3}}, "workload.0.parallel: 64 ranks cannot be shared by copies of tp · cp · pp"),
        ({"parallel": {"tp": 8, "pp": 2, "dp": 8}}, "is 128, and there are 64 ranks; write dp: 4"),
        ({"parallel": {"tp": 1, "pp": 32}}, "workload.0.parallel.pp: 32 stages are more than the 16 layers"),
        ({"parallel": {"tp": 32}}, "16 heads cannot be shared by 32 ranks evenly"),
        ({"parallel": {"ep": 4}}, "has no experts to share"),
        (
            {"train": {**MODEL, "experts": 6, "top_k": 2, "expert_ffn": 64}, "parallel": {"ep": 4}},
            "6 experts cannot be shared by 4 ranks evenly",
        ),
        (
            {"train": {**MODEL, "experts": 48, "top_k": 2, "expert_ffn": 64}, "parallel": {"tp": 4, "pp": 2, "ep": 48}},
            "a stage of tp · cp · dp = 4 · 1 · 8 = 32 ranks has no groups of 48; write a divisor of that",
        ),
        ({"parallel": {"tp": 3, "pp": 2}}, "64 ranks cannot be shared by copies of tp · cp · pp = 3 · 1 · 2 = 6 ranks"),
        ({"parallel": {"tp": 0}}, "workload.0.parallel.tp"),
        ({"parallel": {"zero": 4}}, "workload.0.parallel.zero"),
        ({"train": "llama4"}, "workload.0.train: 'llama4' is not a known model; did you mean"),
        ({"train": {**MODEL, "kv_heads": 3}}, "workload.0.train.kv_heads: 16 heads cannot share 3"),
        ({"train": {**MODEL, "hiden": 3}}, "workload.0.train.hiden: is not a key here; did you mean 'hidden'?"),
        ({"type": "fp32"}, "states no peak of fp32"),
        ({"sequence": 1001}, "a sequence of 1001 tokens cannot be shared by 8 ranks evenly"),
        ({"efficiency": None}, "workload.0.efficiency: is missing"),
        ({"order": ["tp", "dp"]}, "[tp, dp] is not an order of the dimensions"),
        ({"overlap": {"pp": 1.0}}, "'pp' is not a dimension to overlap"),
        ({"algorithms": {"xx": "ring"}}, "'xx' is not a dimension with algorithms"),
        ({"algorithms": {"dp": "rign"}}, "workload.0.algorithms.dp: dp-reduce-"),
        ({"size": "1 MiB"}, "workload.0.size: is not a key here"),
        ({"failures": [{"at": "1 ms", "link": LINK}]}, "each run alone, so that no time within it"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        result(**changes)


def test_all_factors_that_do_not_fit_are_named_at_once() -> None:
    small = {**MODEL, "layers": 2, "heads": 4, "kv_heads": 4}
    with pytest.raises(InputError) as caught:
        result(train=small, parallel={"tp": 8, "pp": 8, "ep": 4})
    assert {fault.key[-1] for fault in caught.value.faults} == {"tp", "pp", "ep"}


def test_the_page_begins_with_the_step(tmp_path: Any) -> None:
    page = write_page(result(), tmp_path).read_text()
    tiles = page[page.index('class="tiles"') :].partition("</dl>")[0]
    assert [name in tiles for name in ("step time", "MFU", "exposed communication", "busiest link")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_explaining_a_step_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="whose exposed times say what takes long"):
        run(parse_scenario(document()), explain=True)


def test_a_step_is_a_scenario_of_its_own() -> None:
    both = document()
    both["workload"].append({"collective": "all-reduce", "size": "1 MiB"})
    with pytest.raises(
        InputError, match=re.escape("workload.0.train: a training step is a scenario of its own")
    ):
        parse_scenario(both)


def test_both_engines_agree_where_each_channel_has_one_flow() -> None:
    rings = {"sequence": 128, "algorithms": {"tp": "ring", "dp": "ring"}, "train": {**MODEL, "layers": 4}}
    fluid, packets = result(**rings).metrics, result(**rings, engine="packet").metrics
    assert packets["exposed_dp_s"] == pytest.approx(fluid["exposed_dp_s"], rel=1e-6)
    assert packets["compute_time_s"] == fluid["compute_time_s"]
    # 8 packets of a small message over 18 parallel links are no fluid: shared matrices take longer in packets
    assert packets["exposed_tp_s"] > fluid["exposed_tp_s"]
