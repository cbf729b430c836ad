"""When a source may put its packets into the network, and what it does about lost ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from fabricsim.errors import FaultList, InputError, close_match

SenderKind = Literal["unlimited", "window", "dctcp", "dcqcn", "pull"]
SENDERS: Final[Mapping[SenderKind, frozenset[str]]] = {
    "unlimited": frozenset(),
    "window": frozenset({"window", "ack_size"}),
    "dctcp": frozenset({"window", "ack_size", "gain"}),
    "dcqcn": frozenset(
        {
            "ack_size",
            "gain",
            "cnp_interval",
            "increase",
            "hyper_increase",
            "timer",
            "byte_counter",
            "fast_recovery",
            "min_rate",
        }
    ),
    "pull": frozenset({"window", "ack_size"}),
}
"""The parameters that each kind of sender reads."""

Loss = Literal["selective-repeat", "go-back-n"]
LOSSES: Final[tuple[Loss, ...]] = ("selective-repeat", "go-back-n")

_DEFAULT_GAIN: Final[Mapping[SenderKind, float]] = {"dctcp": 1 / 16, "dcqcn": 1 / 256}
"""g of RFC 8257, section 4.2, and of Zhu et al., SIGCOMM 2015, figure 14."""

_COUNTS: Final = (
    "ack_size", "increase", "hyper_increase", "byte_counter", "fast_recovery", "min_rate", "retries",
)  # fmt: skip
"""What is at least 1."""


@dataclass(frozen=True)
class Sender:
    """How each message is fed into its source queue. Sizes in bytes, times in seconds, rates in bytes per second.

    window: payload bytes of one message that may be unacknowledged (`pull`: sent unasked). ack_size: wire bytes of an
    acknowledgement, a pull or a notification. gain: g of the estimate of congestion. DCQCN: cnp_interval, the least
    time between two notifications of one message; increase, R_AI; timer, byte_counter, fast_recovery: what raises
    the rate and how often first (Zhu et al., SIGCOMM 2015, section 5.1 and figure 14); hyper_increase, R_HAI, ten times
    R_AI as IEEE 802.1Qau has it (rpgHaiRate 50 Mbit/s, rpgAiRate 5 Mbit/s); min_rate: no rate is below.
    loss, timeout, retries: where the network may drop packets, how they are sent again, when one counts as lost, and
    how often in vain before the run ends.
    """

    kind: SenderKind = "unlimited"
    window: int | None = None
    ack_size: int = 64
    gain: float | None = None
    cnp_interval: float = 50e-6
    increase: int = 5_000_000
    hyper_increase: int = 50_000_000
    timer: float = 55e-6
    byte_counter: int = 10_000_000
    fast_recovery: int = 5
    min_rate: int = 12_500_000
    loss: Loss = "selective-repeat"
    timeout: float = 100e-6
    retries: int = 100

    def __post_init__(self) -> None:
        if self.kind not in SENDERS:
            raise InputError(f"{self.kind!r} is not a sender", close_match(self.kind, SENDERS))
        faults = FaultList()
        self._check_effect(faults)
        if "window" in SENDERS[self.kind] and self.window is None:
            faults.add("is missing", f"a {self.kind} sender needs one, as in window: 64 KiB", ("window",))
        if self.loss not in LOSSES:
            faults.add(f"{self.loss!r} is not known here", close_match(self.loss, LOSSES), ("loss",))
        for name in ("timeout", "timer", "cnp_interval"):
            if getattr(self, name) * 1e12 < 1:
                faults.add("is less than a picosecond", "write a time such as '100 us'", (name,))
        if self.gain is not None and not 0 < self.gain <= 1:
            faults.add(f"{self.gain} is not above 0 and at most 1", "write a share such as 0.0625", ("gain",))
        for name in _COUNTS:
            if getattr(self, name) < 1:
                faults.add(f"{getattr(self, name)} is too small", "write at least 1", (name,))
        faults.raise_if_any()

    def _check_effect(self, faults: FaultList) -> None:
        reads = SENDERS[self.kind] | {"kind", "loss", "timeout", "retries"}
        for item in fields(self):
            if item.name not in reads and getattr(self, item.name) != item.default:
                faults.add(f"has no effect with a sender of kind {self.kind}", "leave it out", (item.name,))

    @property
    def g(self) -> float:
        """The gain used: the one stated, or the default of the kind."""
        return self.gain if self.gain is not None else _DEFAULT_GAIN.get(self.kind, 0.0)

    def changes(self) -> tuple[tuple[str, Any], ...]:
        """Return what differs from a plain sender, by name; empty for a plain one."""
        return tuple(
            (f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default
        )
