"""Cable lists: every cable once, ports counted, and each way to plug one wrong found."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.inspection.cabling import COLUMNS, miscabled, read_ends, write_cables
from fabricsim.topology import load_topology, resolve

LINK = {"raw": "448 Gbit/s", "coding": 0.9, "latency": "100 ns", "medium": "copper", "lanes": 4}


def pod(height: str = "10 cm", **link) -> Fabric:
    """Return two racks of four boards with two NPUs each, on a board, and one switch a rack, joined by two fibres."""
    levels = [
        {"name": "board", "members": 2, "rule": "full-mesh", "link": {**LINK, "medium": "pcb"}},
        {"name": "rack", "members": 4, "rule": "switched", "taper": 8, "link": {**LINK, **link}},
        {"name": "pod", "members": 2, "rule": "full-mesh", "uplinks_of": "rack",
         "link": {**LINK, "medium": "optical"}},
    ]  # fmt: skip
    layout = {
        "rack": "rack", "tray": "board", "tray_height": height, "height": "9 m", "pitch": "1 m", "row_pitch": "3 m",
        "rows": 1, "inside_tray": "10 cm", "slack": "0 m",
    }  # fmt: skip
    return resolve({"name": "pod", "levels": levels, "layout": layout})


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, str]]:
    write_cables(pod(), tmp_path / "cables.csv")
    with (tmp_path / "cables.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_cable_is_a_row(rows: list[dict[str, str]]) -> None:
    assert tuple(rows[0]) == COLUMNS
    assert Counter(row["medium"] for row in rows) == {"copper": 16, "optical": 1}
    last = rows[-1]
    assert (last["a_rack"], last["b_rack"], last["bundle"]) == ("rack0", "rack1", "rack0 - rack1")
    assert float(last["length_m"]) == pytest.approx(2 * (9 - 0.45) + 1)
    assert {row["bundle"] for row in rows[:-1]} == {""}
    assert {row["lanes"] for row in rows} == {"4"}
    first = rows[0]
    assert (first["a_tray"], first["a_port"], first["b_tray"]) == (
        "tray0",
        "pod/rack0/board0/npu0:1",
        "tray4",
    )


def test_inspect_sums_the_lengths_that_the_list_has(rows: list[dict[str, str]]) -> None:
    """Of the two NPUs on each of four boards, to the switch above them: 4, 3, 2 and 1 trays of 10 cm, in two racks."""
    found = inspect(pod())["layout"]
    assert (found["racks"], found["bundles"]) == (2, 1)
    assert found["metres"]["copper"] == pytest.approx(2 * 2 * (0.4 + 0.3 + 0.2 + 0.1))
    assert found["longest_m"]["copper"] == pytest.approx(0.4)
    for medium, metres in found["metres"].items():
        assert metres == pytest.approx(sum(float(row["length_m"]) for row in rows if row["medium"] == medium))
    assert inspect(load_topology("gb200-nvl72"))["layout"] is None


def test_no_port_has_two_cables(rows: list[dict[str, str]]) -> None:
    ends = Counter(row[end] for row in rows for end in ("a_port", "b_port"))
    assert len(ends) == 2 * len(rows)
    assert {f"pod/rack0/sw0:{port}" for port in range(9)} <= set(ends)


def test_a_machine_without_a_layout_has_cables_without_places(tmp_path: Path) -> None:
    fabric = load_topology("gb200-nvl72")
    assert write_cables(fabric, tmp_path / "c.csv") == 72 * 18
    with (tmp_path / "c.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["a_rack"], row["length_m"], row["bundle"]) == ("", "", "")
    assert miscabled(fabric, read_ends(tmp_path / "c.csv")) == []


Pairs = list[tuple[str, str]]


def exchange(pairs: Pairs) -> Pairs:
    (a, b), (c, d) = pairs[0], pairs[9]
    return [(a, d), *pairs[1:9], (c, b), *pairs[10:]]


def crosswise(pairs: Pairs) -> Pairs:
    (a, b), (c, d) = pairs[0], pairs[9]
    return [(a, c), *pairs[1:9], (d, b), *pairs[10:]]


def around(pairs: Pairs) -> Pairs:
    """Return three cables whose second ends have each moved one on."""
    (a, b), (c, d), (e, f) = pairs[:3]
    return [(a, d), (c, f), (e, b), *pairs[3:]]


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda pairs: pairs, []),
        (lambda pairs: [(b, a) for a, b in reversed(pairs)], []),
        (lambda pairs: pairs[1:], ["missing"]),
        (lambda pairs: [*pairs, ("x:1", "y:1")], ["extra"]),
        (lambda pairs: [*pairs, pairs[0]], ["twice", "twice"]),
        (lambda pairs: [(pairs[0][0], "x:1"), *pairs[1:]], ["miscabled", "extra"]),
        (exchange, ["swapped"]),
        (crosswise, ["swapped"]),
        (around, ["miscabled"] * 3),
    ],
)
def test_wrong_plugs_are_named(
    rows: list[dict[str, str]], change: Callable[[Pairs], Pairs], kinds: list[str]
) -> None:
    found = miscabled(pod(), change([(row["a_port"], row["b_port"]) for row in rows]))
    assert [line.split(":")[0] for line in found] == kinds


def test_a_swap_names_all_four_ends(rows: list[dict[str, str]]) -> None:
    pairs = [(row["a_port"], row["b_port"]) for row in rows]
    (found,) = miscabled(pod(), exchange(pairs))
    for end in (*pairs[0], *pairs[9]):
        assert end in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", ":1: has no column a_port or b_port"),
        ("a_port,b_port\nx:1,\n", ":2: an end is missing"),
    ],
)
def test_a_bad_list_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "measured.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_ends(tmp_path / "measured.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_ends(tmp_path / "absent.csv")


def test_a_cable_longer_than_its_medium_reaches_is_found() -> None:
    """From the lowest tray to that of the switch, four trays up: 4 · 0.6 m is over 2 m, and 4 · 0.5 m is not."""
    assert inspect(pod("50 cm"))["lint"] == []
    (found,) = inspect(pod("60 cm"))["lint"]
    assert found.startswith(
        "reach: 4 links of rack are up to 2.4 m long, copper reaches 2 m (published: IEEE 802.3ck"
    )
    assert inspect(pod("60 cm", reach="3 m"))["lint"] == []
    assert inspect(pod("60 cm", medium="active-copper"))["lint"] == []
    assert "reaches 2.3 m (stated: the record of rack)" in inspect(pod("60 cm", reach="2.3 m"))["lint"][0]
    assert inspect(pod("60 cm", lanes=8))["lint"] == []
