"""Parts by name: which links fail together, counted on machines whose links can be counted by hand."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.failures import Failure, compile_failures
from fabricsim.failures.selection import part_of, selected
from fabricsim.topology.layout import risk_groups

POD = fs.load_topology("atlas950-superpod", cabinets=4)
US = 10**6  # ps


def links(entry: Failure, fabric: fs.Fabric = POD) -> np.ndarray:
    return np.unique(compile_failures(fabric, [entry]).channels // 2)


def refused(entry: Failure, fabric: fs.Fabric = POD) -> str:
    with pytest.raises(InputError) as info:
        compile_failures(fabric, [entry])
    return str(info.value)


def test_a_node_takes_its_links_along() -> None:
    npu = links(fs.NodeDown("1 us", "pod/cabinet2/board3/npu5"))
    assert len(npu) == 7 + 8  # board mates, and a switch in each plane
    node = POD.node("pod/cabinet2/board3/npu5")
    assert all(node in (POD.src[link], POD.dst[link]) for link in npu)


def test_a_path_takes_all_that_is_below_it() -> None:
    # a board of 8: 28 links among them, and 8 planes up from each
    assert len(links(fs.NodeDown("1 us", "pod/cabinet2/board3"))) == 28 + 8 * 8
    # a switch of a cabinet: 64 down, 32 up at a taper of 2
    assert len(links(fs.NodeDown("1 us", "pod/cabinet2/sw3"))) == 64 + 32


def test_a_plane_in_all_levels_or_in_one() -> None:
    both, inner = links(fs.PlaneDown("1 us", 3)), links(fs.PlaneDown("1 us", 3, level="cabinet"))
    assert len(inner) == 4 * 64
    assert len(both) == 4 * 64 + 4 * 32
    assert set(POD.plane[both]) == {3}
    assert "planes run from 0 to 7" in refused(fs.PlaneDown("1 us", 8))
    assert "0.level: 'cabint' is not a level" in refused(fs.PlaneDown("1 us", 3, level="cabint"))


def test_lanes_leave_their_share_of_the_rate() -> None:
    found = compile_failures(
        POD, [fs.LaneDown("1 us", ("pod/cabinet0/board0/npu0", "pod/cabinet0/board0/npu1", 1))]
    )
    assert found.factor.tolist() == [0.75, 0.75]
    ring = fs.Fabric.from_networkx(POD.part("pod/cabinet0/board0"))
    assert "write 1 to 3" in refused(fs.LaneDown("1 us", (*_ends(ring), 4)), ring)
    plain = fs.load_scenario("ring-first-run").fabric()
    assert "does not say how many lanes" in refused(fs.LaneDown("1 us", ("npu0", "npu1", 1)), plain)


def _ends(fabric: fs.Fabric) -> tuple[str, str]:
    return fabric.node_name(int(fabric.src[0])), fabric.node_name(int(fabric.dst[0]))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("all cabinet3 to pod", 8 * 32),
        ("all cabinet3 to pod plane 2", 32),
        ("all pod/cabinet3 to ub-l2 plane 2", 32),
        ("all l1 to l2", 4 * 8 * 32),
        ("any cabinet3 to l2 plane 2", 1),
        ("all board0 to cabinet", 4 * 8 * 8),
        ("all pod/cabinet1/board0/npu0 to board0", 7),
    ],
)
def test_selectors_in_words(text: str, count: int) -> None:
    found = selected(POD, text)
    assert len(found) == count
    if "plane" in text:
        assert set(POD.plane[found]) == {2}


def test_any_is_the_first_of_all() -> None:
    assert selected(POD, "any cabinet3 to pod plane 2")[0] == selected(POD, "all cabinet3 to pod plane 2")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cabinet3 to pod", "does not name a link"),
        ("some cabinet3 to pod", "does not name a link"),
        ("any cabinet33 to pod", "'cabinet33' is no part of"),
        ("any board0 to pod", "no link joins board0 and pod"),
        ("any cabinet3 to pod plane 9", "in plane 9"),
    ],
)
def test_selectors_that_name_nothing(text: str, said: str) -> None:
    assert said in refused(fs.LinkDown("1 us", text))


@pytest.mark.parametrize("fabric", [POD, fs.load_topology("ub-mesh-rack"), fs.load_topology("hgx-h100-rail")])
def test_steps_of_paths_are_those_of_the_names(fabric: fs.Fabric) -> None:
    names = [fabric.node_name(node).split("/") for node in range(fabric.nodes)]
    records = {
        group.device.name for group in fabric.groups
    }  # these come first: nvswitch3 is a generation, too
    for word in sorted({step for name in names for step in name[1:]} - records):
        wanted = [node for node, name in enumerate(names) if word in name]
        assert sorted(part_of(fabric, word).tolist()) == wanted


def test_a_flap_is_as_many_faults_with_a_repair_each() -> None:
    flap = fs.Flap("10 us", "2 us", 3)
    fabric = fs.load_scenario("ring-first-run").fabric()
    found = compile_failures(fabric, [fs.LinkDown("5 us", ("npu0", "npu1"), flap=flap)])
    forth = found.time_ps[found.channel == found.channel.min()]
    assert (forth / US).tolist() == [5, 7, 15, 17, 25, 27]
    assert found.is_fault.sum() == 2 * 3


def test_a_dead_switch_stalls_who_depends_on_it_and_says_so() -> None:
    fabric = fs.load_topology("hgx-h100")
    with pytest.raises(fs.StallError, match="which is down since 1 us"):
        fs.simulate(fabric, fs.all_to_all("8 MiB"), failures=[fs.NodeDown("1 us", "server/sw0")])


def test_a_slow_switch_takes_longer_and_delivers_all() -> None:
    fabric = fs.load_topology("hgx-h100")
    healthy = fs.simulate(fabric, fs.all_to_all("8 MiB"))
    slow = fs.simulate(fabric, fs.all_to_all("8 MiB"), failures=[fs.NodeDown(0.0, "server/sw0", factor=0.5)])
    assert slow.metrics["bytes_delivered"] == healthy.metrics["bytes_delivered"]
    assert slow.metrics["completion_time_s"] > healthy.metrics["completion_time_s"]


def test_a_bundle_fails_as_one() -> None:
    """Each of four cabinets has 8 switches with 32 links up, all to the racks of the L2 chips."""
    groups = risk_groups(POD)
    found = links(fs.GroupDown("1 us", "cabinet2 - pod-rack0"))
    assert found.tolist() == groups["cabinet2 - pod-rack0"].tolist()
    up = np.concatenate(
        [links(fs.GroupDown("1 us", name)) for name in groups if name.startswith("cabinet2 ")]
    )
    assert len(np.unique(up)) == len(up) == 8 * 32
    assert {POD.levels[level] for level in POD.level[up]} == {"pod"}
    assert "0.group: 'cabinet9' is not a group of atlas950-superpod" in refused(
        fs.GroupDown("1 us", "cabinet9")
    )
    plain = fs.load_scenario("ring-first-run").fabric()
    assert "has no groups of common risk; give its file a layout" in refused(fs.GroupDown("1 us", "x"), plain)
