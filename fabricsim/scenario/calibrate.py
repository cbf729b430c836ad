"""calibrate: one measured row of an operation, from which its other rows are predicted."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fabricsim.errors import Fault, InputError
from fabricsim.validation import Part, Time


class RowPart(Part):
    """calibrate, one entry: what one row of an operation took, and what is known of where the time goes."""

    time: Annotated[Time, Field(gt=0)] = Field(description="what was measured, such as '77 us'")
    at: dict[str, Any] = Field(
        default_factory=dict, description="keys of the operation as they were then, such as {ranks: 0-7}"
    )
    efficiency: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of the wire's rate that is reached; 1 where neither this nor `fixed` is stated",
    )
    fixed: Time | None = Field(None, description="in place of that: what each run takes beside its bytes")
    source: str = Field("", description="where the row comes from")

    def split(self, wire: float) -> tuple[float, float]:
        """Return the fixed cost [s] and the efficiency that make `wire` [s] into the time measured.

        One row cannot tell the two apart: one is stated, or the efficiency is 1. Raises InputError, keyed by this
        part's keys, where no cost of 0 or more and no efficiency of up to 1 does it.
        """
        if self.fixed is None:
            efficiency = 1.0 if self.efficiency is None else self.efficiency
            fixed = self.time - wire / efficiency
            if fixed < 0:
                what = f"{_us(self.time)} is less than the {_us(wire / efficiency)} that the wire takes"
                raise InputError([Fault(what, "check the row, its size and the machine", ("time",))])
            return fixed, efficiency
        if self.time - self.fixed < wire:
            what = f"beside a fixed cost of {_us(self.fixed)} there is less time than the wire takes, {_us(wire)}"
            raise InputError([Fault(what, f"write up to {_us(max(0.0, self.time - wire))}", ("fixed",))])
        return self.fixed, wire / (self.time - self.fixed)


def check_row(part: RowPart) -> None:
    """Raise InputError, keyed by the part's keys, where it states both of what one row gives."""
    if part.efficiency is not None and part.fixed is not None:
        what = "one row gives a fixed cost or an efficiency, not both"
        raise InputError([Fault(what, "leave fixed or efficiency out", ("fixed",))])


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.4g} us"
