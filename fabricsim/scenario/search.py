"""What `search:` states: a space of designs, and what the best of them has least of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fabricsim.scenario.space import MAX_POINTS
from fabricsim.validation import Part


class SearchPart(Part):
    """search: the designs that `fabricsim search` tries."""

    over: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="keys with a list of values, a range 'A .. B', or {from, to, scale}"
    )
    minimise: Annotated[str, Field(min_length=1)] = Field(
        "topology.cost", description="a metric or a figure of the design"
    )
    against: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="a second one, for the front of designs that no other beats in both"
    )
    trials: Annotated[int, Field(ge=1, le=MAX_POINTS)] = Field(100, description="how many designs at most")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0

    def values(self) -> dict[str, Any]:
        """Return what is stated, by key."""
        return {key: getattr(self, key) for key in self.model_fields_set}
