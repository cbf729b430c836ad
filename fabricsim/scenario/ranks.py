"""Ranks as people write them: `all`, `0-63`, `0-3,8,10-11`, `0-62:2`, or a list of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.validation import shown

MAX_RANKS: Final = 2**24
"""Ranks one entry may name, sixteen times the largest machine announced; beyond it a number is a slip."""

RIGHT: Final = "write all, a range such as '0-63', '0-62:2' or '0-3,8', or a list of ranks"

_SPAN = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*(?::\s*(\d{1,9})\s*)?)?")


@dataclass(frozen=True)
class Ranks:
    """The ranks an entry names, in order; `spans` is None for all of them."""

    spans: tuple[range, ...] | None = None

    def on(self, count: int) -> NDArray[np.int64]:
        """Return the ranks on a fabric that has `count` of them; raises InputError if it lacks one."""
        if self.spans is None:
            return np.arange(count)
        ranks = _expanded(self.spans)
        if ranks.max() >= count:
            raise InputError(f"there is no rank {ranks.max()}", f"ranks run from 0 to {count - 1}")
        return ranks


def parse_ranks(value: object) -> Ranks:
    """Return the ranks that a scenario names. Raises InputError for text or numbers that are not ranks."""
    if value == "all":
        return Ranks()
    if isinstance(value, str):
        spans = tuple(_span(part) for part in value.split(","))
    elif isinstance(value, list | tuple):
        spans = tuple(range(rank, rank + 1) for rank in map(_rank, value))
    else:
        raise InputError(f"{shown(value)} is not a set of ranks", RIGHT)
    if sum(len(span) for span in spans) > MAX_RANKS:
        raise InputError(f"{shown(value)} names more than {MAX_RANKS} ranks", RIGHT)
    if not spans:
        raise InputError("the list is empty", RIGHT)
    _refuse_repeats(_expanded(spans))
    return Ranks(spans)


def _expanded(spans: tuple[range, ...]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(span.start, span.stop, span.step) for span in spans])


def _rank(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise InputError(f"{shown(value)} is not a rank", "ranks are whole numbers from 0")
    return value


def _span(text: str) -> range:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InputError(f"{shown(text.strip())} is not a rank or a range of ranks", RIGHT)
    first, last, step = (None if number is None else int(number) for number in match.groups())
    assert first is not None  # the pattern has no match without it
    if last is None:
        return range(first, first + 1)
    if last < first:
        raise InputError(f"{shown(text.strip())} runs backwards", f"write '{last}-{first}'")
    if step == 0:
        raise InputError(f"{shown(text.strip())} has the stride 0", "a stride is 1 or more")
    return range(first, last + 1, step or 1)


def _refuse_repeats(ranks: NDArray[np.int64]) -> None:
    named, times = np.unique(ranks, return_counts=True)
    if times.max() > 1:
        raise InputError(f"rank {named[times.argmax()]} is named {times.max()} times", "name each rank once")
