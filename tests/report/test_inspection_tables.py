"""Tables of topologies: every rate says its basis, shares are of cables, and nobody's column is squeezed out."""

import io

import pytest
from rich.console import Console

from fabricsim.inspection import inspect
from fabricsim.inspection.parts import load_parts
from fabricsim.report.inspection_tables import (
    LABELS,
    cables_table,
    figures_table,
    parts_table,
    remarks,
    tiers_table,
)
from fabricsim.report.terminal import print_inspection
from fabricsim.topology import load_topology

RAW = inspect(load_topology("atlas950-superpod", cabinets=16))
DATA = inspect(load_topology("gb200-nvl72"))
BASES = ("raw", "wire", "payload")


def test_every_rate_is_labelled_with_its_basis() -> None:
    """But for what a device record says, which is on the vendor's own."""
    for key in (key for key in RAW if key.endswith("_Bps")):
        said = [basis for basis in BASES if LABELS[key].endswith(basis)]
        assert len(said) == (0 if "record" in LABELS[key] else 1), key


def test_every_single_figure_has_a_label() -> None:
    rows = [row[0] for row in figures_table([RAW, DATA]).rows]
    assert set(rows) <= set(LABELS.values())


def test_rates_of_the_three_bases_follow_from_one_another() -> None:
    """Raw × RS(128,120) × 6616/6656 is wire; of that 4096 B of payload take (4096 + 40) B in whole flits of 20 B."""
    raw, wire = RAW["scale_up_injection_raw_Bps"], RAW["scale_up_injection_Bps"]
    assert raw == 15 * 56e9
    assert wire == 15 * round(56e9 * 0.9375 * 0.994)
    assert RAW["scale_up_injection_payload_Bps"] == pytest.approx(wire * 4096 / (207 * 20), rel=1e-12)
    assert RAW["spare_Bps"] == 1008e9 - raw
    assert (RAW["spare_ports"], RAW["dual_use_ports"]) == (3, 2)


def test_files_on_different_bases_are_not_compared_in_silence() -> None:
    told = [line for line in remarks([RAW, DATA]) if line.startswith("not on one basis")]
    assert len(told) == 1
    assert "atlas950-superpod state raw × coding, gb200-nvl72 plain data rates" in told[0]
    assert not [line for line in remarks([RAW, RAW]) if line.startswith("not on one basis")]
    assert not [line for line in remarks([DATA, DATA]) if line.startswith("not on one basis")]


def test_the_vendor_is_quoted_beside_and_never_added_to_the_rest() -> None:
    assert any(
        "in the vendor's words: 1.8 TB/s for each GPU and 130 TB/s" in line for line in remarks([DATA])
    )
    assert not any("aggregate" in label for label in LABELS.values())


def test_shares_are_of_cables_and_boards_have_none() -> None:
    """16 cabinets: 64 NPUs with 8 links each, and 8 · 32 up; the boards' 28 links of 8 a cabinet are no cables."""
    rows = {row[0]: row[1] for row in cables_table([RAW]).rows}
    copper, optical = 16 * 64 * 8, 16 * 8 * 32
    assert rows["links on boards"] == f"{16 * 8 * 28:,}"
    assert rows["passive copper"] == f"{copper:,} ({100 * copper / (copper + optical):.1f} %)"
    assert rows["lanes, optical"] == f"{4 * optical:,} ({100 * optical / (copper + optical):.1f} %)"


def test_tiers_and_parts_have_their_tables() -> None:
    assert tiers_table([RAW]).rows[0][1:] == ("cabinet", "128", "2 : 1")
    assert parts_table([RAW]).rows == ()
    priced = inspect(load_topology("gb200-nvl72"), load_parts("example"))
    rows = {row[0]: row[1] for row in parts_table([priced]).rows}
    assert rows["pieces"] == f"{72 + 18 + 72 * 18:,}"
    assert rows["price"].endswith("(100.0 %)")


def test_as_many_stand_side_by_side_as_fit() -> None:
    out = io.StringIO()
    print_inspection([DATA] * 5, Console(file=out, width=80))
    head = [
        line.count("gb200-nvl72")
        for line in out.getvalue().splitlines()
        if line.strip().startswith("gb200-nvl72")
    ]
    assert 2 in head
    assert (
        max(len(line.rstrip()) for line in out.getvalue().splitlines() if "GB/s" in line and "…" not in line)
        < 150
    )
    assert out.getvalue().count("diameter [hops]") == 3
