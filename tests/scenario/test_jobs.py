"""Several jobs on one machine: where their ranks lie, and what they cost each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.routing.meetings import routes
from fabricsim.run import job_of, run
from fabricsim.scenario import Scenario, json_schema, parse_scenario

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
TREE: dict[str, Any] = {"shape": "leaf-spine", "leaves": 4, "hosts": 8, "spines": 2, "link": LINK}
RING: dict[str, Any] = {"shape": "ring", "size": 16, "link": LINK}
GATHER = [{"name": "g", "collective": "all-gather", "size": "64 KiB"}]
MIB = 2**20


def scenario(*jobs: dict[str, Any], topology: Any = TREE, base: Path | None = None, **more: Any) -> Scenario:
    own = [{"workload": GATHER, **job} for job in jobs]
    return parse_scenario({"schema": "fabricsim/1", "topology": topology, "jobs": own, **more}, base=base)


def ranks(*jobs: dict[str, Any], **more: Any) -> list[list[int]]:
    found = scenario(*jobs, **more)
    return [tenant.ranks.tolist() for tenant in found.schedule(found.fabric()).tenants]


def fault(*jobs: dict[str, Any], **more: Any) -> str:
    with pytest.raises(InputError) as info:
        ranks(*jobs, **more)
    return str(info.value)


# -- where ranks lie --------------------------------------------------------------------------------------


def test_jobs_that_name_ranks_have_them_and_the_others_share_the_rest() -> None:
    found = ranks(
        {"name": "a", "npus": 4}, {"name": "b", "ranks": "0-2"}, {"name": "c", "npus": 2}, topology=RING
    )
    assert found == [[3, 4, 5, 6], [0, 1, 2], [7, 8]]


def test_strided_goes_as_far_apart_as_the_machine_allows() -> None:
    jobs = [{"name": name, "npus": 4, "placement": "strided"} for name in "abcd"]
    assert ranks(*jobs, topology=RING) == [list(range(first, 16, 4)) for first in range(4)]


def test_a_stride_that_comes_to_the_end_goes_on_from_the_next_place() -> None:
    (found,) = ranks({"name": "a", "npus": 5, "placement": "strided", "stride": 5}, topology=RING)
    assert found == [0, 5, 10, 15, 1]


def test_random_depends_on_the_seed_and_the_name_alone() -> None:
    job = {"name": "a", "npus": 6, "placement": "random"}
    once, again = ranks(job), ranks(job)
    assert once == again
    assert once[0] == sorted(set(once[0]))
    assert len(once[0]) == 6
    assert ranks(job, seed=1) != once
    assert ranks({**job, "name": "b"}) != once


def test_by_level_deals_places_to_copies_in_turn() -> None:
    job = {"npus": 6, "placement": "by-level", "level": "leaf"}
    a, b = ranks({"name": "a", **job}, {"name": "b", **job})
    assert a == [0, 8, 16, 24, 1, 9]
    assert b == [2, 10, 17, 25, 3, 11]


def test_whole_copies_of_a_level() -> None:
    found = ranks({"name": "a", "ranks": [9, 10]}, {"name": "b", "copies": 2, "of": "leaf"})
    assert found[1] == [*range(8), *range(16, 24)]


def test_an_order_along_levels() -> None:
    (found,) = ranks({"name": "a", "ranks": "0-3,8-11", "order": ["spine"]})
    assert found == [0, 8, 1, 9, 2, 10, 3, 11]


def test_dies_packages_and_npus_are_kept_apart() -> None:
    machine = "cloudmatrix384"
    dies, packages = ranks({"name": "a", "dies": 3}, {"name": "b", "packages": 2}, topology=machine)
    assert dies == [0, 1, 2]
    assert packages == [4, 5, 6, 7]  # die 3 is left: its package is not whole
    said = fault({"name": "a", "npus": 4}, topology=machine)
    assert "is a package of 2 dies, and each die is a rank; write packages: 4, or dies: 8" in said
    assert "is a whole NPU, not a die; write npus: 4" in fault({"name": "a", "dies": 4})


def test_ranks_out_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "ranks.txt").write_text("# the second leaf first\n8-11 3, 2\n\n0 # the last\n")
    (found,) = ranks({"name": "a", "ranks": {"file": "ranks.txt"}}, base=tmp_path)
    assert found == [8, 9, 10, 11, 3, 2, 0]


def test_ranks_out_of_a_hostfile(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("pod/node1 slots=2\npod/node0/npu3\npod/node2:1\n")
    (found,) = ranks({"name": "a", "ranks": {"hostfile": "hosts"}}, base=tmp_path, topology="cloudmatrix384")
    assert found == [16, 17, 6, 7, 32]


def test_a_wrong_line_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("npu1\nnpu77\nnpu2 slots=2\nnpu1\n")
    said = fault({"name": "a", "ranks": {"hostfile": "hosts"}}, base=tmp_path)
    lines = [f"{tmp_path}/hosts:{line}: " for line in (2, 3, 4)]
    assert [line for line in lines if line in said] == lines
    assert "'npu2' has 1 ranks, not 2" in said
    assert "'npu1' stands in line 1 too" in said
    (tmp_path / "ranks").write_text("0-3\n4 five\n")
    assert f"{tmp_path}/ranks:2: 'five' is not a rank" in fault(
        {"name": "a", "ranks": {"file": "ranks"}}, base=tmp_path
    )
    assert "no such file" in fault({"name": "a", "ranks": {"file": "none"}}, base=tmp_path).lower()


def test_ranks_of_an_entry_count_within_its_job() -> None:
    workload = [{"pattern": "incast", "size": "1 MiB", "ranks": "1-3", "target": 0}]
    found = scenario({"name": "a", "ranks": [20, 21, 22, 23], "workload": workload})
    (operation,) = found.schedule(found.fabric()).operations
    assert operation.name == "a.incast"
    assert operation.ranks.tolist() == [21, 22, 23]


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([{"name": "a", "ranks": "0-9"}, {"name": "b", "ranks": "8-15"}],
         "jobs.1.ranks: rank 8 (npu8) belongs to job 'a' already (2 such ranks in all)"),
        ([{"name": "a", "npus": 20}, {"name": "b", "npus": 20}],
         "jobs.1.npus: 20 npus are asked for, and 12 of 32 are free"),
        ([{"name": "a", "ranks": "0,8,16"}, {"name": "b", "copies": 2, "of": "leaf"}],
         "jobs.1.copies: 2 copies of leaf are asked for, and 1 of 4 are free"),
        ([{"name": "a", "ranks": "0-99"}], "jobs.0.ranks: there is no rank 99"),
        ([{"name": "a"}], "jobs.0: says neither which ranks it has nor how many"),
        ([{"name": "a", "ranks": "0-3", "npus": 4}], "jobs.0.npus: has both ranks and npus"),
        ([{"name": "a", "ranks": "0-3", "placement": "packed"}], "jobs.0.placement: there is nothing to place"),
        ([{"name": "a", "npus": 4, "stride": 2}], "jobs.0.stride: a packed placement has no stride"),
        ([{"name": "a", "npus": 4, "placement": "by-level"}], "jobs.0.placement: by-level needs a level"),
        ([{"name": "a", "copies": 4}], "jobs.0.copies: copies of what is not said"),
        ([{"name": "a", "copies": 1, "of": "rack"}], "jobs.0.of: 'rack' is not a level"),
        ([{"name": "a", "npus": 4, "order": ["leaf", "leaf"]}], "jobs.0.order.1: 'leaf' is named twice"),
        ([{"name": "a", "npus": 2}, {"name": "a", "npus": 2}], "jobs.1.name: 'a' is called so in an earlier job"),
        ([{"name": "a", "npus": 2, "workload": []}], "jobs.0.workload: has 0 entries"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_jobs_is_said_at_its_place(jobs: list[dict[str, Any]], words: str) -> None:
    assert words in fault(*jobs)


def test_a_training_step_is_no_job() -> None:
    step = {"train": "llama3-405b", "micro_batches": 1, "sequence": 8192, "efficiency": 0.5}
    with pytest.raises(InputError, match=r"jobs\.0\.workload\.0\.train: a training step is a scenario"):
        scenario({"name": "a", "npus": 8, "workload": [step]})


def test_lanes_are_checked_at_the_entry_of_the_job() -> None:
    found = scenario(
        {"name": "a", "npus": 4}, {"name": "b", "npus": 4, "workload": [{**GATHER[0], "lane": 2}]}
    )
    with pytest.raises(InputError, match=r"jobs\.1\.workload\.0\.lane"):
        found.bind(found.fabric())


def test_the_schema_takes_jobs_or_a_workload_and_not_both() -> None:
    checker = jsonschema.Draft202012Validator(json_schema())
    jobs = scenario({"name": "a", "npus": 4}).data
    checker.validate(jobs)
    assert not checker.is_valid({**jobs, "workload": GATHER})
    assert not checker.is_valid({key: value for key, value in jobs.items() if key != "jobs"})


# -- what they cost each other ------------------------------------------------------------------------------


def tapered(start: str, engine: str) -> Scenario:
    """Two all-to-alls, each with two ranks in each of four leaves, whose uplinks both need wholly."""
    workload = [{"name": "a2a", "collective": "all-to-all", "size": "4 MiB"}]
    spread = {"npus": 8, "placement": "by-level", "level": "leaf", "workload": workload}
    inside = {"name": "c", "npus": 4, "workload": workload}
    return scenario(
        inside, {"name": "a", **spread}, {"name": "b", "start": start, **spread},
        topology={**TREE, "taper": 8}, engine=engine, routing={"policy": "spray"},
    )  # fmt: skip


UPLINK_S = 2 * (6 / 8) * 4 * MIB / 50e9
"""Two ranks of a leaf send six eighths of 4 MiB each to other leaves, whose uplinks carry 50 GB/s in all."""


@pytest.mark.parametrize("engine", ["packet", "flow"])
@pytest.mark.parametrize(("share", "slowdown"), [(0, 2), (0.5, 1.5), (1.5, 1)])
def test_jobs_that_share_uplinks_slow_each_other_down(engine: str, share: float, slowdown: float) -> None:
    """Both at once take twice as long. One that comes half way shares the second half of the first, for
    that long again, and has half of its own left: one and a half each. What stays within a leaf is not touched."""
    (result,) = run(tapered(f"{round(share * UPLINK_S * 1e12)} ps", engine))
    c, a, b = result.jobs
    assert a.metrics["alone_time_s"] == pytest.approx(UPLINK_S, rel=0.03)
    if share != 0.5 or engine == "flow":
        assert a.metrics["slowdown"] == pytest.approx(slowdown, rel=0.02)
    else:  # packets that came first leave first, and what an all-to-all sends it sends at once
        assert 1.05 < a.metrics["slowdown"] < slowdown
    assert b.metrics["slowdown"] == pytest.approx(slowdown, rel=0.02)
    assert c.metrics["slowdown"] == pytest.approx(1, rel=1e-12)
    assert b.start_s == pytest.approx(share * UPLINK_S)
    assert result.metrics["slowdown_max"] == max(job.metrics["slowdown"] for job in result.jobs)
    assert result.numbers["a.slowdown"] == result.numbers["a.a2a.slowdown"]


def test_entries_of_a_job_wait_for_each_other_and_for_its_arrival() -> None:
    workload = [
        {"name": "one", "collective": "all-gather", "size": "64 KiB"},
        {"name": "two", "collective": "all-gather", "size": "64 KiB", "after": ["one"], "barrier": True},
        {"name": "late", "collective": "all-gather", "size": "64 KiB", "start": "1 ms"},
    ]
    (result,) = run(
        scenario({"name": "a", "ranks": "0-3", "start": "2 ms", "workload": workload}, topology=RING)
    )
    one, two, late = (result.operation(f"a.{name}") for name in ("one", "two", "late"))
    assert one.start_s == pytest.approx(2e-3)
    assert two.start_s == pytest.approx(2e-3 + one.metrics["completion_time_s"])
    assert late.start_s == pytest.approx(3e-3)
    (job,) = result.jobs
    assert job.metrics["completion_time_s"] == pytest.approx(1e-3 + late.metrics["completion_time_s"])
    assert job.metrics["slowdown"] == 1


@pytest.mark.parametrize("policy", ["ecmp", "spray", "valiant"])
def test_alone_a_job_takes_the_paths_that_it_takes_beside_others(policy: str) -> None:
    found = scenario(
        {"name": "a", "npus": 8}, {"name": "b", "npus": 8, "placement": "random"}, routing={"policy": policy}
    )
    job = job_of(found)
    both, alone = (
        routes(job.fabric, schedule.messages, Routing(policy), Model(), 0)
        for schedule in (job.schedule, job.schedule.alone(job.schedule.tenants[1]))
    )
    first = int(both.first[job.schedule.operations[0].messages])
    begin = both.starts[first]
    assert np.array_equal(both.channels[begin:], alone.channels)
    assert np.array_equal(both.starts[first:] - begin, alone.starts)


def test_jobs_are_set_and_swept_by_name() -> None:
    sweep = {"jobs.b.placement": ["packed", "random"], "jobs.a.workload.g.size": ["64 KiB", "1 MiB"]}
    found = scenario({"name": "a", "npus": 4}, {"name": "b", "npus": 4}, sweep=sweep)
    assert len(found.points()) == 4
    assert found.points()[3].parts.jobs[0].workload[0].size == MIB
    moved = found.replace(**{"jobs.b.start": "1 us"})
    assert moved.parts.jobs[1].start == pytest.approx(1e-6)
    with pytest.raises(InputError, match="did you mean 'placement'"):
        found.replace(**{"jobs.b.placment": "packed"})


def test_a_saved_result_has_its_jobs(tmp_path: Path) -> None:
    from fabricsim.result import load_result

    (result,) = run(scenario({"name": "a", "npus": 4}, {"name": "b", "npus": 4}, topology=RING))
    loaded = load_result(result.save(tmp_path / "out"))
    assert loaded.jobs == result.jobs
    assert loaded.numbers == result.numbers
