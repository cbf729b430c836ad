"""How a fabric answers a failure: how long it takes to notice one, and who then chooses another way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.units import parse_time

REROUTES: Final = ("none", "local", "source", "recompute")
"""Who leaves a link that is known to be down: nobody; the node before it; the sources; all nodes, by new tables."""


@dataclass(frozen=True)
class Recovery:
    """What happens after a failure.

    detect: how long a link must be down until that is known, and up again until that is; also how long a source takes
    to miss a lost packet. reroute: one of REROUTES. converge: with `recompute`, how long new tables take from then on.
    A run has recovered once its goodput over every `window` is at least `share` of what the damaged fabric can carry;
    window None: as long as fits the run. Times are text such as '10 us', or seconds. Raises InputError keyed by field.
    """

    detect: str | float = 0.0
    reroute: str = "none"
    converge: str | float = 0.0
    window: str | float | None = None
    share: float = 0.95

    def __post_init__(self) -> None:
        if self.reroute not in REROUTES:
            what = f"{self.reroute!r} is not a way to reroute"
            raise InputError([Fault(what, close_match(self.reroute, REROUTES), ("reroute",))])
        for name in ("detect", "converge", "window"):
            value = getattr(self, name)
            if value is None:
                continue
            seconds = parse_time(value) if isinstance(value, str) else float(value)
            if not 0 <= seconds < 4e6 or (name == "window" and not seconds):
                raise InputError([Fault(f"{value!r} is out of range", "write a time such as 10 us", (name,))])
            object.__setattr__(self, name, seconds)
        if not 0 < self.share <= 1:
            raise InputError(
                [Fault(f"{self.share} is out of range", "write a share such as 0.95", ("share",))]
            )
        if self.converge and self.reroute != "recompute":
            what = f"has no effect where rerouting is {self.reroute}"
            raise InputError([Fault(what, "leave it out, or use reroute: recompute", ("converge",))])
