"""What may stand in a topology file: one class per mapping, one field per key.

A key that is not here is an error. Where a number depends on parameters it arrives as an Expression; a
quantity arrives in SI, or as the name of the parameter that states it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from fabricsim.errors import InputError
from fabricsim.model.grammar import EndpointPart, ModelPart
from fabricsim.topology.expressions import Expression, parse_expression
from fabricsim.units import EXAMPLES, parse_bandwidth, parse_flops, parse_length, parse_size, parse_time
from fabricsim.validation import ListOf, Part, checked, shown

SCHEMA: Final = "fabricsim.topology/1"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Number = Annotated[
    Expression,
    PlainValidator(checked(parse_expression)),
    WithJsonSchema({"type": ["number", "string"], "description": "a number, or an arithmetic of parameters"}),
]
"""A number, or an arithmetic of parameters such as `hosts // 2`."""


def _quantity(parse: Callable[[object], Any], kind: str, least: int) -> PlainValidator:
    """Return a validator that reads a quantity now, and leaves the name of a parameter for later."""

    def read(value: object) -> Any:
        if isinstance(value, str) and _NAME.fullmatch(value):
            return value
        quantity = parse(value)
        if quantity < least:
            raise InputError(f"{value!r} is {'negative' if quantity < 0 else 'zero'}", EXAMPLES[kind])
        return quantity

    return PlainValidator(checked(read))


Rate = Annotated[
    int | str,
    _quantity(parse_bandwidth, "bandwidth", 1),
    WithJsonSchema({"type": "string", "description": EXAMPLES["bandwidth"]}),
]
"""Bytes per second from text such as `400 Gbit/s`, or the name of a text parameter."""

Duration = Annotated[
    float | str,
    _quantity(parse_time, "time", 0),
    WithJsonSchema({"type": "string", "description": EXAMPLES["time"]}),
]
"""Seconds from text such as `350 ns`, or the name of a text parameter."""

Bytes = Annotated[
    int | str,
    _quantity(parse_size, "size", 0),
    WithJsonSchema({"type": "string", "description": EXAMPLES["size"]}),
]
"""Bytes from text such as `144 GB`, or the name of a text parameter."""

Flops = Annotated[
    int | str,
    _quantity(parse_flops, "flops", 1),
    WithJsonSchema({"type": "string", "description": EXAMPLES["flops"]}),
]
"""Operations per second from text such as `989 TFLOP/s`, or the name of a text parameter."""

Length = Annotated[
    float | str,
    _quantity(parse_length, "length", 0),
    WithJsonSchema({"type": "string", "description": EXAMPLES["length"]}),
]
"""Metres from text such as `60 cm`, or the name of a text parameter."""

Medium = Literal["pcb", "copper", "active-copper", "optical"]
Word = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class EvidencePart(Part):
    """evidence, one entry: where the numbers below its key come from."""

    confidence: Literal["published", "reported", "inferred", "assumed"] = Field(
        description="how sure we are: published, reported, inferred or assumed"
    )
    source: Word = Field(description="where the numbers come from")
    note: str = ""


EvidenceParts = dict[str, EvidencePart]


class LinkPart(Part):
    """A class of links: a record by `use` with changes, or bandwidth and latency of its own."""

    use: Word | None = Field(None, description="the record that gives what is not stated here")
    bandwidth: Rate | None = Field(None, description="data rate, one direction, such as '50 GB/s'")
    raw: Rate | None = Field(None, description="signalling rate, one direction: lanes × lane rate")
    coding: Number | None = Field(None, description="share of raw that is left after FEC and alignment")
    latency: Duration | None = Field(None, description="from a bit's departure to its arrival; 0 s if absent")
    medium: Medium | None = Field(
        None, description="pcb, copper (passive cable), active-copper (cable with retimers) or optical"
    )
    lanes: Count | None = None
    latency_per_metre: Duration | None = Field(
        None, description="added for each metre that the file's layout makes the link long, such as '5 ns'"
    )
    reach: Length | None = Field(
        None, description="how long it may be; that of its medium and rate if absent"
    )
    flit: Bytes | None = Field(None, description="a packet on the wire is a multiple of this")
    header: Bytes | None = Field(None, description="bytes each packet has beside its payload")
    cell: Bytes | None = Field(None, description="what credits count: a packet takes whole cells")
    retry: Duration | None = Field(None, description="how long a sender waits for a link-level answer")
    cables: dict[Medium, Number] = Field(
        default_factory=dict,
        description="cables of each medium that a link is made of; one of its medium, none on a board, if absent",
    )
    scale: Number | None = Field(None, description="factor on the rates, such as 'hosts / (spines * taper)'")
    evidence: EvidenceParts = Field(default_factory=dict)


class SwitchPart(Part):
    """A kind of switch."""

    use: Word | None = Field(None, description="the record that gives what is not stated here")
    ports: Number | None = Field(None, description="how many ports it has, of the width of its links")
    delay: Duration | None = Field(
        None, description="what it adds to a packet passing through; 0 s if absent"
    )
    kind: Literal["switch", "ocs"] | None = Field(None, description="switch if absent; ocs switches circuits")
    reconfiguration: Duration | None = Field(
        None, description="ocs: how long a circuit is dark while it is made"
    )
    evidence: EvidenceParts = Field(default_factory=dict)


class DevicePart(Part):
    """What each NPU is."""

    use: Word | None = Field(None, description="the record that gives what is not stated here")
    unit: Word | None = Field(None, description="what it is called in node names; npu if absent")
    kind: Literal["npu", "cpu", "nic", "spare"] | None = Field(
        None, description="npu if absent; the others have no rank and are attached to a level"
    )
    ports: Number | None = Field(None, description="how many ports it has")
    forwards: bool | None = Field(None, description="whether packets may pass through; no if absent")
    delay: Duration | None = Field(
        None, description="what it adds to a packet passing through; 0 s if absent"
    )
    per_package: Count | None = Field(None, description="how many share one package; 1 if absent")
    dual_use: Number | None = Field(
        None, description="how many of its ports may serve another network in place of scale-up"
    )
    flops: dict[Word, Flops] = Field(
        default_factory=dict, description="dense peak by type of number: {bf16: 989 TFLOP/s, fp8: …}"
    )
    memory: Bytes | None = Field(None, description="its own memory, such as 144 GB")
    memory_bandwidth: Rate | None = Field(None, description="rate of that memory, such as 4 TB/s")
    port_sum: Rate | None = Field(
        None, description="what its vendor says all its ports carry in one direction, half of a sum of both"
    )
    evidence: EvidenceParts = Field(default_factory=dict)


class GraphPart(Part):
    """graph: the small graph of rule `graph`, by its edges, by a generator, or as a textbook shape has it."""

    edges: Annotated[ListOf[ListOf[Whole]], Field(min_length=1)] | None = Field(
        None, description="[a, b] or [a, b, links] between members 0, 1, …"
    )
    shape: dict[str, Any] | None = Field(
        None,
        description="a shape without its link; its switches are the members where it has some, else its NPUs",
    )
    generator: Literal["circulant", "random-regular"] | None = None
    offsets: Annotated[ListOf[Number], Field(min_length=1)] | None = Field(
        None, description="circulant: how far the neighbours are, such as [1, 3]"
    )
    degree: Count | None = Field(None, description="random-regular: neighbours of each member")
    seed: Whole | None = Field(None, description="random-regular: which random graph")


def spelt_out(value: object) -> object:
    """Return the mapping `{use: name}` for a record's name, and a mapping as it is."""
    if not isinstance(value, str | Mapping | Part):
        raise InputError(
            f"{shown(value)} is neither a name nor a mapping", "name a record, or write its keys"
        )
    return {"use": value} if isinstance(value, str) else value


class _OrName:
    """Lets a record's name stand for the mapping `{use: name}`, in values and in the JSON Schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(checked(spelt_out), handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "description": "the name of a record"}, handler(schema)]}


LinkRef = Annotated[LinkPart, _OrName()]
SwitchRef = Annotated[SwitchPart, _OrName()]
DeviceRef = Annotated[DevicePart, _OrName()]


def _one_or_more(value: object) -> tuple[Expression, ...]:
    if isinstance(value, list | tuple):
        if not value:
            raise InputError("has 0 entries", "write one number, or one a plane")
        return tuple(parse_expression(item) for item in value)
    return (parse_expression(value),)


def _members(value: object) -> tuple[Expression, ...]:
    if isinstance(value, list | tuple) and len(value) < 2:
        raise InputError(
            f"has {len(value)} entries", "write one number, or one for each copy in the level above"
        )
    return _one_or_more(value)


class AttachPart(Part):
    """attach, one entry: nodes that hang on the switches of every copy of a level, and have no rank."""

    name: Word = Field(description="what they are called in node names, such as cpu")
    device: DeviceRef = Field(description="what they are, with kind: cpu, nic or spare")
    count: Number | None = Field(None, description="how many in each copy; 1 if absent, 0 for none")
    link: LinkRef = Field(description="the links to each of the copy's switches")
    links: Number | None = Field(None, description="parallel links to each of them; 1 if absent")


class LevelPart(Part):
    """levels, one entry: copies of the level below (of NPUs, for the first), and which of them meet."""

    name: Word = Field(description="what one copy of this level is called, such as board")
    when: Number | None = Field(
        None, description="what must hold for the level to exist, such as 'tiers > 2'"
    )
    members: (
        Annotated[
            tuple[Expression, ...],
            PlainValidator(checked(_members)),
            WithJsonSchema({"type": ["number", "string", "array"]}),
        ]
        | None
    ) = Field(
        None,
        description="how many copies of the level below it holds; a list gives one number for each copy in the level "
        "above",
    )
    beside: Word | None = Field(
        None, description="in place of members: the inner level whose members a second network joins here"
    )
    rule: Literal["none", "line", "ring", "full-mesh", "graph", "switched", "rails"] = Field(
        description="which members meet"
    )
    link: LinkRef | None = Field(None, description="the links: a record by name, or its keys")
    ports: (
        Annotated[
            tuple[Expression, ...],
            PlainValidator(checked(_one_or_more)),
            WithJsonSchema({"type": ["number", "string", "array"]}),
        ]
        | None
    ) = Field(None, description="links of each NPU in this level; a list gives one number a plane")
    planes: Number | None = Field(
        None, description="switched: how many planes every NPU reaches; 1 if absent"
    )
    switch: SwitchRef | None = Field(
        None, description="switched, rails: the switch, a record by name or its keys"
    )
    switches: Number | None = Field(
        None, description="switches in each plane or column; if absent 1, or as the switch's ports require"
    )
    uplinks_of: Word | None = Field(
        None, description="the inner level whose switches meet here, in place of NPUs"
    )
    uplinks: Number | None = Field(
        None, description="links up from each of those switches; if absent, what their taper leaves"
    )
    taper: Number | None = Field(
        None, description="down : up bandwidth of this level's switches; 1 if absent"
    )
    join: bool = Field(False, description="uplinks_of: all planes and rails meet in the same switches")
    tag: Word = Field("sw", description="what its switches are called in node names")
    network: Literal["package", "scale-up", "scale-out"] = Field(
        "scale-up", description="what its links count as: inside a package, scale-up or scale-out"
    )
    graph: GraphPart | None = Field(None, description="rule graph: which members meet")
    rails_of: Word | None = Field(
        None,
        description="rails: the inner level within which equal positions share a rail; a member if absent",
    )
    through: SwitchRef | None = Field(
        None, description="the circuit switch that every link runs through, a record by name or its keys"
    )
    twist: dict[Word, Number] = Field(
        default_factory=dict, description="ring: by how many members its wrap also advances an inner level"
    )
    attach: ListOf[AttachPart] = Field((), description="nodes without a rank on every switch of a copy")


class StandPart(Part):
    """layout.switches, one entry: where the switches of a level stand that are in no tray."""

    per_tray: Number | None = Field(None, description="how many share a tray; 1 if absent")
    per_rack: Number | None = Field(None, description="how many share a rack of their own")
    place: Literal["end", "middle", "spread"] = Field(
        "end",
        description="where their racks stand among the others: at the end, in the middle, or spread evenly",
    )


class LayoutPart(Part):
    """layout: where the machine stands; it gives cables their lengths and bundles."""

    rack: Word = Field(description="the level whose copies fill racks, such as cabinet")
    tray: Word | None = Field(None, description="the level whose copies are trays; the rack's if absent")
    per_rack: Number | None = Field(None, description="copies of that level in each rack; 1 if absent")
    tray_height: Length = Field(description="from one tray to the next, such as '10 cm'")
    height: Length = Field(description="of the way above the racks that cables take, such as '2.4 m'")
    pitch: Length = Field(description="from one rack to the next in a row, such as '60 cm'")
    row_pitch: Length = Field(description="from one row to the next, such as '2.4 m'")
    rows: Number = Field(description="rows that the racks stand in")
    inside_tray: Length = Field(description="length of a link that stays in a tray, such as '30 cm'")
    slack: Length = Field(description="added to every cable, such as '50 cm'")
    step: Length | None = Field(
        None, description="cable lengths are multiples of this; cut to measure if absent"
    )
    switches: dict[str, StandPart] = Field(
        default_factory=dict, description="by level: where switches stand that are in no tray"
    )


Policy = Literal["minimal", "ecmp", "spray", "dimension-order", "all-path", "valiant", "adaptive"]
LANE_RULES: Final = ("single", "dateline", "up-down", "tfc", "escape")


def _lanes(value: object) -> str | tuple[int, ...]:
    right = f"write {', '.join(LANE_RULES)}, or a list with the lane of each hop, such as [0, 1]"
    if isinstance(value, str) and value in LANE_RULES:
        return value
    whole = isinstance(value, list | tuple) and all(type(lane) is int and lane >= 0 for lane in value)
    if not whole or not value:
        raise InputError(f"{shown(value)} is not a rule for lanes", right)
    return tuple(value)  # type: ignore[arg-type]


class RoutingOptions(Part):
    """What routing may state beside its policy."""

    hash: Literal["message", "pair"] | None = Field(None, description="what a hashed choice depends on")
    max_detour: Whole | None = Field(None, description="all-path: hops beyond the shortest path; 1 if absent")
    split: Literal["optimal", "capacity", "equal"] | None = Field(
        None, description="all-path: how messages are divided over their paths; optimal if absent"
    )
    per: Literal["message", "packet"] | None = Field(
        None, description="valiant: what a way round is drawn for; each message if absent"
    )
    lanes: (
        Annotated[
            str | tuple[int, ...],
            PlainValidator(checked(_lanes)),
            WithJsonSchema(
                {
                    "anyOf": [
                        {"enum": list(LANE_RULES)},
                        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
                    ]
                }
            ),
        ]
        | None
    ) = Field(None, description="the virtual lane of each hop: a rule, or a list by hop; single if absent")


class RoutingPart(RoutingOptions):
    """routing: how paths are chosen where a scenario says nothing."""

    policy: Policy = Field(description="how a path is chosen")


def _parameter(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{shown(value)} is neither a number nor text", "write a number, or a quantity")
    return value


def _end(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(
            f"{shown(value)} is neither a node nor a number", "write [a, b], or [a, b, how many]"
        )
    return str(value)


End = Annotated[str, PlainValidator(checked(_end)), WithJsonSchema({"type": ["string", "integer"]})]


def _keys_as_text(value: object) -> object:
    """Return a mapping with numbers as keys, as other YAML readers give them, with their text."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else value


class WithoutPart(Part):
    """without: what the machine lacks of what its levels make."""

    nodes: ListOf[Word] = Field((), description="paths: what is at or below them is left out")
    links: ListOf[ListOf[End]] = Field(
        (), description="dead ports: [a, b] for all links of two nodes, [a, b, n] for n of them"
    )


class TopologyPart(Part):
    """A topology file."""

    format: Literal["fabricsim.topology/1"] | None = Field(
        None, alias="schema", description=f"schema: {SCHEMA}"
    )
    name: Word | None = Field(None, description="lower case with hyphens; the file's name")
    title: str = ""
    aliases: ListOf[Word] = ()
    parameters: dict[
        str,
        Annotated[Any, BeforeValidator(checked(_parameter)), WithJsonSchema({"type": ["number", "string"]})],
    ] = Field(default_factory=dict, description="all that `set:` and `sweep:` may touch, with defaults")
    device: DeviceRef = Field(
        default_factory=lambda: DevicePart.model_validate({}), description="what each NPU is"
    )
    auto: dict[str, Annotated[dict[str, Number], BeforeValidator(_keys_as_text)]] = Field(
        default_factory=dict,
        description="what a parameter that is `auto` becomes: the first number whose condition holds",
    )
    budget: dict[str, Number] = Field(default_factory=dict, description="what must hold for every setting")
    levels: Annotated[ListOf[LevelPart], Field(min_length=1)] = Field(
        (), description="the levels, innermost first"
    )
    unavailable: str = Field(
        "", description="in place of levels: why a machine that is listed cannot be loaded"
    )
    without: WithoutPart | None = Field(None, description="nodes and links that are left out")
    links: dict[str, LinkPart] = Field(default_factory=dict)
    switches: dict[str, SwitchPart] = Field(default_factory=dict)
    devices: dict[str, DevicePart] = Field(default_factory=dict)
    layout: LayoutPart | None = Field(None, description="where the machine stands: racks, trays, rows")
    routing: RoutingPart | None = None
    model: ModelPart | None = None
    endpoint: EndpointPart | None = Field(None, description="what each rank adds to a message")
    max_job: Count | None = Field(
        None, description="the most NPUs that one job may have, where that is fewer"
    )
    vendor_sum: str = Field("", description="the vendor's own number, in the vendor's own words")
    counts: dict[str, Whole] = Field(
        default_factory=dict, description="published counts that the machine as shipped must have"
    )
    evidence: EvidenceParts = Field(default_factory=dict, description="by key: confidence, source, note")


class RecordsPart(Part):
    """A file of records that topologies share."""

    format: Literal["fabricsim.records/1"] = Field(alias="schema", description="schema: fabricsim.records/1")
    links: dict[str, LinkPart] = Field(default_factory=dict)
    switches: dict[str, SwitchPart] = Field(default_factory=dict)
    devices: dict[str, DevicePart] = Field(default_factory=dict)
