"""Overlays: a lab's numbers over a machine whose file stays as it is."""

import hashlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

import fabricsim as fs
from fabricsim.cli import app
from fabricsim.document import read_document
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.scenario import parse_scenario
from fabricsim.topology import load_topology, overlay_schema, resolve
from fabricsim.topology.overlay import overlaid, read_overlay
from tests.topology.test_layout import machine

LAB = """\
schema: fabricsim.overlay/1
title: what our eight GPUs reach
topology: hgx-h100
links:
  nvlink4: {efficiency: 0.8, latency: 400 ns}
switches:
  nvswitch3: {delay: 150 ns}
endpoint: {recv_overhead: 1 us}
evidence:
  links.nvlink4: {confidence: inferred, source: our log of this week}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.overlay.yaml"
    path.write_text(LAB, encoding="utf-8")
    return path


def nvlink(fabric: Fabric) -> Any:
    return next(link for link in fabric.links if link.name == "nvlink4")


def refused(path: Path, old: str, new: str, machine: str = "hgx-h100") -> str:
    """Return what is said of the overlay with `old` replaced by `new`."""
    assert old in LAB
    path.write_text(LAB.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_topology([machine, path])
    return str(error.value).replace(str(path), path.name)


def test_states_what_it_states_and_nothing_else(lab: Path) -> None:
    plain, measured = load_topology("hgx-h100"), load_topology(["hgx-h100", lab])
    assert nvlink(measured).bandwidth == round(0.8 * nvlink(plain).bandwidth)
    assert nvlink(measured).latency == 400e-9
    assert nvlink(measured).medium == nvlink(plain).medium
    assert {g.device.delay for g in measured.groups if g.device.kind == "switch"} == {150e-9}
    assert measured.model.endpoint.recv_overhead == 1e-6
    assert measured.name == plain.name
    assert measured.link_count == plain.link_count
    assert measured.digest != plain.digest
    assert plain.digest == load_topology("hgx-h100").digest  # the published machine stays published


def test_raw_times_coding_stays_the_bandwidth(tmp_path: Path) -> None:
    path = tmp_path / "ub.yaml"
    path.write_text("schema: fabricsim.overlay/1\nlinks: {ub1-copper: {efficiency: 0.5}}\n", encoding="utf-8")
    link = next(one for one in load_topology(["cloudmatrix384", path]).links if one.name == "ub1-copper")
    assert link.raw is not None
    assert link.bandwidth == pytest.approx(link.raw * link.coding, abs=1)


def test_a_later_overlay_lies_over_an_earlier_one(lab: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text("schema: fabricsim.overlay/1\nlinks: {nvlink4: {latency: 500 ns}}\n", encoding="utf-8")
    link = nvlink(load_topology(["hgx-h100", lab, later]))
    assert (link.latency, link.bandwidth) == (500e-9, 20_000_000_000)


def test_latency_of_a_layout_is_added_to_what_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("schema: fabricsim.overlay/1\nlinks: {top: {latency: 1 us}}\n", encoding="utf-8")
    plain = machine(latency_per_metre="5 ns")
    measured = overlaid(plain, read_overlay(path))
    pairs = [(a, b) for a, b in zip(plain.links, measured.links, strict=True) if a.name == "top"]
    assert len({a.latency for a, _ in pairs}) > 1  # cables of several lengths
    for before, after in pairs:
        assert after.latency - before.latency == pytest.approx(1e-6 - 100e-9)


def test_alpha_and_rate_of_a_run_are_those_of_the_overlay(lab: Path) -> None:
    lab.write_text(LAB.replace("endpoint: {recv_overhead: 1 us}\n", ""), encoding="utf-8")
    scenario = {
        "schema": "fabricsim/1",
        "topology": ["hgx-h100", str(lab.name)],
        "model": {"switching": "cut-through", "mtu": "1 MiB"},
        "workload": [{"pattern": "shift", "offset": 1, "size": "18 B", "name": "one"}],
    }
    plain, measured = (
        parse_scenario({**scenario, "topology": topology}, base=lab.parent).run()
        for topology in ("hgx-h100", scenario["topology"])
    )
    gained = measured.metrics["latency_mean_s"] - plain.metrics["latency_mean_s"]
    assert gained == pytest.approx(2 * 350e-9 - 50e-9, rel=0.01)


def test_provenance_shows_the_machine_and_the_overlay(lab: Path) -> None:
    fabric = load_topology(["hgx-h100", lab])
    keys = {one.key: one for one in fabric.about.evidence}
    assert keys["links.nvlink4"].source == "our log of this week"
    assert keys["switches.nvswitch3.delay"].confidence == "assumed"  # the overlay says nothing of it
    assert keys["switches.nvswitch3.delay"].source == "lab.overlay.yaml"
    own = {one.key for one in load_topology("hgx-h100").about.evidence}
    assert own <= keys.keys()  # what is published stays to be seen
    result = fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="ring"))
    assert result.provenance["machine"] == "hgx-h100"
    (said,) = result.provenance["overlays"]
    assert said["sha256"] == hashlib.sha256(lab.read_bytes()).hexdigest()
    assert "nvlink4: latency 400 ns in place of 50 ns" in said["changes"]
    assert "overlays" not in fs.simulate(load_topology("hgx-h100"), fs.all_reduce("1 MiB")).provenance


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("nvlink4", "nvlink5", "lab.overlay.yaml:5: links.nvlink5: 'nvlink5' is not one of the links"),
        ("nvswitch3: {d", "nvswitch4: {d", "lab.overlay.yaml:7: switches.nvswitch4: 'nvswitch4' is not one of"),
        ("efficiency: 0.8", "efficiency: 1.2", "lab.overlay.yaml:5: links.nvlink4.efficiency: 1.2 is too large"),
        ("efficiency: 0.8", "eficiency: 0.8", "did you mean 'efficiency'?"),
        ("latency: 400 ns", "latency: 400", "lab.overlay.yaml:5: links.nvlink4.latency:"),
        ("topology: hgx-h100", "topology: hgx-b200", "lab.overlay.yaml:3: topology: is of hgx-b200, not of hgx-h100"),
        ("fabricsim.overlay/1", "fabricsim.topology/1", "lab.overlay.yaml:1: schema:"),
        ("  links.nvlink4:", "  links.nvlink9:", "lab.overlay.yaml:10: evidence.links.nvlink9: there is no number"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_the_line_of_the_overlay(lab: Path, old: str, new: str, told: str) -> None:
    assert told in refused(lab, old, new)


def test_an_overlay_is_no_topology_and_a_topology_no_overlay(lab: Path) -> None:
    with pytest.raises(InputError, match="is an overlay, not a topology; lay it over a machine"):
        load_topology(lab)
    with pytest.raises(InputError, match="name a file with its suffix"):
        load_topology(["hgx-h100", "gb200-nvl72"])
    with pytest.raises(InputError, match="does not begin with a machine"):
        resolve([])
    with pytest.raises(InputError, match="there is no such file"):
        load_topology(["hgx-h100", lab.with_name("none.yaml")])


def test_a_scenario_tells_what_is_wrong_in_its_overlay(lab: Path) -> None:
    lab.write_text(LAB.replace("0.8", "2"), encoding="utf-8")
    scenario = {"schema": "fabricsim/1", "topology": ["hgx-h100", lab.name], "workload": []}
    with pytest.raises(InputError, match="2 is too large") as error:
        parse_scenario(scenario, base=lab.parent)
    assert [fault.line for fault in error.value.faults if fault.key[:1] == ("links",)] == [5]


def test_parameters_of_a_machine_below_an_overlay_are_set_as_without(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text(
        "schema: fabricsim.overlay/1\nlinks: {ub-x4-optical: {efficiency: 0.9}}\n", encoding="utf-8"
    )
    scenario = {
        "schema": "fabricsim/1",
        "topology": ["atlas950-superpod", "o.yaml"],
        "workload": [{"collective": "all-reduce", "size": "1 MiB"}],
    }
    small = parse_scenario(scenario, base=tmp_path, settings=["topology.set.cabinets=2"])
    assert small.data["topology"] == [{"name": "atlas950-superpod", "set": {"cabinets": 2}}, "o.yaml"]
    assert small.fabric().ranks == 128
    assert small.fabric().about.overlays


def test_the_command_shows_what_is_laid_over(lab: Path) -> None:
    shown = CliRunner().invoke(app, ["inspect", "hgx-h100", "--overlay", str(lab), "--json"])
    assert shown.exit_code == 0
    assert "lab.overlay.yaml: nvlink4: 20 GB/s in place of 25 GB/s" in shown.stdout


def test_the_schema_accepts_what_is_accepted(lab: Path) -> None:
    jsonschema.validate(read_document(lab).value, overlay_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": "fabricsim.overlay/1", "link": {}}, overlay_schema())
