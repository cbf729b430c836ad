"""A served model: what its phases add up to, by hand, and what is wrong with one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabricsim.errors import InputError, UsageError
from fabricsim.report.page import write_page
from fabricsim.report.tables import layers_table
from fabricsim.result import Result
from fabricsim.run import execute, job_of
from fabricsim.scenario import parse_scenario

MODEL = {
    "layers": 4, "hidden": 1024, "heads": 8, "kv_heads": 2, "head": 128, "ffn": 4096, "vocabulary": 32_000,
    "experts": 8, "top_k": 2, "expert_ffn": 512, "shared": 1, "dense_layers": 1,
}  # fmt: skip
SERVE = {
    "serve": MODEL, "name": "s", "prompt": 256, "context": 512, "efficiency": 0.5, "peak": "100 TFLOP/s",
    "memory_rate": "2 TB/s", "choice": "expected", "prefill": {"ranks": "0-3", "sequences": 2},
    "decode": {"ranks": "4-7", "sequences": 16},
}  # fmt: skip


def scenario(**changes: Any) -> dict[str, Any]:
    entry = {key: value for key, value in {**SERVE, **changes}.items() if value is not None}
    return {"schema": "fabricsim/1", "topology": "hgx-h100", "engine": "flow", "workload": [entry]}


def run(**changes: Any) -> Result:
    result = parse_scenario(scenario(**changes)).run()
    assert isinstance(result, Result)
    return result


def metrics(result: Result, name: str) -> dict[str, float]:
    return dict(next(op.metrics for op in result.operations if op.name == name))


@pytest.fixture(scope="module")
def plain() -> Result:
    return run()


def test_a_pass_is_its_layers_and_the_table_of_words(plain: Result) -> None:
    """One layer without experts, three with; 16 tokens read all weights, which takes longer than the operations."""
    found = metrics(plain, "s/decode")
    attention = 2 * 1024 * 8 * 128 + 2 * 1024 * 2 * 128
    expert = 3 * 1024 * 512
    cache = 16 * 512 * (2 * 2 * 128) * 2
    routed = (
        2 * (attention + expert + 1024 * 8 + 2 * expert) + cache
    )  # one shared expert, two of eight routed ones
    dense = 2 * (attention + 3 * 1024 * 4096) + cache
    table = 2 * 1024 * 32_000
    assert found["layer_compute_s"] == pytest.approx(routed / 2e12)
    exchanged = found["dispatch_mean_s"] + found["combine_mean_s"]
    layers = (dense + 3 * routed + table) / 2e12 + 3 * exchanged
    assert found["pass_time_s"] == pytest.approx(layers)
    assert plain.metrics["served_rate"] == pytest.approx(4 * 16 / found["pass_time_s"])


def test_reading_prompts_takes_its_operations(plain: Result) -> None:
    """512 tokens a rank; attention looks at half of a prompt."""
    attention = 2 * 1024 * 8 * 128 + 2 * 1024 * 2 * 128
    inner = (1 + 2) * 3 * 1024 * 512 + 1024 * 8
    flops = 512 * (2 * (attention + inner) + 2 * 128 * 8 * 2 * 128)
    assert metrics(plain, "s/prefill")["layer_compute_s"] == pytest.approx(flops / 50e12)


def test_tokens_cross_the_wire_as_expected(plain: Result) -> None:
    """A token goes to a rank of two experts of eight unless neither of its two is there: 1 − C(6, 2)/C(8, 2)."""
    copies = 512 * (1 - 15 / 28)
    wire = 3 * round(copies * 1024 * 2) / 450e9
    assert metrics(plain, "s/prefill-dispatch-0")["completion_time_s"] == pytest.approx(
        wire + 0.3e-6, rel=0.02
    )  # two links and a switch


def test_the_cache_moves_from_each_reader_to_writers_in_turn(plain: Result) -> None:
    sent = 256 * (2 * 2 * 128) * 4 * 2
    assert plain.metrics["cache_sent_B"] == sent
    assert plain.metrics["cache_transfer_s"] == pytest.approx(2 * sent / 450e9, rel=0.1)
    whole = plain.metrics
    parts = whole["prefill_time_s"] + whole["cache_transfer_s"] + whole["token_time_s"]
    assert whole["first_token_time_s"] == pytest.approx(parts)


def test_kernels_add_their_cost_and_overlap_hides_exchanges(plain: Result) -> None:
    kernels = {"dispatch": {"fixed": "10 us", "efficiency": 0.5}, "combine": {"fixed": "20 us"}}
    slow = metrics(run(kernels=kernels), "s/decode")
    before = metrics(plain, "s/decode")
    assert slow["dispatch_mean_s"] == pytest.approx(10e-6 + 2 * before["dispatch_mean_s"])
    assert slow["combine_mean_s"] == pytest.approx(20e-6 + before["combine_mean_s"])
    hidden = metrics(run(overlap=0.5), "s/decode")
    exchanged = before["dispatch_mean_s"] + before["combine_mean_s"]
    assert hidden["layer_p50_s"] == pytest.approx(before["layer_p50_s"] - exchanged / 2)


def test_layers_draw_experts_of_their_own_and_skew_makes_them_slower() -> None:
    even, skewed = (run(choice="seeded", layers=3, skew=skew, prefill=None) for skew in (0.0, 1.5))
    rows = even.tables["layers"]
    assert rows["layer"].tolist() == [0, 1, 2]
    assert len(set(rows["dispatch_s"].tolist())) > 1
    found = metrics(even, "s/decode")
    assert found["layer_p50_s"] == pytest.approx(float(np.median(rows["latency_s"])))
    assert found["layer_max_s"] == rows["latency_s"].max()
    assert "first_token_time_s" not in even.metrics  # nobody reads
    assert metrics(skewed, "s/decode")["dispatch_mean_s"] > found["dispatch_mean_s"]


def test_the_page_begins_with_what_a_user_waits_for(plain: Result, tmp_path: Path) -> None:
    page = write_page(plain, tmp_path).read_text(encoding="utf-8")
    tiles = page[page.index('class="tiles"') :].partition("</dl>")[0]
    assert [name in tiles for name in ("first token", "each further token", "completion time")] == [
        True,
        True,
        False,
    ]
    layers = layers_table(plain)
    assert [row[0] for row in layers.rows] == ["prefill 0", "decode 0"]
    assert "decode 0" in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prefill": None, "decode": None}, "workload.0: nobody reads prompts or writes"),
        ({"decode": {"ranks": "3-6"}}, "workload.0.decode.ranks: rank 3 is in the other pool too"),
        ({"decode": {"ranks": "4-6"}}, "decode.ranks: the 8 experts of the model cannot be spread evenly over 3"),
        ({"decode": {"ranks": "4"}}, "decode.ranks: "),
        ({"decode": {"ranks": "4-9"}}, "decode.ranks: "),
        ({"serve": "gpt3-175b"}, "workload.0.serve: gpt3-175b has no experts"),
        ({"serve": "deepseek-v2"}, "workload.0.serve: .*deepseek-v3"),
        ({"layers": 4}, "workload.0.layers: the model has 3 layers with experts, fewer than 4"),
        ({"skew": 1.0}, "workload.0.skew: an even choice has no skew; write choice: seeded"),
        ({"peak": None, "type": "fp8x"}, "workload.0.type: "),
        ({"decode": {"ranks": "4-7", "sequences": 100_000}}, "decode.sequences: each rank needs .* for weights"),
        ({"way": "direct"}, "workload.0.way: is not a key here"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        job_of(parse_scenario(scenario(**changes)))


def test_a_rate_of_memory_is_asked_for_where_the_device_states_none() -> None:
    without = {**scenario(memory_rate=None), "topology": "hgx-h800"}
    with pytest.raises(InputError, match="memory_rate: the device of hgx-h800 states no rate of its memory"):
        job_of(parse_scenario(without))


def test_a_served_model_is_a_scenario_of_its_own() -> None:
    both = scenario()
    both["workload"].append({"collective": "all-reduce", "size": "1 MiB"})
    with pytest.raises(InputError, match="a model that is served is a scenario of its own"):
        parse_scenario(both)
    failing = {
        **scenario(),
        "failures": [{"at": "1 us", "link": ["server/gpu0", "server/sw0"], "factor": 0.5}],
    }
    with pytest.raises(InputError, match="no time within it has a meaning"):
        job_of(parse_scenario(failing))
    with pytest.raises(UsageError, match="is a served model, whose layers say what takes long"):
        execute(job_of(parse_scenario(scenario())), explain=True)
