"""Shipped machines have the counts that are published, and say where every number comes from."""

from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabricsim.document import Document, read_document
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.routing import POLICIES, default_routing, unreachable
from fabricsim.topology import load_topology, resolve, shipped, shipped_machines
from fabricsim.topology.evidence import numbers_in, uncovered
from fabricsim.topology.grammar import RoutingPart
from fabricsim.topology.loader import shipped_files
from fabricsim.topology.machine import built_counts
from fabricsim.topology.records import KINDS, record_files
from tests.topology.lab import by_end, degrees

UB = 0.9375 * 0.994  # share of the raw rate of a UB link that is left after FEC and alignment
LARGE = 2_048  # nodes up to which every pair and every object is looked at
HUGE = 20_000


@pytest.fixture(scope="module", params=shipped_machines())
def fabric(request: pytest.FixtureRequest) -> Fabric:
    return load_topology(request.param)


# -- every machine -----------------------------------------------------------------------------------------


def test_a_machine_has_its_file_s_name_and_a_title(fabric: Fabric) -> None:
    assert shipped()[fabric.name].startswith(fabric.about.title)
    assert fabric.about.title


def test_published_counts_are_met_and_checked(fabric: Fabric) -> None:
    built = built_counts(fabric)
    assert fabric.about.counts
    assert {key: built[key] for key in fabric.about.counts} == fabric.about.counts


def test_every_rank_reaches_every_other(fabric: Fabric) -> None:
    whole = fabric.nodes <= LARGE
    others = np.arange(1, fabric.ranks) if whole else np.array([1, fabric.ranks // 2, fabric.ranks - 1])
    if fabric.nodes > HUGE:
        pytest.skip("reached with fewer pods, below")
    assert unreachable(fabric, np.zeros(len(others), np.int64), others) == []
    assert unreachable(fabric, others, np.zeros(len(others), np.int64)) == []


def test_the_default_policy_exists(fabric: Fabric) -> None:
    assert default_routing(fabric).policy in POLICIES
    assert set(RoutingPart.model_fields["policy"].annotation.__args__) == set(POLICIES)


def test_no_channel_takes_no_time(fabric: Fabric) -> None:
    assert np.all(fabric.latency_ps > 0)
    assert np.all(fabric.bandwidth > 0)


def test_names_lead_back_to_ids(fabric: Fabric) -> None:
    nodes = list(range(0, fabric.nodes, 1 + fabric.nodes // LARGE))
    names = [fabric.node_name(node) for node in nodes]
    assert len(set(names)) == len(nodes)
    assert [fabric.node(name) for name in names] == nodes


def test_it_goes_through_networkx_and_back(fabric: Fabric) -> None:
    if fabric.nodes > LARGE:
        pytest.skip("one object for each node and link would take long")
    assert by_end(Fabric.from_networkx(fabric.to_networkx())) == by_end(fabric)


# -- evidence ------------------------------------------------------------------------------------------------


def files() -> list[Document]:
    return [read_document(path) for path in shipped_files().values()]


def covering_keys(value: dict[str, Any]) -> list[str]:
    """Return the evidence keys of a file, its own records' included."""
    keys = list(value.get("evidence", {}))
    for kind in KINDS.values():
        for name, record in value.get(kind, {}).items():
            keys += [f"{kind}.{name}.{key}" for key in record.get("evidence", {})]
    return keys


@pytest.mark.parametrize("document", [*files(), *record_files()], ids=lambda d: Path(d.file).stem)
def test_every_number_that_ships_has_evidence(document: Document) -> None:
    assert uncovered(document.value, covering_keys(document.value)) == []
    assert list(numbers_in(document.value)) or document.value.get("unavailable")


def test_numbers_are_found_wherever_they_stand() -> None:
    value = {
        "name": "x 1", "parameters": {"n": 4, "text": "hosts"}, "counts": {"pod.switches": 2},
        "levels": [{"name": "pod", "members": "2 * n", "link": "ub-x4-pcb", "ports": [1, "n"]}, {"ports": 1}],
        "model": {"mtu": "4 KiB", "on": True},
    }  # fmt: skip
    assert Counter(".".join(path) for path in numbers_in(value)) == Counter(
        ["parameters.n", "counts.pod.switches", "levels.pod.members", "levels.pod.ports.0", "levels.1.ports",
         "model.mtu"]
    )  # fmt: skip
    assert uncovered(value, ["levels.pod", "counts", "parameters"]) == ["levels.1.ports", "model.mtu"]


def test_the_longest_key_speaks_for_a_number(fabric: Fabric) -> None:
    entries = [entry for entry in fabric.about.evidence if not entry.key.startswith(tuple(KINDS.values()))]
    value = read_document(shipped_files()[fabric.name]).value
    assert sum(entry.numbers for entry in entries) == len(list(numbers_in(value)))
    assert {entry.confidence for entry in fabric.about.evidence} <= {
        "published",
        "reported",
        "inferred",
        "assumed",
    }
    assert all(entry.source for entry in fabric.about.evidence)


def test_an_entry_leaves_to_longer_keys_what_they_cover() -> None:
    covered = {entry.key: entry.numbers for entry in load_topology("ub-mesh-rack").about.evidence}
    assert covered["levels"] == 2  # the members of both levels; their ports have entries of their own
    assert covered["levels.board.ports"] == covered["levels.rack.ports"] == 1
    assert covered["links.ub-x4-pcb.lanes"] == 1


def test_records_bring_their_evidence() -> None:
    keys = {entry.key for entry in load_topology("ub-mesh-rack").about.evidence}
    # the copper link builds on the one of the board, whose raw rate it takes
    assert {"links.ub-x4-pcb.raw", "links.ub-x4-copper.latency", "devices.ub-mesh-npu.ports"} <= keys
    assert not any("nvlink" in key for key in keys)


def test_evidence_of_nothing_is_refused() -> None:
    spec = {
        "levels": [{"name": "board", "members": 4, "rule": "none"}],
        "evidence": {"levels.bord": {"confidence": "assumed", "source": "x"}},
    }
    with pytest.raises(InputError, match=r"evidence\.levels\.bord: there is no number .* 'levels\.board'"):
        resolve(spec)


# -- each machine by its arithmetic ----------------------------------------------------------------------------


def rates(fabric: Fabric) -> set[int]:
    """Return the rates at which NPUs send in all, one direction."""
    sums = np.zeros(fabric.nodes, np.int64)
    np.add.at(sums, fabric.channel_src, fabric.bandwidth)
    return set(sums[: fabric.ranks].tolist())


def test_hgx_h100() -> None:
    fabric = load_topology("hgx-h100")
    assert degrees(fabric) == {("npu", 18): 8, ("switch", 5 * 8): 2, ("switch", 4 * 8): 2}
    assert rates(fabric) == {18 * 25 * 10**9}
    assert [len(fabric.links_between(0, fabric.node(f"server/sw{p}"))) for p in range(4)] == [5, 4, 4, 5]


@pytest.mark.parametrize(
    ("servers", "leaves", "spines"), [(1, 8, 1), (4, 8, 1), (32, 8, 4), (64, 16, 8), (128, 32, 16)]
)
def test_rails_grow_as_the_ports_of_leaves_and_spines_allow(servers: int, leaves: int, spines: int) -> None:
    # leaves: one for each rail and 32 servers; spines: as many as give every uplink one of 64 ports
    fabric = load_topology("hgx-h100-rail", servers=servers)
    levels = {info.name: info for info in fabric.about.levels}
    assert leaves == 8 * -(-servers // 32)
    assert spines == -(-servers * 8 // 64)
    assert levels["group"].copies * levels["group"].planes == leaves
    assert levels["cluster"].switches == spines
    assert fabric.ranks == 8 * servers
    assert rates(fabric) == {(18 * 25 + 50) * 10**9}
    assert fabric.about.networks == {"group": "scale-out", "cluster": "scale-out"}
    used = degrees(fabric)
    assert max(d for kind, d in used if kind == "switch") <= 64


@pytest.mark.parametrize("taper", [1, 2, 4])
def test_rails_taper(taper: int) -> None:
    fabric = load_topology("hgx-h100-rail", servers=16, taper=taper)
    assert fabric.about.tapers == {"group": taper}
    assert int((fabric.level == 2).sum()) == 16 * 8 // taper


def test_gpu_k_of_every_server_meets_in_leaf_k() -> None:
    fabric = load_topology("hgx-h100-rail", servers=3)
    for server in range(3):
        for gpu in range(8):
            leaf = fabric.node(f"cluster/group0/leaf{gpu}")
            assert (
                len(fabric.links_between(fabric.node(f"cluster/group0/server{server}/gpu{gpu}"), leaf)) == 1
            )


def test_gb200_nvl72() -> None:
    fabric = load_topology("gb200-nvl72")
    assert degrees(fabric) == {("npu", 18): 72, ("switch", 72): 18}
    assert rates(fabric) == {18 * 50 * 10**9}
    assert Counter(fabric.plane.tolist()) == dict.fromkeys(range(18), 72)
    # the vendor's sum counts both directions
    assert 2 * int(fabric.bandwidth[::2].sum()) == pytest.approx(130e12, rel=0.01)


def test_cloudmatrix384() -> None:
    fabric = load_topology("cloudmatrix384")
    nodes, dies, planes, above = 48, 16, 7, 16
    assert fabric.ranks == nodes * dies
    assert degrees(fabric) == {
        ("npu", planes + 1): nodes * dies,
        ("switch", dies + above): nodes * planes,
        ("switch", nodes): planes * above,
    }
    assert fabric.link_count == nodes * dies // 2 + nodes * dies * planes + nodes * planes * above
    assert rates(fabric) == {270 * 10**9 + planes * round(28e9 * UB)}
    assert fabric.about.tapers == {"node": 1.0}
    assert not fabric.forwards[: fabric.ranks].any()
    assert load_topology("atlas900-a3").digest == fabric.digest


def test_planes_of_cloudmatrix384_are_apart() -> None:
    fabric = load_topology("cloudmatrix384")
    of_switch = np.full(fabric.nodes, -1)
    for end in (fabric.src, fabric.dst):
        switched = end >= fabric.ranks
        of_switch[end[switched]] = fabric.plane[switched]
    for end in (fabric.src, fabric.dst):
        switched = end >= fabric.ranks
        assert np.array_equal(of_switch[end[switched]], fabric.plane[switched])


def test_ub_mesh_rack() -> None:
    fabric = load_topology("ub-mesh-rack")
    assert degrees(fabric) == {("npu", 14): 64}
    assert rates(fabric) == {14 * round(56e9 * UB)}
    assert fabric.forwards.all()
    assert {link.raw for link in fabric.links} == {56 * 10**9}


def test_the_grammar_s_example() -> None:
    """The pod of 128 cabinets, with its numbers derived from ports alone."""
    spec = {
        "parameters": {"mesh_ports": 7, "up_ports": 8, "taper": 2, "cabinets": 128},
        "device": {"use": "ascend-950dt", "ports": 18},
        "budget": {"ports": "mesh_ports + up_ports <= 18"},
        "levels": [
            {"name": "board", "members": 8, "rule": "full-mesh", "ports": "mesh_ports", "link": "ub-x4-pcb"},
            {"name": "cabinet", "members": 8, "rule": "switched", "planes": "up_ports", "taper": "taper",
             "switch": "ub-l1", "link": "ub-x4-copper"},
            {"name": "pod", "members": "cabinets", "rule": "switched", "uplinks_of": "cabinet",
             "switch": "ub-l2", "link": "ub-x4-optical"},
        ],
    }  # fmt: skip
    fabric = resolve(spec)
    assert fabric.ranks == 8192
    assert degrees(fabric) == {("npu", 15): 8192, ("switch", 64 + 32): 128 * 8, ("switch", 128): 8 * 32}
    assert fabric.about.tapers == {"cabinet": 2.0}
    assert fabric.node_name(8191) == "pod/cabinet127/board7/npu7"
    assert prod(fabric.groups[0].shape) == 8192


# -- the large ones ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("taper", "second"), [(2, 256), (1, 512)])
def test_atlas950_superpod(taper: int, second: int) -> None:
    fabric = load_topology("atlas950-superpod", taper=taper)
    down = 8 * 8  # each of eight planes has a chip in each cabinet, with a port for each NPU
    assert degrees(fabric) == Counter(
        [("npu", 7 + 8)] * 128 * 64
        + [("switch", down + down // taper)] * 128 * 8
        + [("switch", 128)] * second
    )
    assert rates(fabric) == {15 * round(56e9 * UB)}
    assert fabric.about.tapers == {"cabinet": taper}
    # half of the NPUs send what the links up from half of the cabinets carry
    up = int((fabric.level == 2).sum()) // 2 * 56 * 10**9
    assert up == 4096 * 448 // taper * 10**9


def test_atlas950_superpod_keeps_to_its_ports() -> None:
    with pytest.raises(InputError, match="spare_ports = 1"):
        load_topology("atlas950-superpod", mesh_ports=14)


@pytest.mark.parametrize("taper", [1, 2])
def test_atlas960_superpod(taper: int) -> None:
    fabric = load_topology("atlas960-superpod", taper=taper)
    levels = {info.name: info for info in fabric.about.levels}
    assert fabric.ranks == 176 * 88
    assert levels["pod"].planes * levels["pod"].switches == 8 * 176 // taper
    assert fabric.about.tapers == {"cabinet": taper}


@pytest.mark.parametrize(("name", "dims"), [("tpu-v4", (16, 16, 16)), ("tpu-v5p", (16, 20, 28))])
def test_tpu(name: str, dims: tuple[int, ...]) -> None:
    fabric = load_topology(name)
    assert degrees(fabric) == {("npu", 6): prod(dims)}


@pytest.mark.parametrize(("name", "cabinet"), [("atlas950-supercluster", 64), ("atlas960-supercluster", 88)])
def test_a_supercluster_is_a_clos_of_three_tiers_for_each_plane(name: str, cabinet: int) -> None:
    fabric = load_topology(name, pods=1, tiers=3)
    levels = {info.name: info for info in fabric.about.levels}
    cabinets = fabric.ranks // cabinet
    assert levels["leaf"].copies == cabinets
    assert levels["leaf"].planes == 2
    # without taper every tier carries as many links as the NPUs have ports
    assert {
        int((fabric.level == fabric.levels.index(tier)).sum()) for tier in ("leaf", "row", "cluster")
    } == {2 * fabric.ranks}
    assert fabric.about.networks == dict.fromkeys(("leaf", "row", "cluster"), "scale-out")
    far = np.array([1, fabric.ranks // 2, fabric.ranks - 1])
    assert unreachable(fabric, np.zeros(len(far), np.int64), far) == []


@pytest.mark.parametrize(
    ("settings", "ranks"),
    [
        ({"servers": 64, "groups": 8, "blocks": 2}, 2 * 4096),
        ({"servers": 8, "groups": 2, "blocks": 1, "taper": 2}, 128),
    ],
)
def test_server_stacking_grows(settings: dict[str, int], ranks: int) -> None:
    fabric = load_topology("server-stacking", **settings)
    assert fabric.ranks == ranks
    used = degrees(fabric)
    assert max(links for kind, links in used if kind == "switch") <= 128
    assert fabric.about.tapers["group"] == settings.get("taper", 1)


# -- what a cluster needs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "tiers"),
    [
        ("atlas950-supercluster", {"pods": 1}, 2),  # 128 leaves below switches of 128 ports
        ("atlas950-supercluster", {"pods": 2}, 3),
        ("atlas960-supercluster", {"pods": 1}, 2),
        ("atlas960-supercluster", {"pods": 2}, 3),
        ("atlas960-supercluster", {"pods": 2, "rails": 1, "radix": 128}, 3),
    ],
)
def test_auto_takes_the_fewest_tiers_that_fit(name: str, settings: dict[str, int], tiers: int) -> None:
    fabric = load_topology(name, **settings)
    assert fabric.about.notes == (f"tiers: auto is {tiers}, the first of 2, 3, 4 that fits",)
    radix = settings.get("radix", 128 if "950" in name else 256)
    out = {level for level, network in fabric.about.networks.items() if network == "scale-out"}
    assert len(out) == tiers
    used = np.bincount(np.concatenate([fabric.src, fabric.dst]), minlength=fabric.nodes)
    for group in fabric.groups:
        if group.level in out:
            assert used[group.first : group.first + group.count].max() <= radix


def test_a_fourth_tier_joins_more_superpods_than_three_can() -> None:
    with pytest.raises(InputError, match=r"budget\.two_tiers: .* does not hold"):
        load_topology("atlas950-supercluster", pods=2, tiers=2)
    with pytest.raises(InputError, match=r"auto\.tiers: none of 2, 3, 4 fits"):
        load_topology("atlas950-supercluster", pods=65)
    with pytest.raises(InputError, match="each switch-128x400g, it has 128"):
        load_topology("atlas960-supercluster", pods=2, radix=128)


@pytest.mark.campaign
def test_half_a_million_npus_more_take_four_tiers() -> None:
    fabric = load_topology("atlas950-supercluster", pods=128)
    assert fabric.ranks == 2 * 524_288
    assert fabric.about.notes[0].startswith("tiers: auto is 4")
    tiers = ("leaf", "row", "hall", "cluster")
    counts = built_counts(fabric)
    assert {counts[f"{tier}.links"] for tier in tiers} == {2 * fabric.ranks}


def test_rails_of_the_cluster_meet_by_position_on_the_board() -> None:
    fabric = load_topology("atlas960-supercluster", pods=2, rails=1, radix=128)
    leaves = next(group for group in fabric.groups if group.level == "leaf")
    assert leaves.count == 2 * 88 * 8
    own = (fabric.dst >= leaves.first) & (fabric.dst < leaves.first + leaves.count)
    down = own & (fabric.src < fabric.ranks)
    assert np.array_equal((fabric.dst[down] - leaves.first) % 8, fabric.src[down] % 8)
    assert set(np.bincount(fabric.dst[down] - leaves.first).tolist()) == {2 * 11 * 2}


# -- UB-Mesh --------------------------------------------------------------------------------------------------------


def test_the_lanes_of_the_ub_mesh_superpod() -> None:
    fabric = load_topology("ub-mesh-superpod")
    assert degrees(fabric) == {("npu", 7 + 7 + 6 + 1): 8192, ("switch", 128): 64}
    lanes = np.zeros(fabric.nodes, np.int64)
    for end in (fabric.src, fabric.dst):
        np.add.at(lanes, end, np.array([link.lanes for link in fabric.links])[fabric.link_class])
    assert set(lanes[:8192].tolist()) == {72}
    assert set(lanes[8192:].tolist()) == {512}
    # a rack has 1024 lanes beyond itself: 6 x 128 and 256
    rack = np.zeros(fabric.nodes, np.bool_)
    rack[:64] = True
    leaving = rack[fabric.src] != rack[fabric.dst]
    widths = np.array([link.lanes for link in fabric.links])[fabric.link_class][leaving]
    assert Counter(widths.tolist()) == {2: 6 * 128 // 2, 4: 256 // 4}


def test_the_cables_of_the_ub_mesh_superpod_are_shared_as_published() -> None:
    from fabricsim.inspection.media import cables

    counts = cables(load_topology("ub-mesh-superpod"))
    total = sum(counts.values())
    shares = {medium: 100 * count / total for medium, count in counts.items()}
    assert shares["copper"] == pytest.approx(86.7, abs=0.05)
    assert shares["active-copper"] == pytest.approx(7.2, abs=0.05)
    assert shares["optical"] == pytest.approx(6, abs=0.1)


def test_the_spare_of_a_rack_has_no_rank_and_reaches_everyone() -> None:
    fabric = load_topology("ub-mesh-rack", spares=1)
    spare = fabric.node("rack/spare0")
    assert (fabric.ranks, fabric.nodes, fabric.device(spare).kind) == (64, 64 + 4 + 1, "spare")
    assert degrees(fabric) == {("npu", 7 + 7 + 4): 64, ("switch", 64 + 4): 4, ("spare", 16): 1}
    beside = {
        int(end)
        for link in range(fabric.link_count)
        for end in (fabric.dst[link],)
        if fabric.src[link] == spare
    }
    assert beside == {fabric.node(f"rack/lrs{plane}") for plane in range(4)}


# -- variants and the other machines ----------------------------------------------------------------------------------


def test_the_cpus_of_cloudmatrix384() -> None:
    fabric, plain = load_topology("cloudmatrix384", cpus=4), load_topology("cloudmatrix384")
    assert built_counts(fabric)["node.cpus"] == 192
    assert fabric.link_count == plain.link_count + 192 * 7
    uplink = 16 * round(28e9 * UB)
    cpus = 4 * round(160e9 / 7 * UB)
    assert (16 * round(28e9 * UB) + cpus) / uplink == pytest.approx(1.20, abs=0.005)


def test_the_atlas950_as_a_mesh_of_meshes() -> None:
    fabric = load_topology("atlas950-superpod", ub_mesh=1)
    assert degrees(fabric) == {("npu", 7 + 7 + 2): 8192, ("switch", 128): 128}
    assert load_topology("atlas950-superpod", npu="ascend-950dt-96").device(0).memory == 96 * 10**9


@pytest.mark.parametrize(("servers", "groups", "cards"), [(1, 1, 8), (25, 5, 1_000), (50, 25, 10_000)])
def test_kuae_s4000_from_a_server_to_ten_thousand_cards(servers: int, groups: int, cards: int) -> None:
    fabric = load_topology("mtt-kuae-s4000", servers=servers, groups=groups)
    assert fabric.ranks == cards
    scale_up = {rate - (25 * 10**9 if servers > 1 else 0) for rate in rates(fabric)}
    assert scale_up == {120 * 10**9} == {fabric.device(0).port_sum}
    assert max([n for kind, n in degrees(fabric) if kind == "switch"], default=0) <= 128


def test_circuits_of_lightsphere_follow_its_parameters() -> None:
    fabric = load_topology("biren-lightsphere-x", near=2, far=3, reconfiguration="5 us")
    switch = fabric.device(fabric.ranks)
    assert (switch.kind, switch.reconfiguration) == ("ocs", 5e-6)
    graph = fabric.to_networkx()
    apart = Counter()
    for node, data in graph.nodes(data=True):
        if data["kind"] == "ocs":
            a, b = (int(end.split("/")[1].removeprefix("board")) for end in graph[node])
            apart[min((a - b) % 8, (b - a) % 8)] += 1
    assert apart == {2: 64, 3: 64}


def test_a_plain_clos_of_servers() -> None:
    fabric = load_topology("server-stacking", rails=0)
    leaf = fabric.node("cluster/block0/group0/leaf0")
    below = {int(a) for a, b in zip(fabric.src, fabric.dst, strict=True) if b == leaf and a < fabric.ranks}
    assert below == set(range(64))
    with pytest.raises(InputError, match="each switch needs 144 ports"):
        load_topology("server-stacking", rails=0, servers=9)


def test_the_taishan_superpod_as_a_mesh() -> None:
    fabric = load_topology("taishan950-superpod", mesh=1)
    assert degrees(fabric) == {("npu", 1 + 15): 32}
    switched = load_topology("taishan950-superpod")
    assert max(rates(fabric)) == pytest.approx(2 * max(rates(switched)), rel=1e-6)


def test_a_machine_without_public_numbers_is_listed_and_says_so() -> None:
    assert "no public interconnect numbers" in shipped()["nvidia-feynman"]
    assert "nvidia-feynman" not in shipped_machines()
    with pytest.raises(
        InputError, match="there is nothing to load: NVIDIA Feynman has no public interconnect numbers"
    ):
        load_topology("nvidia-feynman")


def test_the_largest_job_of_a_pod_is_stated() -> None:
    assert load_topology("tpu-v5p").about.notes == ("one job has at most 6144 NPUs",)


NAMES = [
    "cloudmatrix384", "atlas950-superpod", "atlas960-superpod", "taishan950-superpod",
    "atlas950-supercluster", "atlas960-supercluster", "ub-mesh-pod", "ub-mesh-superpod", "hgx-h100",
    "hgx-h800", "hgx-h20", "hgx-b200", "gb200-nvl72", "gb300-nvl72", "vera-rubin-nvl72",
    "rubin-ultra-kyber", "mtt-kuae-s4000", "mtt-kuae-s5000", "mtt-c256", "metax-s6000", "biren-br100",
    "biren-lightsphere-x", "enflame-esl64", "tpu-v4", "tpu-v5p", "tpu-ironwood", "alibaba-al128",
    "sugon-scalex640", "server-stacking", "nvidia-feynman",
]  # fmt: skip


def test_the_machines_of_the_field_are_here() -> None:
    assert set(NAMES) <= set(shipped())


CHIPS = ["910b", "910c-die", "950pr", "950dt", "960", "970"]


def test_chips_without_a_machine_are_records_too() -> None:
    for name in [*(f"ascend-{chip}" for chip in CHIPS), "kunpeng-950", "kunpeng-960"]:
        level = {"name": "box", "members": 1, "rule": "none"}
        assert resolve({"device": {"use": name}, "levels": [level]}).device(0).name == name


@pytest.mark.parametrize("name", [name for name in shipped_machines() if "supercluster" not in name])
def test_what_an_npu_sends_is_what_its_vendor_says(name: str) -> None:
    """Raw rates of its scale-up links add up to the port sum of its record, less ports that a file leaves free."""
    fabric = load_topology(name)
    stated = fabric.device(0).port_sum
    if stated is None:
        pytest.skip("its vendor gives no sum")
    raw = np.array([link.raw or link.bandwidth for link in fabric.links], np.int64)
    up = [fabric.about.networks.get(level, "scale-up") == "scale-up" for level in fabric.levels]
    sums = np.zeros(fabric.nodes, np.int64)
    for end in (fabric.src, fabric.dst):
        np.add.at(sums, end, np.where(np.array(up)[fabric.level], raw[fabric.link_class], 0))
    free = {"atlas950-superpod": 3 * 56, "atlas960-superpod": 3 * 61.1, "biren-br100": 32}.get(name, 0)
    assert int(sums[0]) / 1e9 == pytest.approx(stated / 1e9 - free, rel=0.003)


# -- what uniform traffic can reach -----------------------------------------------------------------------------------


def bound(name: str, **settings: int) -> float:
    """Return what each NPU can send to all others evenly [B/s], headers included."""
    return float(inspect(load_topology(name, **settings))["all_to_all_bound_wire_Bps"])


@pytest.mark.parametrize(("name", "rate"), [("tpu-v4", 50e9), ("tpu-v5p", 100e9), ("tpu-ironwood", 100e9)])
def test_a_torus_is_bound_by_its_longest_dimension(name: str, rate: float) -> None:
    """A9: 8b/k of the longest dimension k, times (N - 1)/N (Dally and Towles, 2004)."""
    fabric = load_topology(name)
    longest = max(info.members for info in fabric.about.levels)
    assert bound(name) == pytest.approx(8 * rate / longest * (fabric.ranks - 1) / fabric.ranks, rel=1e-6)
    figures = inspect(fabric)
    assert (figures["bisection_Bps"], figures["bisection_exact"]) == (
        2 * fabric.ranks // longest * rate,
        True,
    )


def test_a_full_mesh_of_8_by_8_is_bound_by_its_neighbours() -> None:
    """A10: (n^2 - 1)/n of a link."""
    assert bound("ub-mesh-rack") == pytest.approx(63 / 8 * 56e9 * UB, rel=1e-6)


def test_a_mesh_of_four_dimensions_is_bound_by_the_narrowest() -> None:
    """A11: n_d b_d (N - 1)/N, least of two dimensions of 8 with links of 56 and two of 4 with links of 28 GB/s."""
    assert bound("ub-mesh-pod") == pytest.approx(4 * 28e9 * UB * 1023 / 1024, rel=1e-6)
    cut = inspect(load_topology("ub-mesh-pod"))["bisection_Bps"]
    assert cut == 4 * 256 * round(
        28e9 * UB
    )  # 2 x 2 of the four racks of a row face one another, at 256 positions


@pytest.mark.parametrize("taper", [1, 2, 4])
def test_a_taper_binds_what_leaves_a_cabinet(taper: int) -> None:
    """A16, with what stays on a board taken off the planes: 448/t leaves a cabinet, 8128 of 8191 others are beyond."""
    beyond, off_board = (8192 - 64) / 8191, (8192 - 8) / 8191
    up = 448e9 * UB
    assert bound("atlas950-superpod", taper=taper) == pytest.approx(
        min(up / off_board, up / taper / beyond), rel=1e-6
    )
    figures = inspect(load_topology("atlas950-superpod", taper=taper))
    assert (figures["bisection_Bps"], figures["bisection_exact"]) == (
        4096 * 8 * round(56e9 * UB) // taper,
        True,
    )


def test_the_bisection_that_the_vendor_s_sum_is_not() -> None:
    """16 PB/s are all ports both ways; 0.918 PB/s, raw, cross the middle of the tapered variant one way."""
    figures = inspect(load_topology("atlas950-superpod"))
    assert pytest.approx(16.5, abs=0.1) == 2 * 8192 * 1008e9 / 1e15
    assert figures["bisection_Bps"] / UB == pytest.approx(0.918e15, rel=1e-3)


def test_pods_of_ub_mesh_meet_through_four_lanes_an_npu() -> None:
    """56 GB/s raw up from each NPU and 7168 of 8191 others in other pods leave 64 GB/s at most."""
    ceiling = 56e9 / (7168 / 8191)
    assert ceiling == pytest.approx(64e9, rel=1e-3)
    assert 0.85 * ceiling * UB < bound("ub-mesh-superpod") < ceiling * UB
