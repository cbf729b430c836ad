"""Cost, power and failures add up by hand, and the share that is known is said."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.inspection.parts import PartsBook, json_schema, load_parts, pieces, shipped_parts, totals
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.records import shared

ASSUMED = {"confidence": "assumed", "source": "a test"}


def priced(**numbers: Any) -> dict[str, Any]:
    return {**numbers, "evidence": dict.fromkeys(numbers, ASSUMED)}


BOOK = {
    "schema": "fabricsim.parts/1",
    "unit": "EUR",
    "devices": {"gpu": priced(price=1000, watts=500, afr="2 %")},
    "switches": {"chip": priced(price=300, watts=100, fit=1000)},
    "links": {"fibre": priced(price=5, watts=0, fit=0)},
    "optics": {"fibre": priced(price=50.5, watts=8, fit=500)},
}


def book(tmp_path: Path, **changes: Any) -> PartsBook:
    file = tmp_path / "book.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in {**BOOK, **changes}.items() if value}))
    return load_parts(file)


def box() -> Fabric:
    """Return two boards of two GPUs, each GPU with a fibre to each of three chips."""
    fibre = {"bandwidth": "50 GB/s", "latency": "0 s", "medium": "optical"}
    return resolve(
        {
            "name": "box",
            "devices": {"gpu": {"ports": 4}},
            "device": "gpu",
            "links": {"fibre": fibre},
            "switches": {"chip": {"ports": 4}},
            "levels": [
                {"name": "board", "members": 2, "rule": "full-mesh", "link": {**fibre, "medium": "pcb"}},
                {"name": "box", "members": 2, "rule": "switched", "planes": 3, "switch": "chip", "link": "fibre"},
            ],
        }
    )  # fmt: skip


def test_pieces_are_counted_and_boards_are_none() -> None:
    assert list(pieces(box())) == [
        ("devices", "gpu", 4), ("switches", "chip", 3), ("links", "fibre", 12), ("optics", "fibre", 24)
    ]  # fmt: skip


def test_dies_of_one_package_are_one_piece() -> None:
    found = {(kind, name): count for kind, name, count in pieces(load_topology("cloudmatrix384"))}
    assert found["devices", "ascend-910c-die"] == 384


def test_totals_are_those_by_hand(tmp_path: Path) -> None:
    found = inspect(box(), book(tmp_path))["parts"]
    assert found["price"] == 4 * 1000 + 3 * 300 + 12 * 5 + 24 * 50.5
    assert found["watts"] == 4 * 500 + 3 * 100 + 24 * 8
    rate = 4 * 0.02 + (3 * 1000 + 24 * 500) * 1e-9 * 8760
    assert found["failures_per_year"] == pytest.approx(rate, rel=1e-12)
    assert found["mtbf_s"] == pytest.approx(365 * 86400 / rate, rel=1e-12)
    assert {found[key] for key in ("priced_share", "watts_share", "failures_share")} == {1.0}
    assert (found["unit"], found["confidence"]) == ("EUR", {"assumed": 12})


def test_what_is_not_in_the_book_is_said_by_its_share(tmp_path: Path) -> None:
    found = totals(box(), book(tmp_path, optics=None, switches={"chip": priced(price=300)}))
    assert found["priced_share"] == (4 + 3 + 12) / 43
    assert found["watts_share"] == (4 + 12) / 43
    assert found["price"] == 4 * 1000 + 3 * 300 + 12 * 5
    nothing = totals(box(), book(tmp_path, optics=None, switches=None, links=None, devices=None))
    assert (nothing["price"], nothing["priced_share"], nothing["mtbf_s"]) == (None, 0.0, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"switches": {"chip": {"price": 3}}}, "switches.chip.price: no evidence says where this comes from"),
        ({"switches": {"chip": priced(fit=3, afr="1 %")}}, "switches.chip.afr: states fit and afr"),
        ({"switches": {"chip": priced(price=-3)}}, "switches.chip.price: -3 is too small"),
        (
            {"switches": {"chip": priced(prize=3)}},
            "switches.chip.prize: is not a key here; did you mean 'price'?",
        ),
        ({"unit": None}, "unit: is missing"),
        ({"schema": "fabricsim/1"}, "schema: 'fabricsim/1' is not known here"),
    ],
)
def test_a_bad_book_is_told_with_its_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        book(tmp_path, **change)
    assert said in str(caught.value)
    assert "book.yaml:" in str(caught.value)


def test_shipped_books_are_all_assumed_and_name_records() -> None:
    for name in shipped_parts():
        parts = load_parts(name)
        records = {"optics": "links"}
        assert all((records.get(kind, kind), of) in shared() for kind, of in parts.prices)
        words = {entry.confidence for price in parts.prices.values() for entry in price.evidence.values()}
        assert words == {"assumed"}
    with pytest.raises(InputError, match="did you mean 'example'"):
        load_parts("exampel")


def test_the_json_schema_takes_what_ships() -> None:
    import jsonschema

    for path in shipped_parts().values():
        jsonschema.validate(yaml.safe_load(path.read_text()), json_schema())


@pytest.mark.parametrize("name", ["cloudmatrix384", "atlas950-superpod", "gb200-nvl72", "ub-mesh-superpod"])
def test_the_example_knows_every_piece_of_the_machines_that_people_compare(name: str) -> None:
    assert totals(load_topology(name), load_parts("example"))["priced_share"] == 1
