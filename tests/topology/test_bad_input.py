"""Files that are wrong in the ways people get them wrong: one clear error each, with file and line."""

from pathlib import Path

import pytest

from fabricsim.errors import InputError
from fabricsim.inspection import inspect
from fabricsim.run import job_of
from fabricsim.scenario import parse_scenario
from fabricsim.topology import load_topology, resolve

BOARD = "  - {name: board, members: 8, rule: full-mesh, ports: 7, link: ub-x4-pcb}\n"
RACK = "  - {name: rack, members: 4, rule: switched, planes: 2, link: ub-x4-copper}\n"
FILE = f"schema: fabricsim.topology/1\nname: bad\ndevice: {{ports: 9}}\nlevels:\n{BOARD}{RACK}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rule: full-mesh", "rule: fullmesh", "bad.yaml:5: levels.0.rule: 'fullmesh' is not known here; did you mean"),
        ("ports: 9", "ports: 8", "bad.yaml:6: levels.1.ports: the levels use 7 + 2 = 9 ports of each NPU; npu has 8"),
        ("ports: 7", "ports: 6", "bad.yaml:5: levels.0.ports: 6 ports do not divide evenly among 7 neighbours"),
        ("link: ub-x4-pcb", "link: {bandwidth: -3 GB/s}", "bad.yaml:5: levels.0.link.bandwidth: '-3 GB/s' is negative"),
        ("link: ub-x4-pcb", "link: {bandwidth: 0 GB/s}", "bad.yaml:5: levels.0.link.bandwidth: '0 GB/s' is zero"),
        ("name: rack", "name: board", "bad.yaml:6: levels.1.name: 'board' is the name of two levels"),
        ("link: ub-x4-copper", "link: a", "bad.yaml:6: levels.1.link: 'a' is not one of the links"),
        ("members: 8", "members: &all [*all, *all]", "bad.yaml:1: an alias contains itself"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FILE, encoding="utf-8")
    assert load_topology(path).ranks == 32
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_topology(path)
    assert said in str(error.value).replace(str(path), "bad.yaml")


def test_a_record_that_builds_on_itself_through_another(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    records = "links:\n  a: {use: b}\n  b: {use: a}\n"
    path.write_text(FILE.replace("link: ub-x4-pcb", "link: a") + records, encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml:8: links\.a: 'b' builds on itself"):
        load_topology(path)


def test_anchors_that_explode(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"bomb\.yaml:\d+: .*aliases expand to more than"):
        load_topology(path)


@pytest.mark.parametrize(
    "spec", ["../outside.yaml", {"graph": "../outside.csv"}, {"name": "sub/../../outside.yaml"}]
)
def test_a_reference_does_not_leave_the_folder_of_its_file(tmp_path: Path, spec: object) -> None:
    inside = tmp_path / "project"
    inside.mkdir()
    (tmp_path / "outside.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "outside.csv").write_text("source,target,bandwidth\na,b,1 GB/s\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"leads out of .*project, the folder of the file that names it"):
        resolve(spec, inside)  # type: ignore[arg-type]
    (inside / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(InputError, match="leads out of"):
        resolve("link.yaml", inside)
    assert load_topology(inside / ".." / "outside.yaml").ranks == 32  # what the user names himself


GRAPHML = """\
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="k" for="edge" attr.name="bandwidth" attr.type="string"/>
  <graph edgedefault="undirected">
    <node id="a"/>
    <node id="b"/>
    <node id="c"/>
    <edge source="a" target="b"><data key="k">50 GB/s</data></edge>
    <edge source="b" target="c"/>
  </graph>
</graphml>
"""


def test_graphml_without_bandwidth(tmp_path: Path) -> None:
    (tmp_path / "g.graphml").write_text(GRAPHML, encoding="utf-8")
    with pytest.raises(InputError, match=r"g\.graphml:8: edges\.b - c: has no bandwidth; set bandwidth"):
        resolve({"graph": "g.graphml"}, tmp_path)
    (tmp_path / "g.graphml").write_text(GRAPHML.replace("50 GB/s", "50"), encoding="utf-8")
    with pytest.raises(InputError, match=r"g\.graphml:7: edges\.a - b: '50' has no unit"):
        resolve({"graph": "g.graphml", "link": {"bandwidth": "1 GB/s"}}, tmp_path)


def test_ranks_that_do_not_reach_one_another(tmp_path: Path) -> None:
    """It can still be looked at; a scenario that needs the path says which is missing."""
    (tmp_path / "apart.csv").write_text("source,target,bandwidth\na,b,1 GB/s\nc,d,1 GB/s\n", encoding="utf-8")
    fabric = resolve({"graph": "apart.csv"}, tmp_path)
    assert inspect(fabric)["lint"] == ["disconnected: no path leads from c to a"]
    text = (
        "schema: fabricsim/1\nname: apart\ntopology: {graph: apart.csv}\n"
        "workload: [{name: a, collective: all-to-all, algorithm: direct, size: 64 KiB}]\n"
    )
    (point,) = parse_scenario(text, base=tmp_path).points()
    with pytest.raises(InputError, match="topology: there is no path from"):
        job_of(point)
