"""Topology files: what they may say, and how a mistake in one is told."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.document import parse_document, read_document
from fabricsim.errors import InputError, UsageError
from fabricsim.fabric import Fabric
from fabricsim.topology import SHAPES, json_schema, load_topology, parse_settings, resolve, shipped
from fabricsim.topology.loader import shipped_files

FILE = """\
schema: fabricsim.topology/1
name: small
title: A small machine
parameters: {boards: 4, planes: 2, taper: 1, reach: 100 ns, wire: nvlink5}
budget: {planes: planes <= 4}
device: {ports: 8, forwards: true, delay: 20 ns, unit: chip}
levels:
  - {name: board, members: 4, rule: full-mesh, link: mesh}
  - {name: rack, members: boards, rule: switched, planes: planes, taper: taper, switch: big, link: wire}
  - {name: hall, members: 2, rule: switched, uplinks_of: rack, uplinks: 16, switches: 1, link: up}
links:
  mesh: {raw: 100 Gbit/s, coding: 0.96 * 0.5, latency: 10 ns, medium: pcb, lanes: 1}
  up: {use: wire, latency: reach, scale: 1 / 2}
switches:
  big: {ports: 64, delay: 100 ns}
routing: {policy: ecmp}
model: {switching: cut-through, mtu: 2 KiB, header: 16 B, flit: 4 B}
vendor_sum: more than you need
counts: {npus: 32, links: 176}
evidence:
  levels: {confidence: assumed, source: an example}
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def changed(written: Path, old: str, new: str) -> str:
    """Return what is said of the file with `old` replaced by `new`."""
    assert FILE.count(old) >= 1
    written.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_topology(written)
    return str(error.value).replace(str(written), "small.yaml")


# -- what a file says -------------------------------------------------------------------------------------


def test_a_file_says_all_that_a_fabric_has(written: Path) -> None:
    fabric = load_topology(written)
    assert (fabric.name, fabric.policy, fabric.ranks) == ("small", "ecmp", 2 * 4 * 4)
    assert (fabric.model.mtu, fabric.model.header, fabric.model.flit) == (2048, 16, 4)
    assert fabric.about.vendor_sum == "more than you need"
    device, switch = fabric.device(0), fabric.device(fabric.ranks)
    assert (device.ports, device.forwards, device.delay) == (8, True, 20e-9)
    assert (switch.ports, switch.delay) == (64, 100e-9)
    assert fabric.node_name(0) == "hall/rack0/board0/chip0"
    mesh, wire, up = fabric.links
    assert (mesh.name, mesh.raw, mesh.bandwidth) == ("mesh", 12_500_000_000, round(12.5e9 * 0.96 * 0.5))
    assert (mesh.medium, mesh.lanes, mesh.latency_ps) == ("pcb", 1, 10_000)
    assert (wire.name, wire.bandwidth) == ("nvlink5", 50 * 10**9)
    assert (up.name, up.bandwidth, up.latency_ps, up.medium) == ("up", 25 * 10**9, 100_000, wire.medium)
    assert fabric.about.tapers == {"rack": 16 * 50 / (16 * 25)}
    assert fabric.link_count == 8 * (4 * 3 // 2) + 32 * 2 + 2 * 2 * 16


def test_parameters_are_set_as_arguments_in_a_mapping_and_as_text(written: Path) -> None:
    fabric = load_topology(written, boards=3, planes=1, reach="1 us", wire="nvlink4")
    assert fabric.ranks == 2 * 3 * 4
    assert fabric.links[2].latency_ps == 1_000_000
    assert fabric.links[1].name == "nvlink4"
    values = {"boards": 3, "planes": 1, "reach": "1 us", "wire": "nvlink4"}
    assert resolve({"name": "small.yaml", "set": values}, written.parent).digest == fabric.digest
    texts = parse_settings(["boards=3", "planes=1", "reach=1 us", "wire=nvlink4"])
    assert texts == values


def test_published_counts_hold_for_the_machine_as_shipped_only(written: Path) -> None:
    assert load_topology(written).about.counts == {"npus": 32, "links": 176}
    assert load_topology(written, boards=4).about.counts == {"npus": 32, "links": 176}
    assert load_topology(written, boards=3).about.counts == {}


def test_paths_start_from_the_base(written: Path) -> None:
    inside = resolve("small.yaml", written.parent)
    assert inside.digest == resolve(str(written)).digest == load_topology(written).digest
    assert inside.digest == resolve(read_document(written).value).digest


@pytest.mark.parametrize(
    ("changes", "rate", "raw"),
    [
        ("", 6e9, 12.5e9),
        (", coding: 0.9", 11.25e9, 12.5e9),
        (", raw: 80 Gbit/s", 4.8e9, 10e9),
        (", bandwidth: 1 GB/s", 1e9, None),
        (", scale: 3", 18e9, 37.5e9),
        (", scale: 3, raw: 80 Gbit/s", 14.4e9, 30e9),
    ],
)
def test_a_record_built_on_another_changes_what_it_states(
    written: Path, changes: str, rate: float, raw: float | None
) -> None:
    used = FILE.replace("link: mesh", f"link: {{use: mesh{changes}}}")
    written.write_text(used, encoding="utf-8")
    link = load_topology(written).links[0]
    assert link.bandwidth == round(rate)
    assert link.raw == (None if raw is None else round(raw))
    assert (link.name, link.latency_ps) == ("board" if changes else "mesh", 10_000)


# -- what is wrong with it, and where ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("schema: fabricsim.topology/1\n", "", "small.yaml:1: schema: is missing"),
        ("topology/1", "topology/2", "small.yaml:1: schema: 'fabricsim.topology/2' is not known here"),
        ("title:", "titel:", "small.yaml:3: titel: is not a key here; did you mean 'title'"),
        ("boards: 4", "boards: [4]", "small.yaml:4: parameters.boards: a list is neither a number nor text"),
        ("boards: 4", "boards: 4, in: 3", "small.yaml:4: parameters.in: 'in' cannot be used in arithmetic"),
        ("boards: 4", "boards: 4, spare: 3", "small.yaml:4: parameters.spare: nothing in the file depends on it"),
        ("planes: 2", "planes: 5", "small.yaml:5: budget.planes: planes <= 4 does not hold; planes = 5"),
        ("planes <= 4", "planes", "small.yaml:5: budget.planes: 'planes' is a number"),
        ("unit: chip", "unit: chip1", "small.yaml:6: device.unit: 'chip1' cannot be part"),
        ("ports: 8", "ports: 4", "small.yaml:9: levels.1.ports: the levels use 3 + 2 = 5 ports of each NPU"),
        ("rule: full-mesh", "rule: full", "small.yaml:8: levels.0.rule: 'full' is not known here; did you mean"),
        ("members: 4", "members: four", "small.yaml:8: levels.0.members: 'four' is not a numeric parameter"),
        ("members: 4", "members: 4.5", "small.yaml:8: levels.0.members: it is 4.5, which is not whole"),
        ("members: 4", "planes: 2, members: 4", "small.yaml:8: levels.0.planes: has no effect here"),
        ("link: mesh", "link: mush", "small.yaml:8: levels.0.link: 'mush' is not one of the links; did you mean"),
        ("link: mesh", "link: {bandwidth: reach}", "small.yaml:8: levels.0.link: parameter reach: '100 ns' is a time"),
        ("ports: 64", "ports: 31", "small.yaml:9: levels.1.switch: each switch needs 32 ports, 16 down and 16 up"),
        ("scale: 1 / 2", "scale: 0", "small.yaml:13: links.up: the scale is not above zero"),
        ("scale: 1 / 2", "scale: 1 / 0", "small.yaml:13: links.up: '1 / 0' divides by zero"),
        ("uplinks_of: rack", "uplinks_of: board", "small.yaml:10: levels.2.uplinks_of: 'board' is not an inner level"),
        ("taper: taper", "taper: taper - 1", "small.yaml:9: levels.1.taper: taper - 1 is 0, which is not above zero"),
        ("coding: 0.96 * 0.5", "coding: 1.5", "small.yaml:12: links.mesh: it is 1.5 of raw"),
        ("raw: 100 Gbit/s", "bandwidth: 3 GB", "small.yaml:12: links.mesh.bandwidth: '3 GB' has the unit"),
        ("raw: 100 Gbit/s", "bandwidth: 3 GB/s", "small.yaml:12: links.mesh: states coding without raw"),
        ("raw: 100 Gbit/s", "use: mesh, raw: 1 GB/s", "small.yaml:12: links.mesh: 'mesh' builds on itself"),
        ("policy: ecmp", "policy: spry", "small.yaml:16: routing.policy: 'spry' is not known here; did you mean"),
        ("mtu: 2 KiB", "mtu: 0 B", "small.yaml:17: model.mtu: '0 B' is zero"),
        ("npus: 32", "npus: 33", "small.yaml:19: counts.npus: 33 are published, the levels give 32"),
        ("npus: 32", "gpus: 33", "small.yaml:19: counts.gpus: 'gpus' is not a count; did you mean 'npus'"),
        ("  levels:", "  level:", "small.yaml:21: evidence.level: there is no number at or below 'level'"),
        ("confidence: assumed", "confidence: sure", "small.yaml:21: evidence.levels.confidence: 'sure' is not known"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(written: Path, old: str, new: str, said: str) -> None:
    assert said in changed(written, old, new)


def test_all_mistakes_are_told_at_once(written: Path) -> None:
    text = (
        FILE.replace("members: 4", "members: 0")
        .replace("link: wire", "link: wore")
        .replace("raw: 100", "raw: 1")
    )
    written.write_text(text.replace("0.96 * 0.5", "2"), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_topology(written)
    # a level that uses a bad record is told too
    told = [".".join(map(str, fault.key)) for fault in error.value.faults]
    assert told == ["levels.0.link", "levels.0.members", "levels.1.link", "links.mesh"]
    assert [fault.line for fault in error.value.faults] == [8, 8, 9, 12]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"board": 3}, "set.board: 'board' is not a parameter of this topology; did you mean 'boards'"),
        ({"boards": "3"}, "set.boards: '3' is not a number; as shipped it is 4"),
        ({"boards": True}, "set.boards: true is neither a number nor text"),
        ({"boards": None}, "set.boards: nothing is neither a number nor text"),
        ({"boards": float("inf")}, "set.boards: inf is not a finite number"),
        ({"boards": 10**5000}, "set.boards: is out of range"),
        ({"reach": 3}, "set.reach: 3 is not text; as shipped it is '100 ns'"),
        ({"boards": 2.5}, r"small\.yaml:9: levels\.1\.members: boards is 2\.5, which is not whole \(where"),
        ({"planes": 9}, r"small\.yaml:5: budget\.planes: planes <= 4 does not hold \(where planes = 9\)"),
        ({"wire": "nvlink"}, r"levels\.1\.link: 'nvlink' is not one of the links"),
        ({"reach": "5 GB"}, r"levels\.2\.link: parameter reach: '5 GB' is not a time"),
    ],
)  # fmt: skip
def test_a_bad_setting_is_told(written: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        resolve({"name": str(written), "set": values})
    assert re.search(said, str(error.value))
    with pytest.raises(InputError) as again:
        load_topology(written, **values)
    assert re.search(said.removeprefix("set."), str(again.value))


@pytest.mark.parametrize("text", ["boards", "=3", " =3"])
def test_a_setting_is_key_and_value(text: str) -> None:
    with pytest.raises(InputError, match="is not KEY=VALUE"):
        parse_settings([text])
    with pytest.raises(InputError, match="'a' is set twice"):
        parse_settings(["a=1", "a=2"])


# -- what names a topology ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("cloudmatrix", "did you mean 'cloudmatrix384'"),
        ("atlas900a3", "did you mean 'atlas900-a3'"),
        ("missing.yaml", "missing.yaml: there is no such file"),
        ("a/b", "there is no such file"),
        ({"name": "cloudmatrix"}, "name: no topology 'cloudmatrix' ships"),
        (
            {"name": "hgx-h100", "set": {"n": 1}},
            "set.n: 'n' is not a parameter of this topology; it has none",
        ),
        ({"name": "hgx-h100", "sett": {}}, "sett: is not a key here; did you mean 'set'"),
        ({"name": 3}, "name: 3 is not text"),
        ({}, "has none of the keys shape, graph, levels, name"),
        ({"shape": "ring", "levels": []}, "states shape and levels at once"),
        ({"levels": []}, "levels: has 0 entries"),
        ({"levels": 3}, "levels: 3 is not a list"),
        (7, "7 is not a topology"),
        (None, "nothing is not a topology"),
        (["ring"], "no topology 'ring' ships"),
    ],
)
def test_what_is_no_topology_is_told(spec: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        resolve(spec, tmp_path)
    assert said in str(error.value)


def test_shipped_names_are_sorted_and_lead_to_files() -> None:
    assert list(shipped()) == sorted(path.stem for path in shipped_files().values())
    assert "atlas900-a3" not in shipped()
    assert "(atlas900-a3)" in shipped()["cloudmatrix384"]


def test_no_name_is_taken_twice() -> None:
    names = list(shipped())
    for path in shipped_files().values():
        names += read_document(path).value.get("aliases", [])
    assert len(names) == len({*names, *SHAPES}) - len(SHAPES)


def test_an_installation_without_data_says_so() -> None:
    from fabricsim.data_folders import data_folder

    assert data_folder("topologies").is_dir()
    with pytest.raises(UsageError, match="has no nowhere folder"):
        data_folder("nowhere")


# -- the schema -----------------------------------------------------------------------------------------------


def test_the_json_schema_takes_what_the_loader_takes(written: Path) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in (written, *shipped_files().values()):
        jsonschema.validate(read_document(path).value, schema)
    json.dumps(schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [("title:", "titel:"), ("rule: full-mesh", "rule: full"), ("link: mesh", "link: 3"), ("boards: 4", "boards: [4]"),
     ("policy: ecmp", "policy: 7"), ("confidence: assumed", "confidence: sure")],
)  # fmt: skip
def test_the_json_schema_refuses_what_the_loader_refuses(written: Path, old: str, new: str) -> None:
    changed(written, old, new)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_document(written).value, json_schema())


# -- nothing but an InputError ----------------------------------------------------------------------------------

ODD = [
    None, True, -1, 0, 1, 3, 2.5, 10**12, 10**18, 10**400, float("nan"), "", "x", "{}", "a/b", "3 GB", "0 s", "boards",
    "wire", "planes / 0",
    "mesh", "9" * 250, [], [1], [[0, 1]], [None], {}, {"a": 1}, {"use": "mesh"}, {"edges": [[0, 1]]},
]  # fmt: skip


def places(value: Any, key: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the key of every value of a file, the containers included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [key, *(place for step, item in items for place in places(item, (*key, step)))]


def put(value: Any, key: tuple[Any, ...], new: Any) -> Any:
    if not key:
        return new
    copy = value.copy()
    copy[key[0]] = put(value[key[0]], key[1:], new)
    return copy


def built(spec: Any) -> Fabric | None:
    """Return the fabric, None where it is refused; whatever else is raised fails the test."""
    try:
        return resolve(spec)
    except InputError:
        return None


PLAIN = parse_document(FILE, "small.yaml").value


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(places(PLAIN)[1:]), st.sampled_from(ODD)), min_size=1, max_size=2))
def test_odd_values_build_or_are_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    spec = PLAIN
    for key, new in changes:
        if key in places(spec):
            spec = put(spec, key, new)
    fabric = built(spec)
    assert fabric is None or fabric.ranks >= 1


SHAPE_KEYS = ["size", "k", "link", "switch", "taper", "leaves", "hosts", "spines", "shape"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.dictionaries(st.sampled_from(SHAPE_KEYS), st.sampled_from(ODD), max_size=2),
)
def test_odd_shapes_build_or_are_refused(shape: str, changes: dict[str, Any]) -> None:
    whole = {"link": {"bandwidth": "1 GB/s"}, "size": 4, "k": 4, "leaves": 2, "hosts": 2, "spines": 2}
    known = SHAPES[shape].keys.model_fields
    spec = {"shape": shape, **{key: value for key, value in whole.items() if key in known}}
    fabric = built({**spec, **changes})
    assert fabric is None or fabric.ranks >= 2


# -- records ---------------------------------------------------------------------------------------------------


def one_box(**keys: Any) -> Fabric:
    """Return a machine of one level, with its link or device changed."""
    level = {"name": "box", "members": 2, "rule": "full-mesh", "link": keys.pop("link", "ub-x4-copper")}
    return resolve({"levels": [level], **keys})


def test_a_device_says_what_it_is_capable_of() -> None:
    device = one_box(
        device={"use": "ascend-950dt", "flops": {"bf16": "1 PFLOP/s", "int8": "2 POP/s"}}
    ).device(0)
    assert device.flops == (("bf16", 10**15), ("int8", 2 * 10**15))
    assert (device.memory, device.memory_bandwidth, device.port_sum) == (
        144 * 10**9,
        4 * 10**12,
        1008 * 10**9,
    )
    assert one_box(device={}).device(0).flops == ()


def test_packets_are_made_as_the_links_say() -> None:
    fabric = one_box()
    assert (fabric.model.flit, fabric.model.header) == (20, 40)
    assert (fabric.links[0].cell, fabric.links[0].retry) == (160, 1e-6)
    stated = one_box(model={"header": "8 B"})
    assert (stated.model.flit, stated.model.header) == (20, 8)
    plain = one_box(link={"bandwidth": "1 GB/s"})
    assert (plain.model.flit, plain.model.header, plain.links[0].cell) == (1, 0, None)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"device": {"flops": {"bf16": "989"}}}, "device.flops.bf16: '989' has no unit; write operations a second"),
        ({"device": {"flops": {"bf16": "989 GB/s"}}}, "device.flops.bf16: '989 GB/s' has the unit 'GB/s'"),
        ({"device": {"memory": "-1 GB"}}, "device.memory: '-1 GB' is negative"),
        ({"device": {"kind": "cpu"}}, "device.kind: 'cpu' has no rank"),
        ({"device": {"port_sum": "0 GB/s"}}, "device.port_sum: '0 GB/s' is zero"),
        ({"link": {"bandwidth": "-3 GB/s"}}, "levels.0.link.bandwidth: '-3 GB/s' is negative"),
        ({"link": {"bandwidth": "1 GB/s", "cables": {"copper": 0}}}, "link.cables.copper: 0 cables are too few"),
        ({"link": {"bandwidth": "1 GB/s", "medium": "string"}}, "levels.0.link.medium: 'string' is not known here"),
    ],
)  # fmt: skip
def test_a_bad_record_is_told(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        one_box(**keys)
    assert said in str(error.value)
