"""What may stand under `failures:` in a scenario: one mapping a fault, naming the part that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from fabricsim.errors import FaultList, InputError
from fabricsim.failures import Failure, Flap, GroupDown, LaneDown, LinkDegraded, LinkEnds, NodeDown, PlaneDown
from fabricsim.validation import Part, Time, checked, shown, validate

_LINK_RIGHT: Final = (
    "write two adjacent nodes, as in [npu0, npu1], and a number for one of several links, or a selector such as "
    "'any cabinet3 to pod plane 2'"
)
_LANE_RIGHT: Final = "write two adjacent nodes and how many lanes fail, as in [npu0, npu1, 1]"


def _link(value: object) -> LinkEnds | str:
    if isinstance(value, str):
        return value
    ends: LinkEnds = _ends(value, (2, 3), _LINK_RIGHT, "does not name a link")
    return ends


def _lane(value: object) -> tuple[str, str, int]:
    lanes: tuple[str, str, int] = _ends(value, (3,), _LANE_RIGHT, "does not name lanes")
    return lanes


def _ends(value: object, lengths: tuple[int, ...], right: str, what: str) -> Any:
    if not isinstance(value, list | tuple) or len(value) not in lengths:
        raise InputError(f"{shown(value)} {what}", right)
    faults = FaultList()
    for index, name in enumerate(value[:2]):
        if not isinstance(name, str):
            faults.add(f"{shown(name)} is not the name of a node", right, (index,))
    if len(value) == 3 and (isinstance(value[2], bool) or not isinstance(value[2], int)):
        faults.add(f"{shown(value[2])} is not a whole number", right, (2,))
    faults.raise_if_any()
    return tuple(value)


class FlapPart(Part):
    """failures, flap: a part that fails again and again."""

    period: Time = Field(description="from one failure to the next, such as '1 ms'")
    down: Time = Field(description="how long it is down each time, such as '100 us'")
    times: Annotated[int, Field(ge=1)] = Field(description="how often it fails")


class FailureEntry(Part):
    """failures: one part that breaks, named by one of link, lane, node, plane and group."""

    at: Time = Field(description="a time such as '100 us'")
    link: (
        Annotated[
            Any,
            BeforeValidator(checked(_link)),
            WithJsonSchema({"type": ["array", "string"], "minItems": 2, "maxItems": 3}),
        ]
        | None
    ) = Field(None, description="two adjacent nodes, as in [npu0, npu1], or a selector")
    lane: (
        Annotated[
            Any,
            BeforeValidator(checked(_lane)),
            WithJsonSchema({"type": "array", "minItems": 3, "maxItems": 3}),
        ]
        | None
    ) = Field(None, description="two adjacent nodes and how many lanes fail")
    node: str | None = Field(None, description="a node, or a path whose nodes all fail, such as pod/cabinet3")
    plane: Annotated[int, Field(ge=0)] | None = Field(None, description="a plane or rail by number")
    group: str | None = Field(
        None, description="a bundle of cables between two racks of the layout, such as 'cabinet0 - pod-rack3'"
    )
    level: str | None = Field(None, description="plane: only the links of this level")
    factor: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="0, the default, is down, 1 healthy"
    )
    repair_after: Time | None = None
    flap: FlapPart | None = Field(None, description="in place of repair_after: fails again and again")

    def failure(self) -> Failure:
        """Return what this entry states, before it is known of which machine."""
        name = next(name for name in FORMS if getattr(self, name) is not None)
        return FORMS[name](self, _when(self))


def _when(entry: FailureEntry) -> dict[str, Any]:
    flap = entry.flap
    return {
        "at": entry.at,
        "repair_after": entry.repair_after,
        "flap": flap and Flap(flap.period, flap.down, flap.times),
    }


FORMS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], Failure]]] = {
    "link": lambda entry, when: LinkDegraded(link=entry.link, factor=entry.factor or 0.0, **when),
    "lane": lambda entry, when: LaneDown(lane=entry.lane, **when),
    "node": lambda entry, when: NodeDown(node=entry.node, factor=entry.factor or 0.0, **when),
    "plane": lambda entry, when: PlaneDown(
        plane=entry.plane, level=entry.level, factor=entry.factor or 0.0, **when
    ),
    "group": lambda entry, when: GroupDown(group=entry.group, factor=entry.factor or 0.0, **when),
}
"""How an entry names its part, by the key that does."""


def _failure(value: object) -> FailureEntry:
    if isinstance(value, FailureEntry):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"{shown(value)} is not a mapping", "write {at: 100 us, link: [npu0, npu1]}")
    has = [name for name in FORMS if name in value]
    if len(has) != 1:
        said = f"names {' and '.join(has)} at once" if has else "does not name what fails"
        raise InputError(said, "write one of link, lane, node, plane, group")
    faults = FaultList()
    with faults.at():
        entry = validate(FailureEntry, value)
    if "level" in value and has != ["plane"]:
        faults.add("belongs to a plane", "leave it out", ("level",))
    if "factor" in value and has == ["lane"]:
        faults.add("follows from the lanes that fail", "leave it out", ("factor",))
    faults.raise_if_any()
    return entry


Breakage = Annotated[FailureEntry, BeforeValidator(checked(_failure))]
"""An entry of `failures:`, told apart by the key that names the part."""
