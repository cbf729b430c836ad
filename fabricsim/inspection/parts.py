"""What a machine's parts cost, draw and how often they fail, from a book of prices that the user brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from fabricsim.data_folders import data_folder
from fabricsim.document import Document, read_document
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.inspection.media import cable_links, modules_of_class, whole
from fabricsim.topology.evidence import evidence_of, uncovered
from fabricsim.topology.grammar import EvidenceParts, Word
from fabricsim.validation import Part, Share, json_schema_of, validate

SCHEMA: Final = "fabricsim.parts/1"
HOURS_A_YEAR: Final = 8760
Amount = Annotated[int | float, Field(ge=0)]


class PricePart(Part):
    """One record's price, power and failures, for one piece."""

    price: Amount | None = Field(None, description="in the book's unit")
    watts: Amount | None = Field(None, description="power of one piece [W]")
    fit: Amount | None = Field(None, description="failures in 1e9 hours")
    afr: Share | None = Field(None, description="annual failure rate, such as '2 %'; instead of fit")
    evidence: EvidenceParts = Field(default_factory=dict, description="by key: confidence, source, note")

    @property
    def failures(self) -> float | None:
        """Failures a year."""
        return self.afr if self.fit is None else self.fit * 1e-9 * HOURS_A_YEAR


class PartsPart(Part):
    """A parts book. Keys below links, switches, devices and optics are the names of records."""

    format: Literal["fabricsim.parts/1"] = Field(alias="schema", description=f"schema: {SCHEMA}")
    title: str = ""
    unit: Word = Field(description="of prices: USD, CNY, or relative to some part")
    devices: dict[str, PricePart] = Field(default_factory=dict, description="a package of NPUs")
    switches: dict[str, PricePart] = Field(default_factory=dict, description="a switch chip")
    links: dict[str, PricePart] = Field(
        default_factory=dict, description="all that one link is made of, without modules"
    )
    optics: dict[str, PricePart] = Field(
        default_factory=dict, description="one module, at each end of an optical link"
    )


KINDS: Final = ("devices", "switches", "links", "optics")
_NUMBERS: Final = ("price", "watts", "failures")


@dataclass(frozen=True)
class PartsBook:
    """A book as read: its unit, its prices by (kind, record name), and where it comes from."""

    unit: str
    title: str
    prices: Mapping[tuple[str, str], PricePart]


def load_parts(name_or_path: str | Path) -> PartsBook:
    """Return a book that ships with the package, or that of a file (what has a suffix or a slash).

    Raises InputError with every fault found: unknown keys, fit and afr at once, numbers that no evidence covers.
    """
    return book_of(read_document(_path(str(name_or_path))))


def book_of(document: Document) -> PartsBook:
    """Return the book that a document is. Raises InputError as `load_parts` does."""
    try:
        part = validate(PartsPart, document.value)
        _check(part, document)
    except InputError as error:
        raise document.locate(error) from None
    prices = {(kind, name): price for kind in KINDS for name, price in getattr(part, kind).items()}
    return PartsBook(part.unit, part.title, prices)


def shipped_parts() -> dict[str, Path]:
    """Return the parts books that ship with the package, by name."""
    return {path.stem: path for path in sorted(Path(data_folder("topologies"), "parts").glob("*.yaml"))}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a parts book, for editors."""
    return json_schema_of(PartsPart, f"{SCHEMA} file")


def _path(name: str) -> Path:
    if Path(name).suffix or "/" in name or "\\" in name:
        return Path(name)
    books = shipped_parts()
    if name not in books:
        right = close_match(name, books)
        raise InputError(
            f"no parts book {name!r} ships with fabricsim", f"{right}, or name a file with its suffix"
        )
    return books[name]


def _check(part: PartsPart, document: Document) -> None:
    faults = FaultList()
    for kind in KINDS:
        for name, price in getattr(part, kind).items():
            with faults.at(kind, name):
                _check_price(price, document.value[kind][name])
    faults.raise_if_any()


def _check_price(price: PricePart, value: Mapping[str, Any]) -> None:
    if price.fit is not None and price.afr is not None:
        raise InputError([Fault("states fit and afr", "keep one of the two", ("afr",))])
    evidence_of(value, price.evidence)
    bare = uncovered(value, price.evidence)
    if bare:
        right = "add evidence: {price: {confidence: assumed, source: …}}"
        raise InputError([Fault("no evidence says where this comes from", right, (key,)) for key in bare])


# -- totals --------------------------------------------------------------------------------------------------------


def pieces(fabric: Fabric) -> Iterator[tuple[str, str, float]]:
    """Yield (kind, record name, how many): packages, switches, cables, and optical modules by the record of their link.

    Links on boards and inside packages are no parts of their own.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for group in fabric.groups:
        if group.device.kind in ("switch", "ocs"):
            counts["switches", group.device.name] += group.count
        else:
            counts["devices", group.device.name] += group.count // group.device.per_package
    cabled = np.bincount(fabric.link_class[cable_links(fabric)], minlength=len(fabric.links)).tolist()
    for link, number, modules in zip(fabric.links, cabled, modules_of_class(fabric).tolist(), strict=True):
        counts["links", link.name] += number
        counts["optics", link.name] += modules
    for (kind, name), count in sorted(
        counts.items(), key=lambda entry: (KINDS.index(entry[0][0]), entry[0][1])
    ):
        if count:
            yield kind, name, whole(count)


def totals(fabric: Fabric, book: PartsBook, all_to_all: float | None = None) -> dict[str, Any]:
    """Return what a machine's parts cost, draw and how often one fails, with the share of parts that is known.

    all_to_all: what each NPU can send of an all-to-all [B/s]; `price_per_GBps` is for 1e9 B/s of all NPUs' together,
    None without it. A share is of pieces: 1 where every piece has a number, and then `mtbf_s` is that of the machine. A
    total counts known pieces only; it is None where none is known. `confidence` counts numbers used by how sure they
    are.
    """
    rows = [_row(kind, name, count, book) for kind, name, count in pieces(fabric)]
    every = sum(row["count"] for row in rows)
    found: dict[str, Any] = {"title": book.title, "unit": book.unit, "pieces": every}
    for key in _NUMBERS:
        known = [row for row in rows if row[key] is not None]
        found[_TOTAL[key]] = sum(row[key] for row in known) if known else None
        found[_SHARE[key]] = sum(row["count"] for row in known) / every
    price = found["price"]
    found["price_per_npu"] = None if price is None else price / fabric.ranks
    found["price_per_GBps"] = price / (fabric.ranks * all_to_all * 1e-9) if price and all_to_all else None
    rate = found["failures_per_year"]
    found["mtbf_s"] = HOURS_A_YEAR * 3600 / rate if rate else None
    used = [
        book.prices[row["kind"], row["name"]] for row in rows if (row["kind"], row["name"]) in book.prices
    ]
    found["confidence"] = dict(Counter(e.confidence for price in used for e in price.evidence.values()))
    return {**found, "rows": rows}


_TOTAL: Final = {"price": "price", "watts": "watts", "failures": "failures_per_year"}
_SHARE: Final = {"price": "priced_share", "watts": "watts_share", "failures": "failures_share"}


def _row(kind: str, name: str, count: float, book: PartsBook) -> dict[str, Any]:
    price = book.prices.get((kind, name), PricePart.model_validate({}))
    each = {key: getattr(price, key) for key in _NUMBERS}
    return {
        "kind": kind, "name": name, "count": count,
        **{key: None if value is None else value * count for key, value in each.items()},
    }  # fmt: skip
