"""A job that runs for weeks, and what interrupts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fabricsim.errors import FaultList, InputError, Key, close_match
from fabricsim.reliability.checkpoint import Checkpoint

Effect = Literal["restart", "stall", "slow"]
Reaction = Literal["wait", "spare", "shrink"]
EFFECTS: Final[tuple[Effect, ...]] = ("restart", "stall", "slow")
REACTIONS: Final[tuple[Reaction, ...]] = ("wait", "spare", "shrink")


@dataclass(frozen=True)
class Cause:
    """One class of parts that fail independently, each after an exponential time; times in seconds.

    count: parts of the class. mtbf: of one part. repair: mean time to repair, exponential, or fixed where `fixed`.
    detect: until the failure is noticed. takes: NPUs out of service meanwhile, such as 64 for a rack's power.

    effect: `restart` throws the job back to its last checkpoint; `stall` stands still until the repair and loses
    nothing; `slow` runs on at `share` of its speed until the repair.
    """

    name: str
    count: int
    mtbf: float
    repair: float = 0.0
    detect: float = 0.0
    takes: int = 1
    effect: Effect = "restart"
    share: float = 1.0
    fixed: bool = False
    confidence: str = "assumed"
    source: str = ""

    @property
    def rate(self) -> float:
        """Failures a second of the whole class."""
        return self.count / self.mtbf


@dataclass(frozen=True)
class Job:
    """A job on `npus` NPUs; times in seconds.

    reaction to a restart: `wait` for the repair; take a `spare`, of which there are `spares` NPUs, after `swap`, or
    wait for one; `shrink`, going on with the NPUs that are left, which come back as they are repaired. crews: repairs
    at once, None for any number.
    """

    npus: int
    causes: tuple[Cause, ...]
    checkpoint: Checkpoint
    reaction: Reaction = "wait"
    spares: int = 0
    swap: float = 0.0
    crews: int | None = None

    def __post_init__(self) -> None:
        faults = FaultList()
        _check_job(self, faults)
        for index, cause in enumerate(self.causes):
            with faults.at("causes", index):
                _check_cause(cause, self)
        faults.raise_if_any()

    @property
    def rate(self) -> float:
        """Failures a second, of all causes."""
        return sum(cause.rate for cause in self.causes)

    @property
    def mtbf(self) -> float:
        """Mean time between failures [s] of any cause, while the job runs: part MTBF over parts, for all causes."""
        return 1 / self.rate

    @property
    def restart_mtbf(self) -> float:
        """Mean time [s] between failures that throw the job back; infinite where none does."""
        rate = sum(cause.rate for cause in self.causes if cause.effect == "restart")
        return 1 / rate if rate else float("inf")


def _check_job(job: Job, faults: FaultList) -> None:
    if job.npus < 1:
        faults.add(f"{job.npus} NPUs are none", "write 1 or more", ("npus",))
    if not job.causes:
        faults.add("nothing fails", "add a cause, with a count and an MTBF", ("causes",))
    if job.reaction not in REACTIONS:
        faults.add(f"{job.reaction!r} is not a reaction", close_match(job.reaction, REACTIONS), ("reaction",))
    if job.reaction == "spare" and job.spares < 1:
        faults.add("there is no spare to take", "add spares: 8, or let the job wait or shrink", ("spares",))
    if job.reaction != "spare" and (job.spares or job.swap):
        faults.add(
            f"a job that reacts with {job.reaction!r} takes no spares", "write reaction: spare", ("spares",)
        )
    if job.crews is not None and job.crews < 1:
        faults.add(f"{job.crews} crews repair nothing", "write 1 or more, or leave it out", ("crews",))
    names = [cause.name for cause in job.causes]
    for index, name in enumerate(names):
        if name in names[:index]:
            faults.add(f"two causes are called {name!r}", "give each its own name", ("causes", index, "name"))


def _check_cause(cause: Cause, job: Job) -> None:
    faults = FaultList()
    positive: tuple[tuple[str, float], ...] = (
        ("count", cause.count),
        ("mtbf", cause.mtbf),
        ("takes", cause.takes),
    )
    for key, value in positive:
        if not value > 0:
            faults.add(f"{value} is not above zero", "leave the cause out where nothing fails", (key,))
    if cause.repair < 0 or cause.detect < 0:
        faults.add("a time is negative", "write 0 s or more", ("repair" if cause.repair < 0 else "detect",))
    if cause.effect not in EFFECTS:
        faults.add(f"{cause.effect!r} is not an effect", close_match(cause.effect, EFFECTS), ("effect",))
    if not 0 <= cause.share <= 1:
        faults.add(f"{cause.share} is not between 0 and 1", "1 is full speed", ("share",))
    if cause.effect != "slow" and cause.share != 1.0:
        faults.add(
            f"a cause that makes the job {cause.effect} has no share", "write effect: slow", ("share",)
        )
    _check_takes(cause, job, faults)
    faults.raise_if_any()


def _check_takes(cause: Cause, job: Job, faults: FaultList) -> None:
    if cause.effect == "restart" and job.reaction == "spare" and cause.takes > job.spares >= 1:
        what = f"{cause.name} takes {cause.takes} NPUs, there are {job.spares} spares"
        faults.add(what, f"add spares: {cause.takes} or more", ("takes",))
    if cause.effect == "restart" and job.reaction == "shrink" and cause.takes >= job.npus:
        faults.add(f"{cause.name} takes all {job.npus} NPUs", "a job cannot shrink to nothing", ("takes",))


def refused(key: Key, what: str, right: str) -> InputError:
    """Return an InputError about one argument of a job."""
    faults = FaultList()
    faults.add(what, right, key)
    return InputError(faults.faults)
