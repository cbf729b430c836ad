"""Where a machine stands: racks in rows, trays in racks, as its file states it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stand:
    """Where the switches of one level stand that are in no tray: so many a tray, and so many a rack of their own.

    per_rack: None for switches that share the racks of what they join. place: their own racks' place on the floor,
    `end`, `middle`, or `spread` evenly among the others.
    """

    level: str
    per_tray: int = 1
    per_rack: int | None = None
    place: str = "end"


@dataclass(frozen=True)
class Layout:
    """rack, tray: the levels whose copies fill racks, so many a rack, and trays. Lengths in metres.

    height: of the way that cables take between racks, above the floor. inside_tray: of a link that stays in a tray.
    slack: added to every cable. step: cable lengths are multiples of it, None where they are cut to measure.
    """

    rack: str
    tray: str
    per_rack: int
    tray_height: float
    height: float
    pitch: float
    row_pitch: float
    rows: int
    inside_tray: float
    slack: float
    step: float | None = None
    stands: tuple[Stand, ...] = ()
