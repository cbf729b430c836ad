"""Where a machine stands: lengths by hand, latency by length, bundles, and what cannot stand."""

from typing import Any

import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.layout import lengths_of, places_of, risk_groups

LINK = {"bandwidth": "50 GB/s", "latency": "100 ns"}
LAYOUT = {
    "rack": "rack", "tray": "board", "tray_height": "20 cm", "height": "2 m", "pitch": "1 m", "row_pitch": "3 m",
    "rows": 2, "inside_tray": "10 cm", "slack": "50 cm",
    "switches": {"rack": {"per_tray": 2}, "top": {"per_rack": 1, "place": "end"}},
}  # fmt: skip


def machine(layout: dict[str, Any] | None = None, missing: list[str] | None = None, **link: Any) -> Fabric:
    """Return two boards of two NPUs a rack, three racks with two switches each, and two switches on top."""
    levels = [
        {"name": "board", "members": 2, "rule": "full-mesh", "link": LINK},
        {"name": "rack", "members": 2, "rule": "switched", "planes": 2, "taper": 2, "link": LINK},
        {"name": "top", "members": 3, "rule": "switched", "uplinks_of": "rack", "switches": 1,
         "uplinks": 2, "link": {**LINK, **link}},
    ]  # fmt: skip
    spec = {"name": "test", "levels": levels, "layout": {**LAYOUT, **(layout or {})}}
    return resolve(spec | ({"without": {"nodes": missing}} if missing else {}))


def metres(fabric: Fabric, a: str, b: str) -> float:
    assert fabric.about.layout is not None
    lengths = lengths_of(fabric, fabric.about.layout, places_of(fabric, fabric.about.layout))
    return float(lengths[fabric.links_between(fabric.node(a), fabric.node(b))[0]])


def test_lengths_are_those_by_hand() -> None:
    """Trays at 10 and 30 cm, the switches' at 50. Floor of five racks in rows of three: rack 0 at (0, 0), the second
    switch rack at (1, 3)."""
    fabric = machine()
    assert metres(fabric, "top/rack0/board0/npu0", "top/rack0/board0/npu1") == pytest.approx(0.1)
    assert metres(fabric, "top/rack0/board0/npu0", "top/rack0/sw1") == pytest.approx(0.5 - 0.1 + 0.5)
    assert metres(fabric, "top/rack2/board1/npu0", "top/rack2/sw0") == pytest.approx(0.5 - 0.3 + 0.5)
    over = (2 - 0.5) + (2 - 0.1) + 0.5
    assert metres(fabric, "top/rack0/sw1", "top/sw1") == pytest.approx(over + 1 + 3)
    assert metres(fabric, "top/rack2/sw0", "top/sw0") == pytest.approx(over + 2 + 3)


def test_lengths_come_in_steps() -> None:
    """0.9 m become 1 m, and 1 m stays."""
    fabric = machine({"step": "50 cm"})
    assert metres(fabric, "top/rack0/board0/npu0", "top/rack0/sw1") == pytest.approx(1.0)
    assert metres(machine({"step": "10 cm"}), "top/rack0/board0/npu0", "top/rack0/sw1") == pytest.approx(0.9)


def test_latency_grows_with_length() -> None:
    fabric = machine(latency_per_metre="5 ns")
    for plane in range(2):
        a, b = "top/rack0/sw1", "top/sw1"
        link = fabric.links_between(fabric.node(a), fabric.node(b))[plane]
        assert fabric.latency_ps[2 * link] == 100_000 + round(5_000 * metres(fabric, a, b))
    near = fabric.links_between(fabric.node("top/rack0/board0/npu0"), fabric.node("top/rack0/board0/npu1"))[0]
    assert fabric.latency_ps[2 * near] == 100_000


def test_a_latency_by_the_metre_needs_a_layout() -> None:
    level = {"name": "box", "members": 2, "rule": "full-mesh", "link": {**LINK, "latency_per_metre": "5 ns"}}
    with pytest.raises(InputError, match="add layout"):
        resolve({"name": "test", "levels": [level]})


def test_the_cables_between_two_racks_are_one_bundle() -> None:
    """Every rack has two links to each of two switch racks, and none to another rack of NPUs."""
    groups = risk_groups(machine())
    assert {name: len(links) for name, links in groups.items()} == {
        f"rack{i} - top-rack{j}": 2 for i in range(3) for j in range(2)
    }
    assert risk_groups(load_topology("hgx-h100")) == {}


@pytest.mark.parametrize(
    ("place", "order"), [("end", [0, 1, 2, 3, 4]), ("middle", [0, 1, 3, 4, 2]), ("spread", [0, 3, 1, 4, 2])]
)  # fmt: skip
def test_where_racks_of_switches_stand(place: str, order: list[int]) -> None:
    """Keys of the racks are 1/6, 3/6, 5/6; of those in the middle 1/2 after the second, of those spread 1/4, 3/4."""
    layout = {"rows": 1, "switches": {"top": {"per_rack": 1, "place": place}}}
    fabric = machine(layout)
    assert fabric.about.layout is not None
    assert np.argsort(places_of(fabric, fabric.about.layout).x).tolist() == order


def test_several_copies_share_a_rack() -> None:
    fabric = machine({"per_rack": 3, "switches": {"rack": {"per_tray": 2}, "top": {"per_rack": 2}}})
    assert fabric.about.layout is not None
    places = places_of(fabric, fabric.about.layout)
    assert places.names == ("rack0", "top-rack0")
    assert places.tray[: fabric.ranks].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert places.rack[: fabric.ranks].tolist() == [0] * 12


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ({"rack": "rak"}, "layout.rack: 'rak' is not a level with members of its own; did you mean 'rack'?"),
        ({"tray": "top"}, "layout.tray: 'top' is not inside 'rack'"),
        ({"switches": {}}, "layout.switches.top: where the switches of 'top' stand is not stated"),
        ({"switches": {"tops": {}}}, "layout.switches.tops: 'tops' is not a level; did you mean 'top'?"),
        ({"height": "30 cm"}, "layout.height: 3 trays of 0.2 m do not fit below 0.3 m"),
        ({"rows": 0}, "layout.rows: it is 0, which is too small"),
        ({"pitch": "60"}, "layout.pitch: '60' has no unit; write a length such as"),
        ({"pitch": "2 ns"}, "layout.pitch: '2 ns' is a time, not a length"),
        ({"depth": "2 m"}, "layout.depth: is not a key here"),
    ],
)  # fmt: skip
def test_what_cannot_stand_is_told(layout: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        machine(layout)
    assert said in str(caught.value)


def test_what_is_left_out_keeps_its_place_empty() -> None:
    whole, fewer = machine(), machine({}, missing=["top/rack0/board0/npu1", "top/rack1"])
    assert fewer.nodes == whole.nodes - 1 - 6
    for name in ("top/rack0/board1/npu0", "top/rack2/board0/npu1", "top/rack2/sw1", "top/sw1"):
        stands = []
        for fabric in (whole, fewer):
            assert fabric.about.layout is not None
            places, node = places_of(fabric, fabric.about.layout), fabric.node(name)
            rack = int(places.rack[node])
            stands.append((places.names[rack], int(places.tray[node]), float(places.x[rack])))
        assert stands[0] == stands[1]
