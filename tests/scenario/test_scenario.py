from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

from fabricsim.data_folders import data_folder
from fabricsim.errors import InputError
from fabricsim.model import SWITCHING, Model
from fabricsim.routing import POLICIES
from fabricsim.scenario import Scenario, json_schema, load_scenario, parse_scenario, shipped_scenarios

RING: dict[str, Any] = {
    "schema": "fabricsim/1",
    "topology": {"shape": "ring", "size": 8, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}},
    "workload": [
        {"name": "ar", "collective": "all-reduce", "size": "1 MiB"},
        {"collective": "all-gather", "size": "1 MiB", "ranks": "0-3", "after": ["ar"]},
    ],
}


def ring(**more: Any) -> Scenario:
    return parse_scenario({**RING, **more})


def fault(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(InputError) as info:
        parse_scenario(*args, **kwargs)
    return str(info.value)


# -- what a scenario says ---------------------------------------------------------------------------------


def test_what_is_not_stated_comes_from_the_topology() -> None:
    scenario = ring()
    fabric = scenario.fabric()
    assert scenario.model(fabric) == fabric.model
    assert scenario.routing(fabric).policy == fabric.policy
    assert len(scenario.failures(fabric)) == 0
    assert (scenario.seed, scenario.engine, scenario.kernel, scenario.name) == (0, "auto", "auto", "scenario")


def test_a_scenario_may_take_away_the_flow_control_of_its_topology() -> None:
    """The keys of a flow control that is gone go with it; what else the topology says stays."""
    topology = {
        "name": "own",
        "levels": [{"name": "rack", "members": 4, "rule": "ring", "link": {"bandwidth": "50 GB/s"}}],
        "device": {"forwards": True},
        "model": {"mtu": "1 KiB", "buffer": "64 KiB", "flow_control": "credits", "cell": "160 B"},
    }
    own, infinite, paused = (
        ring(topology=topology, model=model, workload=[{"collective": "all-gather", "size": "1 MiB"}])
        for model in ({}, {"buffer": "infinite"}, {"flow_control": "pfc", "pause": "32 KiB"})
    )
    fabric = own.fabric()
    assert own.model(fabric) == fabric.model
    assert infinite.model(fabric) == Model(mtu=1024)
    assert paused.model(fabric) == Model(mtu=1024, buffer=65536, flow_control="pfc", pause=32768)


def test_what_is_stated_takes_its_place_and_nothing_else_changes() -> None:
    scenario = ring(
        model={"mtu": "1 KiB"}, endpoint={"gap": "2 us"}, routing={"policy": "ecmp", "hash": "pair"}, seed=7
    )
    fabric = scenario.fabric()
    endpoint = dataclasses.replace(fabric.model.endpoint, gap=2e-6)
    assert scenario.model(fabric) == dataclasses.replace(fabric.model, mtu=1024, endpoint=endpoint)
    routing = scenario.routing(fabric)
    assert (routing.policy, routing.hash, scenario.seed) == ("ecmp", "pair", 7)


def test_the_workload_is_bound_to_its_ranks_in_order() -> None:
    scenario = ring()
    fabric = scenario.fabric()
    first, second = scenario.schedule(fabric).operations
    assert (first.name, first.asked, first.ranks.tolist()) == ("ar", 2**20, list(range(8)))
    assert (second.name, second.after, second.ranks.tolist()) == ("all-gather", ("ar",), [0, 1, 2, 3])


def test_failures_and_their_detection() -> None:
    scenario = ring(
        failures=[{"at": "100 us", "link": ["npu0", "npu1"], "factor": 0.5, "repair_after": "1 ms"}],
        recovery={"detect": "10 us"},
    )
    failures = scenario.failures(scenario.fabric())
    assert [(time, factor) for time, _, factor in failures.rows()] == [(10**8, 0.5)] * 2 + [
        (11 * 10**8, 1.0)
    ] * 2
    assert failures.detect_ps == 10**7


def test_load_is_a_share_of_what_a_rank_can_inject() -> None:
    scenario = ring(workload=[{"pattern": "uniform", "size": "4 KiB", "load": "50 %", "duration": "100 us"}])
    fabric = scenario.fabric()
    (operation,) = scenario.schedule(fabric).operations
    # two links of 50 GB/s at each rank; Poisson, so the count of messages m is known within sqrt(m)
    mean = 0.5 * 2 * 50e9 * 100e-6 / 4096 * 8
    assert abs(operation.messages - mean) < 5 * mean**0.5


def test_bind_is_all_parts_at_once() -> None:
    scenario = ring()
    fabric = scenario.fabric()
    bound = scenario.bind(fabric)
    assert bound.schedule.digest == scenario.schedule(fabric).digest
    assert bound.model == scenario.model(fabric)
    assert bound.routing == scenario.routing(fabric)
    assert bound.failures.digest == scenario.failures(fabric).digest


def test_text_and_mapping_and_canonical_form_are_one_scenario() -> None:
    mapping = ring(seed=3)
    text = parse_scenario(yaml.safe_dump({**RING, "seed": 3}))
    assert mapping.canonical() == text.canonical()
    assert parse_scenario(mapping.canonical()).canonical() == mapping.canonical()
    assert parse_scenario(mapping.text).canonical() == mapping.canonical()


def test_a_scenario_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ring().base = Path("/")  # type: ignore[misc]


def test_files_are_found_from_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = '{"nodes": [{"id": "a"}, {"id": "b"}], "edges": [{"source": "a", "target": "b", %s}]}'
    (tmp_path / "pair.json").write_text(graph % '"bandwidth": "1 GB/s", "latency": "1 ns"')
    (tmp_path / "x.yaml").write_text(yaml.safe_dump({**RING, "topology": {"graph": "pair.json"}}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_scenario(tmp_path / "x.yaml").fabric().ranks == 2
    # a file that a setting names is looked for where the command was given
    monkeypatch.chdir(tmp_path)
    (elsewhere / "y.yaml").write_text(yaml.safe_dump(RING))
    scenario = load_scenario(elsewhere / "y.yaml", settings={"topology": {"graph": "pair.json"}})
    assert scenario.fabric().ranks == 2


def test_ranks_without_a_path_are_named(tmp_path: Path) -> None:
    links = ", ".join(
        f'{{"source": "{a}", "target": "{b}", "bandwidth": "1 GB/s", "latency": "1 ns"}}'
        for a, b in ("ab", "cd")
    )
    nodes = ", ".join(f'{{"id": "{name}"}}' for name in "abcd")
    (tmp_path / "g.json").write_text(f'{{"nodes": [{nodes}], "edges": [{links}]}}')
    graph = {"topology": {"graph": "g.json"}}
    whole = parse_scenario({**RING, **graph}, base=tmp_path)
    with pytest.raises(InputError, match=r"topology: there is no path from b to c"):
        whole.schedule(whole.fabric())
    stated = parse_scenario({**RING, **graph}, base=tmp_path, settings=["workload.ar.ranks=0-1"])
    with pytest.raises(InputError, match=r"workload\.1\.ranks: there is no path from b to c"):
        stated.schedule(stated.fabric())


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("seed=8", ["seed"], 8),
        ("model.mtu=8 KiB", ["model", "mtu"], "8 KiB"),
        ("workload.ar.size=2 MiB", ["workload", 0, "size"], "2 MiB"),
        ("workload.1.size=2 MiB", ["workload", 1, "size"], "2 MiB"),
        ("workload.all-gather.size=2 MiB", ["workload", 1, "size"], "2 MiB"),
        ("workload.ar.algorithm=tree", ["workload", 0, "algorithm"], "tree"),
        ("topology.size=4", ["topology", "size"], 4),
        ("topology.link.latency=1 us", ["topology", "link", "latency"], "1 us"),
        ("expect.ar.busbw=>= 1 GB/s", ["expect", "ar.busbw"], ">= 1 GB/s"),
        ("name=a: b", ["name"], "a: b"),
        ("name='12'", ["name"], "12"),
        ("topology.size=[2, 2]", ["topology", "size"], [2, 2]),
    ],
)
def test_a_setting_puts_a_value_where_its_path_leads(
    setting: str, path: list[str | int], value: object
) -> None:
    scenario = parse_scenario(RING, settings=[setting])
    found: Any = scenario.data
    for step in path:
        found = found[step]
    assert found == value
    assert scenario.text == ring().text


def test_names_may_hold_dots() -> None:
    entries = [{"name": "layer.1", "collective": "all-reduce", "size": "1 MiB"}]
    scenario = parse_scenario({**RING, "workload": entries}, settings=["workload.layer.1.size=2 MiB"])
    assert scenario.data["workload"][0]["size"] == "2 MiB"


def test_a_topology_given_by_name_takes_parameters() -> None:
    scenario = parse_scenario({**RING, "topology": "some-machine"}, settings=["topology.set.taper=2"])
    assert scenario.data["topology"] == {"name": "some-machine", "set": {"taper": 2}}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("sed=8", "setting sed=8: 'sed' leads nowhere: there is no key 'sed'; did you mean 'seed'?"),
        ("model.mtuu=8 KiB", "model has no key 'mtuu'; did you mean 'mtu'?"),
        ("model.mtu=8 KB", "setting model.mtu=8 KB: model.mtu: '8 KB' has the unit 'KB'"),
        ("model.mtu", "setting model.mtu: is not KEY=VALUE"),
        ("=3", "setting =3: is not KEY=VALUE"),
        ("seed=-1", "setting seed=-1: seed: -1 is too small"),
        ("seed=[", "setting seed=[: not valid YAML"),
        ("seed=", "setting seed=: seed: has no value"),
        ("seed.x=1", "'seed.x' leads nowhere: seed has no keys; set seed itself"),
        ("workload.as.size=1 MiB", "there is no workload entry 'as'; known: all-gather, ar"),
        ("workload.2.size=1 MiB", "there is no workload entry '2'"),
        ("workload.ar.sise=1 MiB", "workload.0 has no key 'sise'; did you mean 'size'?"),
        ("workload.ar=1 MiB", "'workload.ar' leads nowhere; end it in one of workload.0's keys: name, ranks"),
        ("failures.0.at=1 us", "there is no failures entry '0'; none are defined"),
        (
            "engine=fluid",
            "setting engine=fluid: engine: 'fluid' is not known here; known: auto, flow, packet",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(setting: str, text: str) -> None:
    assert text in fault(RING, settings=[setting])


def test_all_wrong_settings_are_reported() -> None:
    text = fault(RING, settings=["sed=1", "nothing", "model.mtuu=1"])
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "setting sed=1", "setting nothing", "setting model.mtuu=1",
    ]  # fmt: skip


def test_a_fault_of_binding_names_the_setting() -> None:
    scenario = parse_scenario(RING, settings=["workload.ar.ranks=0-9"])
    with pytest.raises(
        InputError, match=r"^setting workload\.ar\.ranks=0-9: workload\.0\.ranks: there is no rank 9"
    ):
        scenario.schedule(scenario.fabric())


def test_a_number_out_of_a_frame_is_a_number() -> None:
    assert ring().replace(seed=np.int64(8)).seed == 8


def test_replace_is_a_setting() -> None:
    first = ring()
    second = first.replace(seed=8, **{"workload.ar.size": "2 MiB"})
    assert (first.seed, second.seed) == (0, 8)
    assert second.data["workload"][0]["size"] == "2 MiB"
    assert first.data["workload"][0]["size"] == "1 MiB"
    with pytest.raises(InputError, match="setting seed=-1: seed: -1 is too small"):
        second.replace(seed=-1)


# -- sweeps -----------------------------------------------------------------------------------------------


def test_without_a_sweep_there_is_one_point_itself() -> None:
    scenario = ring()
    assert scenario.points() == [scenario]


def test_a_sweep_is_a_grid_with_the_first_key_slowest() -> None:
    scenario = ring(sweep={"workload.ar.size": ["1 MiB", "2 MiB"], "seed": [1, 2, 3]})
    found = [(p.data["workload"][0]["size"], p.seed) for p in scenario.points()]
    assert found == [(size, seed) for size in ("1 MiB", "2 MiB") for seed in (1, 2, 3)]
    assert [p.varied for p in scenario.points()] == [{"workload.ar.size": s, "seed": n} for s, n in found]
    assert all("sweep" not in p.data for p in scenario.points())


def test_a_point_is_the_scenario_that_states_its_values() -> None:
    point = ring(sweep={"workload.ar.size": ["2 MiB"], "model.mtu": ["1 KiB"]}).points()[0]
    entries = [{**RING["workload"][0], "size": "2 MiB"}, RING["workload"][1]]
    assert point.canonical() == ring(workload=entries, model={"mtu": "1 KiB"}).canonical()


def test_whole_topologies_can_be_swept() -> None:
    star = {**RING["topology"], "shape": "star"}
    points = ring(sweep={"topology": [RING["topology"], star]}).points()
    assert [p.fabric().switches for p in points] == [0, 1]


def test_a_setting_takes_the_place_of_a_sweep_over_its_key() -> None:
    scenario = ring(sweep={"workload.ar.size": ["1 MiB", "2 MiB"], "seed": [1, 2]})
    fixed = scenario.replace(**{"workload.0.size": "4 MiB"})
    assert [(p.data["workload"][0]["size"], p.seed) for p in fixed.points()] == [("4 MiB", 1), ("4 MiB", 2)]
    assert len(fixed.replace(seed=1).points()) == 1


def test_expectations_know_the_entries() -> None:
    scenario = ring(expect={"ar.busbw": ">= 1 GB/s", "completion_time": "<= 1 s"})
    assert [str(e) for e in scenario.expectations] == ["ar.busbw >= 1 GB/s", "completion_time <= 1 s"]


# -- mappings, schema, shipped files ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object(), b"x"])
def test_a_mapping_holds_what_a_file_could(value: object) -> None:
    assert "a scenario holds text, numbers, lists and mappings only" in fault({**RING, "seed": value})


def test_faults_of_a_mapping_have_keys_and_no_lines() -> None:
    assert fault({**RING, "seed": "x"}) == "seed: 'x' is not a whole number; write a whole number"


def test_the_grammar_knows_exactly_what_is_built() -> None:
    schema = json_schema()["$defs"]
    assert set(schema["RoutingPart"]["properties"]["policy"]["enum"]) == set(POLICIES)
    assert set(schema["ModelPart"]["properties"]["switching"]["enum"]) == set(SWITCHING)


def shipped() -> list[Any]:
    """Return the scenarios that ship; a machine of a million NPUs takes ten seconds to build."""
    paths = sorted(data_folder("scenarios").glob("*.yaml"))
    large = "atlas960-supercluster"
    return [
        pytest.param(path, id=path.stem, marks=[pytest.mark.campaign] * path.stem.startswith(large))
        for path in paths
    ]


@pytest.mark.parametrize("path", shipped())
def test_a_shipped_scenario_binds_at_every_point_and_expects_something(path: Path) -> None:
    scenario = load_scenario(path.stem)
    assert scenario.expectations
    assert shipped_scenarios()[path.stem] == scenario.name
    for point in scenario.points():
        assert point.bind(point.fabric()).schedule.operations


@pytest.mark.parametrize("path", shipped())
def test_the_schema_accepts_what_ships(path: Path) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(load_scenario(path).data)


@pytest.mark.parametrize(
    "change",
    [
        {"sed": 1},
        {"seed": None},
        {"seed": "1"},
        {"model": {"mtu": 4096}},
        {"engine": "fluid"},
        {"workload": []},
    ],
)
def test_the_schema_refuses_what_is_refused(change: dict[str, Any]) -> None:
    data = {**RING, **change}
    assert fault(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(data)


def test_reading_a_scenario_imports_no_engine() -> None:
    code = "import sys, fabricsim.scenario; print({'simpy', 'fabricsim.engines', 'matplotlib'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
