"""Pictures of machines: what is drawn, and what is refused."""

from pathlib import Path

import networkx as nx
import pytest

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
