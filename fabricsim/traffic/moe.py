"""A mixture of experts: each token goes to the experts that it needs, and comes back.

Groups of ranks hold the experts, as many each. In two stages a token first goes to the rank of its own position in
the scale-up domain of the expert, over the scale-out network, and from there over scale-up to the expert's rank
(DeepEP, DeepSeek-AI, 2025: "normal kernels"; DeepSeek-V3, arXiv 2412.19437, section 3.2.2). Where a group lies within
one scale-up domain there is one stage. Combining is the same backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList
from fabricsim.schedule import MANY, IntArray, Lines, Round
from fabricsim.traffic.draw import MAX_MESSAGES, Draw, fault
from fabricsim.units import MAX_AMOUNT

MAX_DRAWS: Final = 2_000_000_000
"""Pairs of a token and an expert that are drawn: some minutes."""

MAX_COUNT: Final = 1_000_000_000
"""Tokens of a rank, or experts of a group, that are believed."""

_AT_ONCE: Final = 4_000_000
"""Such pairs that are drawn together: 100 MB."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Experts:
    """What is known of a mixture of experts: see Choices. domains: scale-up domains in each group."""

    n: int
    tokens: int
    top_k: int
    experts: int
    group: int
    inside: int
    choice: str
    skew: float
    copies: str

    @property
    def domains(self) -> int:
        """How many scale-up domains a group has."""
        return self.group // self.inside

    @property
    def each(self) -> int:
        """How many experts a rank holds."""
        return self.experts // self.group


def dispatch(draw: Draw) -> tuple[Round, ...]:
    """Return the way of all tokens to their experts: over scale-out, then over scale-up; `size` is that of a token."""
    experts = _experts(draw)
    rounds = _expected(draw, experts) if experts.choice == "expected" else _seeded(draw, experts)
    if not rounds:
        raise fault(
            "experts", "every token stays with experts of its own rank", "draw other ones, or more tokens"
        )
    return rounds


def combine(draw: Draw) -> tuple[Round, ...]:
    """Return the way back: what a domain's experts add up to for a token crosses scale-out once."""
    return tuple(_back(r) for r in reversed(dispatch(draw)))


def _back(r: Round) -> Round:
    """Return the messages of a round, each from its receiver to its sender."""
    # on lines everyone has as much for everyone, so there is nothing to turn around
    return r if isinstance(r, Lines) else Round(r.dst, r.src, r.size)


def _experts(draw: Draw) -> Experts:
    """Return the choices with their defaults. Raises InputError with all that does not fit."""
    given, faults = draw.choices, FaultList()
    group = given.get("group") or draw.n
    experts = given.get("experts") or group
    inside = min(given.get("inside") or group, group)
    top_k, tokens = given.get("top_k"), given.get("tokens")
    choice, copies = given.get("choice") or "expected", given.get("copies") or "rank"
    skew = given.get("skew") or 0.0
    for key, value in (("tokens", tokens), ("top_k", top_k)):
        if value is None:
            faults.add(f"a mixture of experts needs {key}", f"add {key}", (key,))
        elif value < 1:
            faults.add(f"{value} is not a number of {key}", "write 1 or more", (key,))
    for key, value in (("tokens", tokens), ("experts", experts)):
        if (value or 0) > MAX_COUNT:
            faults.add(f"{value} {key} are more than there can be", f"write up to {MAX_COUNT}", (key,))
    if draw.n % group or group < 2:
        faults.add(
            f"{draw.n} ranks make no groups of {group}", "write a divisor of the ranks, 2 or more", ("group",)
        )
    elif group % inside:
        what = f"a group of {group} ranks makes no scale-up domains of {inside}"
        faults.add(
            what, "write a multiple or a divisor of that", ("group" if given.get("group") else "inside",)
        )
    if experts % group:
        what = f"{experts} experts cannot be spread evenly over {group} ranks"
        faults.add(what, f"write a multiple of {group}", ("experts",))
    if top_k is not None and top_k > experts:
        faults.add(
            f"a token cannot choose {top_k} of {experts} experts", f"write up to {experts}", ("top_k",)
        )
    faults.faults += _odd_words(choice, copies, skew).faults
    faults.raise_if_any()
    return Experts(draw.n, tokens or 0, top_k or 0, experts, group, inside, choice, skew, copies)


def _odd_words(choice: str, copies: str, skew: float) -> FaultList:
    faults = FaultList()
    if choice not in ("expected", "seeded"):
        faults.add(f"{choice!r} is not a choice of experts", "write expected or seeded", ("choice",))
    if copies not in ("rank", "expert"):
        faults.add(f"{copies!r} does not say what a copy is for", "write rank or expert", ("copies",))
    if skew < 0:
        faults.add(f"a skew of {skew} is below zero", "write 0 or more", ("skew",))
    elif skew and choice == "expected":
        faults.add("an even choice has no skew", "write choice: seeded", ("skew",))
    return faults


# -- expected traffic: the same between all pairs ---------------------------------------------------------------


def _expected(draw: Draw, x: Experts) -> tuple[Round, ...]:
    out = _bytes(draw, x, x.each * x.inside, x.tokens)
    up = _bytes(draw, x, x.each, x.tokens * x.domains)
    rounds = []
    if x.domains > 1:
        rounds.append(_even(x, x.domains, x.inside, out))
    if x.inside > 1:
        rounds.append(_even(x, x.inside, 1, up))
    return tuple(rounds)


def _even(x: Experts, sides: int, stride: int, size: int) -> Round:
    """Return `size` bytes from everyone to everyone along one coordinate of a group."""
    if x.n >= MANY:
        return Lines(np.arange(x.n), size, sides, stride)
    src, dst = _peers(x, sides, stride)
    return Round(src, dst, np.full(len(src), size))


def _bytes(draw: Draw, x: Experts, held: int, tokens: int) -> int:
    """Return the bytes expected to go where `held` of a group's experts are, rounded to whole bytes."""
    each, once = x.top_k * held / x.experts, 1 - _missed(x.experts, held, x.top_k)
    share = each if x.copies == "expert" else once
    size = max(1, round(tokens * share * draw.size))
    if size > MAX_AMOUNT:
        raise fault(
            "tokens", f"{tokens} tokens of {draw.size} B are more than a message can hold", "write fewer"
        )
    return size


def _missed(experts: int, held: int, top_k: int) -> float:
    """Return the probability that none of top_k experts is among `held` of all: C(E − h, k)/C(E, k)."""
    if top_k > experts - held:
        return 0.0
    ways = (lgamma(n + 1) for n in (experts - held, experts - top_k, experts - held - top_k, experts))
    free, rest, both, every = ways
    return exp(free + rest - both - every)


def _peers(x: Experts, sides: int, stride: int) -> tuple[IntArray, IntArray]:
    """Return who talks to whom along one coordinate of a group, all first peers before all second ones."""
    if x.n * (sides - 1) > MAX_MESSAGES:
        what = f"{x.n} ranks with {sides - 1} peers each have too many messages"
        raise fault("group", what, f"up to {MAX_MESSAGES} are planned: make groups smaller")
    position = np.arange(x.n)
    own = position // stride % sides
    step = np.arange(1, sides)[:, None]
    dst = position + ((own + step) % sides - own) * stride
    return np.tile(position, sides - 1), dst.reshape(-1)


# -- drawn traffic ------------------------------------------------------------------------------------------------


def _seeded(draw: Draw, x: Experts) -> tuple[Round, ...]:
    """Return the rounds in which every token has drawn its experts, each group for itself."""
    if x.n * x.tokens * x.experts > MAX_DRAWS:
        what = f"{x.n} ranks × {x.tokens} tokens × {x.experts} experts are too many to draw"
        raise fault("choice", what, "write choice: expected")
    layer = draw.choices.get("layer") or 0
    popular = draw.shared(f"moe/{layer}/experts").random(x.experts)
    weight = -x.skew * np.log1p(np.argsort(np.argsort(popular)))  # logarithms of Zipf's, in the order drawn
    stream = draw.shared(f"moe/{layer}/tokens")
    to_rank = np.zeros((x.n, x.group), np.int64)
    to_domain = np.zeros((x.n, x.domains), np.int64)
    rows = max(1, _AT_ONCE // (x.tokens * x.experts))
    for first in range(0, x.n, rows):
        chosen = _chosen(stream, weight, min(rows, x.n - first), x)
        to_rank[first : first + rows] = _copies(chosen, x.each, x.copies)
        to_domain[first : first + rows] = _copies(chosen, x.each * x.inside, x.copies)
    return _rounds(draw, x, to_rank, to_domain)


def _chosen(stream: np.random.Generator, weight: Floats, rows: int, x: Experts) -> NDArray[np.bool_]:
    """Return (rows, tokens, experts) which experts each token has: top_k drawn one after the other without repeats.

    weight: (experts,) its logarithm. The largest top_k of weight − log(−log u), u uniform, are such a draw
    (Efraimidis and Spirakis, Information Processing Letters 97 (2006)).
    """
    u = stream.random((rows, x.tokens, x.experts))
    key = weight - np.log(-np.log(np.maximum(u, np.finfo(float).tiny)))
    best = np.argpartition(key, x.experts - x.top_k, axis=2)[:, :, x.experts - x.top_k :]
    chosen = np.zeros(key.shape, np.bool_)
    np.put_along_axis(chosen, best, True, axis=2)
    return chosen


def _copies(chosen: NDArray[np.bool_], held: int, copies: str) -> IntArray:
    """Return (rows, places) how many copies go to each place that holds `held` experts in a row."""
    rows, tokens, experts = chosen.shape
    there = chosen.reshape(rows, tokens, experts // held, held)
    counted = there.sum(axis=3) if copies == "expert" else there.any(axis=3)
    copied: IntArray = counted.sum(axis=1, dtype=np.int64)
    return copied


def _rounds(draw: Draw, x: Experts, to_rank: IntArray, to_domain: IntArray) -> tuple[Round, ...]:
    """Return the rounds. to_rank, to_domain: (n, group), (n, domains) copies that each rank sends."""
    rounds = []
    if x.domains > 1:
        src, dst = _peers(x, x.domains, x.inside)
        rounds.append(_sent(src, dst, to_domain[src, dst % x.group // x.inside] * draw.size))
    if x.inside > 1:
        # what arrived at a position of a domain from the same position of all domains goes on together
        shape = (x.n // x.group, x.domains, x.inside, x.domains, x.inside)
        held = to_rank.reshape(shape).sum(axis=1)  # (groups, position, domain of the expert, its position)
        src, dst = _peers(x, x.inside, 1)
        group, domain = src // x.group, src % x.group // x.inside
        rounds.append(_sent(src, dst, held[group, src % x.inside, domain, dst % x.inside] * draw.size))
    return tuple(r for r in rounds if r.messages)


def _sent(src: IntArray, dst: IntArray, size: IntArray) -> Round:
    return Round(src[size > 0], dst[size > 0], size[size > 0])
