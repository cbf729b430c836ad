"""Pictures of machines: what is drawn, and what is refused."""

from pathlib import Path

import networkx as nx
import pytest
from matplotlib.figure import Figure

import fabricsim  # noqa: F401  (lends `plot`)
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.report.machines import draw_machine, write_picture
from fabricsim.topology import load_topology, resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def words(fabric: Fabric) -> str:
    figure = draw_machine(fabric)
    texts = [text.get_text() for ax in figure.axes for text in (*ax.texts, ax.title)]
    return "\n".join([*texts, *(text.get_text() for text in figure.texts)])


def test_levels_stand_inner_to_outer_with_what_joins_them() -> None:
    told = words(load_topology("cloudmatrix384"))
    for part in (
        "npu  ×384",
        "node  ×48",
        "7 links of each NPU",
        "16 links of each node switch",
        "×48",
        "768 NPUs",
    ):
        assert part in told
    assert told.index("npu  ×384") < told.index("node  ×48") < told.index("ub1-optical")


def test_small_machines_are_drawn_whole_too() -> None:
    assert "the whole" in words(resolve({"shape": "fat-tree", "k": 4, "link": LINK}))
    assert "the whole" not in words(load_topology("cloudmatrix384"))
    assert "the whole" in words(Fabric.from_networkx(nx.petersen_graph(), link=LINK))


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_machine_is_the_same_file(suffix: str, tmp_path: Path) -> None:
    fabric = resolve({"shape": "torus", "size": [6, 4], "link": LINK})
    for name in ("a", "b"):
        write_picture(fabric, tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    fabric = resolve({"shape": "ring", "size": 4, "link": LINK})
    with pytest.raises(InputError, match=r"neither \.png nor \.svg"):
        write_picture(fabric, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="no folder"):
        write_picture(fabric, tmp_path / "none" / "a.png")
    with pytest.raises(InputError, match="no levels"):
        draw_machine(Fabric.from_networkx(nx.path_graph(600), link=LINK))


def test_inspect_draws_one_machine_and_judges_findings(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from fabricsim.cli import app

    picture = tmp_path / "rack.svg"
    done = CliRunner().invoke(app, ["inspect", "hgx-h100", "--lint", "--picture", str(picture)])
    assert (done.exit_code, picture.exists()) == (0, True)
    bad = tmp_path / "apart.json"
    nodes = '[{"id": 0}, {"id": 1}, {"id": 2}]'
    edge = '{"source": 0, "target": 1, "bandwidth": "1 GB/s"}'
    bad.write_text(f'{{"directed": false, "multigraph": false, "nodes": {nodes}, "edges": [{edge}]}}')
    assert CliRunner().invoke(app, ["inspect", str(bad), "--lint"]).exit_code == 1
    assert CliRunner().invoke(app, ["inspect", str(bad)]).exit_code == 0
    several = CliRunner().invoke(app, ["inspect", "hgx-h100", "gb200-nvl72", "--picture", str(picture)])
    assert several.exit_code != 0


def test_what_is_neither_member_nor_switch_is_drawn_and_counted() -> None:
    told = words(load_topology("cloudmatrix384", cpus=4))
    assert "768 NPUs in 384 packages, 448 switches, 192 CPUs" in told
    assert "cpu ×4" in told
    told = words(load_topology("biren-lightsphere-x"))
    assert "64 NPUs, 0 switches, 128 circuits, 384 links" in told
    assert "circuits, dark for 100 us" in told
    assert "1 spare NPU," in words(load_topology("ub-mesh-rack", spares=1))


def test_members_of_a_second_network_are_those_it_joins() -> None:
    told = words(load_topology("atlas950-supercluster", pods=2))
    assert "8 × board: switched\n2 planes × 1 switch" in told
    assert "64 × cabinet: switched" in told
    assert "× leaf" not in told


def test_copies_that_differ_are_said() -> None:
    level = {"name": "box", "members": [2, 3], "rule": "full-mesh", "link": LINK}
    fabric = resolve({"levels": [level, {"name": "pod", "members": 2, "rule": "none"}]})
    assert "levels drawn as their largest copy" in words(fabric)
    assert "ring, twisted" in words(load_topology("tpu-v4", x=8, y=4, z=4, twist=1))


def test_one_level_is_drawn_where_it_is_asked_for() -> None:
    fabric = load_topology("cloudmatrix384")
    ax = Figure().subplots()
    assert fabric.plot.level("pod", ax) is ax
    assert ax.get_title().startswith("pod")
    told = "\n".join(text.get_text() for text in ax.texts)
    assert "one of 7 columns" in told
    alone = fabric.plot.level("pod")
    assert "\n".join(text.get_text() for text in alone.texts) == told


def test_the_whole_of_a_small_machine_is_drawn_where_it_is_asked_for() -> None:
    fabric = load_topology("hgx-h100")
    ax = Figure().subplots()
    assert fabric.plot.whole(ax) is ax
    assert len(ax.lines) == fabric.link_count
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == fabric.nodes


def test_pictures_that_cannot_be_drawn_are_refused() -> None:
    fabric = load_topology("cloudmatrix384")
    with pytest.raises(InputError, match="pood"):
        fabric.plot.level("pood")
    with pytest.raises(InputError, match="up to 512"):
        fabric.plot.whole()
