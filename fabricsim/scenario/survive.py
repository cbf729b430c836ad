"""What `survive:` states: which parts a machine loses, and how much must be left."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fabricsim.validation import ListOf, Part, Share

Name = Annotated[str, Field(min_length=1)]


class SurvivePart(Part):
    """survive: every part of some kinds is lost, one of each class of equal ones; several at once, drawn."""

    parts: Annotated[ListOf[Name], Field(min_length=1)] = Field(
        ("link", "switch"),
        description="of link, module, switch, npu, plane, group, and levels, each copy of them",
    )
    metric: Name = Field(
        "completion_time", description="what is compared, such as ar.busbw: a time or a rate"
    )
    keep: Share = Field(0.9, description="share of its healthy value that is to be left")
    members: Annotated[int, Field(ge=2, le=10_000)] = Field(
        16, description="how many are run of parts that look alike, and are not"
    )
    faults: ListOf[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        (), description="numbers of parts that are lost at once, as in [2, 4, 8]"
    )
    samples: Annotated[int, Field(ge=1, le=10_000)] = Field(10, description="draws of each number of faults")
