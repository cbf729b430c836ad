"""What may stand in a scenario file: one class per mapping, one field per key.

A key that is not here is an error. Values arrive in SI: sizes in bytes, times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from fabricsim.collectives.move import GRAIN
from fabricsim.errors import FaultList, InputError
from fabricsim.failures import Recovery
from fabricsim.model.grammar import EndpointPart, ModelPart, SenderPart
from fabricsim.scenario.calibrate import RowPart
from fabricsim.scenario.failures import Breakage
from fabricsim.scenario.jobs import PlacePart
from fabricsim.scenario.kinds import FORMS, check_names
from fabricsim.scenario.ranks import MAX_RANKS, RIGHT, Ranks, parse_ranks
from fabricsim.scenario.search import SearchPart
from fabricsim.scenario.serving import ServeEntry
from fabricsim.scenario.space import JSON_SCHEMA, Space, parse_space
from fabricsim.scenario.survive import SurvivePart
from fabricsim.scenario.training import TrainEntry
from fabricsim.topology.grammar import Policy, RoutingOptions
from fabricsim.validation import Flops, ListOf, Part, PositiveSize, Share, Time, checked, shown, validate

SCHEMA: Final = "fabricsim/1"
MAX_SEED: Final = 2**63 - 1
"""Seeds are words of the hashes that choose paths: 63 bits, so that they are not negative in any language."""

Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


class RoutingPart(RoutingOptions):
    """routing: how paths are chosen; the topology's own policy where nothing is stated."""

    policy: Policy | None = Field(None, description="how a path is chosen")


class FlowPart(Part):
    """flow: how the flow engine solves."""

    quantum: Time = Field(0.0, description="least time between two solutions; 0 s is exact")


class RecoveryPart(Part):
    """recovery: what happens after a failure."""

    reroute: Literal["none", "local", "source", "recompute"] = Field(
        "none", description="who leaves a link that is down: nobody, the node before it, sources, all nodes"
    )
    detect: Time = Field(0.0, description="how long a failure, or a repair, takes to be noticed")
    converge: Time = Field(0.0, description="recompute: how long new tables take from then on")
    window: Time | None = Field(None, description="time over which goodput is taken, such as '20 us'")
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="recovered: this share of what the damaged fabric can carry, from then on"
    )

    def value(self) -> Recovery:
        """Return what this section states. Raises InputError keyed by field."""
        return Recovery(self.detect, self.reroute, self.converge, self.window, self.share)


class EntryPart(Part):
    """What every workload entry has."""

    name: Name | None = Field(None, description="what expectations and results call it")
    ranks: Annotated[
        Ranks,
        PlainValidator(checked(parse_ranks)),
        WithJsonSchema({"type": ["string", "array"], "description": RIGHT}),
    ] = Ranks()
    start: Time = 0.0
    after: ListOf[str] = Field((), description="entries that each rank finishes first")
    barrier: bool = Field(False, description="whether all ranks wait for all of `after`")
    lane: Whole = Field(0, description="traffic class of its messages, below model.lanes")
    warmup: Time = Field(0.0, description="what is issued before it does not count for latency")


class SizedEntry(EntryPart):
    """What an entry has that is not read from a file."""

    size: PositiveSize = Field(description="a size such as '64 KiB'")


class CollectiveEntry(SizedEntry):
    """workload: a collective; size as nccl-tests counts it."""

    collective: str
    algorithm: str | None = None
    root: Whole | None = Field(None, description="rank that a broadcast starts from, by position in `ranks`")
    chunks: Annotated[int, Field(ge=1)] | None = Field(None, description="pieces that a pipeline cuts into")
    levels: Annotated[ListOf[Name], Field(min_length=1)] | None = Field(
        None, description="levels that a hierarchical algorithm goes along, innermost first; all by default"
    )
    grid: Annotated[ListOf[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = Field(
        None, description="sides of a grid in place of levels, innermost first, as in [8, 4]"
    )
    stages: Name | Annotated[ListOf[Name], Field(min_length=1)] | None = Field(
        None, description="the algorithm along each level, or one for all"
    )
    mode: Literal["push", "pull"] | None = Field(None, description="how switches reduce: SHARP, or NVLS")
    radix: Annotated[int, Field(ge=2)] | None = Field(None, description="k of a k-nomial tree; 2 by default")
    rings: Count | None = Field(None, description="rings without a channel in common, in each direction")
    directions: Literal[1, 2] | None = Field(None, description="whether rings go one way, or both")
    file: Name | None = Field(
        None,
        description="of an all-to-all-v: matrix of how many times `size` go from i to j; of msccl: its XML",
    )

    @property
    def kind(self) -> str:
        """Which collective it is."""
        return self.collective


class BarrierEntry(CollectiveEntry):
    """workload: a barrier; size of each word of arrival."""

    collective: Literal["barrier"]
    size: PositiveSize = GRAIN


class PatternEntry(SizedEntry):
    """workload: a traffic pattern; size per message."""

    pattern: str
    fan_in: Count | None = Field(None, description="senders of an incast")
    target: Whole | None = Field(
        None, description="where an incast goes, or a hotspot is, by position in `ranks`"
    )
    load: Share | None = Field(None, description="share of the scale-up injection bandwidth")
    duration: Time | None = Field(None, description="how long open-loop traffic arrives")
    sizes: Literal["fixed", "exponential"] | None = Field(
        None, description="open-loop traffic: all of `size`, or drawn with that mean; fixed by default"
    )
    offset: Annotated[int, Field(ge=-MAX_RANKS, le=MAX_RANKS)] | None = Field(
        None, description="distance that a shift sends over"
    )
    share: Share | None = Field(None, description="share of the ranks that send to a hotspot")
    file: Name | None = Field(
        None, description="a matrix as .npy or text; [i][j] times `size` goes from i to j"
    )
    tokens: Count | None = Field(None, description="tokens of each rank; `size` is that of one")
    top_k: Count | None = Field(None, description="experts that each token goes to")
    experts: Count | None = Field(None, description="experts of each group; one for each rank by default")
    group: Count | None = Field(None, description="ranks that share a set of experts; all by default")
    choice: Literal["expected", "seeded"] | None = Field(None, description="even on average, or drawn")
    skew: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Zipf exponent of the experts' popularity"
    )
    copies: Literal["rank", "expert"] | None = Field(None, description="what each copy of a token is for")
    level: Name | None = Field(None, description="how far scale-up goes: a level of the machine")
    inside: Count | None = Field(
        None, description="how far scale-up goes: a number of ranks, in place of `level`"
    )
    layer: Whole | None = Field(None, description="a number; other layers draw other experts")

    @property
    def kind(self) -> str:
        """Which pattern it is."""
        return self.pattern


class MemoryEntry(SizedEntry):
    """workload: reads, writes or atomics of remote memory; size is that of the data."""

    memory: str
    targets: Annotated[
        Ranks,
        PlainValidator(checked(parse_ranks)),
        WithJsonSchema({"type": ["string", "array"], "description": RIGHT}),
    ] = Field(Ranks(), description="whose memory; all ranks' by default")
    requests: Count | None = Field(None, description="closed loop: how many each rank issues in all")
    outstanding: Count | None = Field(None, description="closed loop: how many of each rank are open at once")
    load: Share | None = Field(None, description="open loop: share of the scale-up injection bandwidth")
    duration: Time | None = Field(None, description="open loop: how long requests are issued")
    service: Time = Field(0.0, description="from a request's delivery to the release of its response")
    command: PositiveSize | None = Field(None, description="bytes of a command, address included; 16 B")
    response_lane: Whole | None = Field(None, description="traffic class of responses; the next after `lane`")

    @property
    def kind(self) -> str:
        """What is done to memory."""
        return self.memory


class TraceEntry(EntryPart):
    """workload: a trace of a real run, replayed."""

    trace: Name = Field(description="a file, or what the files of all ranks begin with")
    groups: Name | None = Field(None, description="a JSON file of the ranks of each communicator group")
    algorithms: dict[str, str] = Field(
        default_factory=dict, description="algorithm of each collective, as in {all-reduce: ring}"
    )
    flops: Flops | None = Field(None, description="how fast computations are that state no duration")

    @property
    def kind(self) -> str:
        """What it is."""
        return "trace"


AnyEntry = CollectiveEntry | PatternEntry | MemoryEntry | TraceEntry | TrainEntry | ServeEntry

_CLASSES: Final[Mapping[str, type[AnyEntry]]] = {
    "collective": CollectiveEntry,
    "pattern": PatternEntry,
    "memory": MemoryEntry,
    "trace": TraceEntry,
    "train": TrainEntry,
    "serve": ServeEntry,
}


def entry_form(value: Mapping[str, Any]) -> str:
    """Return what a workload entry is, by which of `collective`, `pattern`, `memory`, `trace` and `train` it has."""
    has = [key for key in FORMS if key in value]
    if len(has) > 1:
        raise InputError(f"has both a {has[0]} and a {has[1]}", "make two entries of it")
    if not has:
        what = "has neither a collective nor a pattern, and no memory, trace or training step"
        raise InputError(what, "add one, as in collective: all-reduce")
    return has[0]


def entry_class(value: Mapping[str, Any]) -> type[AnyEntry]:
    """Return the class of a workload entry. Raises InputError as `entry_form` does."""
    return BarrierEntry if value.get("collective") == "barrier" else _CLASSES[entry_form(value)]


def _entry(value: object) -> AnyEntry:
    if isinstance(value, AnyEntry):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"{shown(value)} is not a mapping", "write {collective: all-reduce, size: 1 MiB}")
    form, faults = entry_form(value), FaultList()
    with faults.at():
        return validate(entry_class(value), value)
    with faults.at():  # what `check_entries` would say, were it reached
        check_names(form, value.get(form), value.get("algorithm"))
    raise InputError(faults.faults)


def _topology(value: object) -> object:
    if not isinstance(value, str | Mapping) and not (isinstance(value, list | tuple) and value):
        raise InputError(
            f"{shown(value)} is not a topology", "write a name, a file, or {shape: ring, size: 8, …}"
        )
    return value


Entry = Annotated[
    CollectiveEntry | BarrierEntry | PatternEntry | MemoryEntry | TraceEntry | TrainEntry | ServeEntry,
    BeforeValidator(checked(_entry)),
]


class JobPart(PlacePart):
    """jobs: one of several jobs on the machine; ranks in its entries count within its own."""

    workload: Annotated[
        ListOf[Entry], Field(min_length=1, description="what it sends", json_schema_extra={"minItems": 1})
    ]


class ScenarioPart(Part):
    """A whole scenario file."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["workload"]}, {"required": ["jobs"]}]}
    )

    format: Literal["fabricsim/1"] = Field(alias="schema", description=f"schema: {SCHEMA}")
    name: Name | None = None
    description: str = ""
    topology: Annotated[
        Any, BeforeValidator(checked(_topology)), WithJsonSchema({"type": ["string", "object", "array"]})
    ] = Field(
        description="a shipped name, a file, {shape: ring, size: 8, link: {…}}, or a list: one of these, then overlays"
    )
    parts: Name | None = Field(
        None, description="a book of prices and powers, for rules such as topology.cost"
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    engine: Literal["auto", "packet", "flow", "theory"] = "auto"
    kernel: Literal["auto", "simpy", "numpy", "numba"] = "auto"
    flow: FlowPart = FlowPart()
    cross_check: bool = Field(False, description="whether cuts of the scenario are run on both engines")
    routing: RoutingPart = RoutingPart()
    model: ModelPart = ModelPart()
    endpoint: EndpointPart = EndpointPart()
    sender: SenderPart = SenderPart()
    workload: Annotated[
        ListOf[Entry], Field(min_length=1, description="who sends what", json_schema_extra={"minItems": 1})
    ] = ()
    jobs: Annotated[
        ListOf[JobPart],
        Field(
            min_length=1,
            description="several workloads at once, in place of `workload`",
            json_schema_extra={"minItems": 1},
        ),
    ] = ()
    calibrate: dict[str, RowPart] = Field(
        default_factory=dict, description="by operation: one measured row, from which others are predicted"
    )
    failures: ListOf[Breakage] = ()
    recovery: RecoveryPart = RecoveryPart()
    survive: SurvivePart | None = Field(None, description="every part lost, one of each class of equal ones")
    expect: dict[str, Any] = Field(default_factory=dict)
    sweep: Annotated[Space, PlainValidator(checked(parse_space)), WithJsonSchema(JSON_SCHEMA)] = Space()
    search: SearchPart | None = Field(None, description="designs to try, see `fabricsim search`")


def entry_name(value: Mapping[str, Any]) -> str:
    """Return the name of a workload entry as written: its own, or else its collective's or pattern's."""
    kind = next((form for form in ("trace", "train", "serve") if form in value), "")
    return str(
        value.get("name") or value.get("collective") or value.get("pattern") or value.get("memory") or kind
    )
