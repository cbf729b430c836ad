"""What a step communicates: each distinct exchange once, and how often every layer, pass and stage makes it.

tp: with tokens shared between the ranks of a matrix, each of the two parts of a layer gathers its input and scatters
its sums, on either way (Korthikanti et al., arXiv 2205.05198, section 4.2.2); without, each part adds up once on either
way (Shoeybi et al., arXiv 1909.08053). A layer of routed experts has only the part before them, and one more where it
has shared ones.
cp: keys and values of the whole sequence are gathered, on the way back once more, and their gradients scattered
(Llama 3, arXiv 2407.21783, section 3.3.2).
ep: tokens go to their experts and come back, and so do their gradients.
pp: what a stage hands to the next one, and the gradients the other way.
dp: gradients are added up after the last micro-batch, parameters gathered where the copies share the optimizer; with
parameters shared too, each layer gathers them for each pass and scatters its gradients.
The exchanges of the tables of words, of the loss and of norms are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fabricsim.training.step import Step

Uses = Mapping[str, int]
"""How often each exchange happens, by name."""


@dataclass(frozen=True)
class Demand:
    """One exchange that all groups of a kind make together.

    groups: tp, cp, ep, pp, dp (copies of what is not experts, cp included) or experts (copies of them). kind: the
    collective, dispatch, combine or send. size [B]: as the collective counts it, of one token, or of the message.
    tokens: of each rank, for experts.
    """

    name: str
    dimension: str
    groups: str
    kind: str
    size: int
    tokens: int = 0


def members(step: Step, groups: str) -> int:
    """Return how many ranks a group of each kind has."""
    p = step.parallel
    return {"dp": p.dp * p.cp, "experts": p.stage_ranks // p.ep}.get(groups) or int(getattr(p, groups))


def demands(step: Step) -> tuple[Demand, ...]:
    """Return every distinct exchange of a step, those of groups of one rank left out."""
    return tuple(demand for demand in _all(step) if members(step, demand.groups) > 1)


def _all(step: Step) -> Iterator[Demand]:
    m, p = step.model, step.parallel
    tokens = step.micro_tokens // p.cp
    hidden = tokens * m.hidden * step.activation
    if step.sequence_parallel:
        yield Demand("tp-gather", "tp", "tp", "all-gather", hidden)
        yield Demand("tp-scatter", "tp", "tp", "reduce-scatter", hidden)
    else:
        yield Demand("tp-reduce", "tp", "tp", "all-reduce", hidden)
    kept = step.micro_tokens * max(1, m.cached // (p.tp if m.latent is None else 1)) * step.activation
    yield Demand("cp-gather", "cp", "cp", "all-gather", kept)
    yield Demand("cp-scatter", "cp", "cp", "reduce-scatter", kept)
    if m.experts:
        own = tokens // (p.tp if step.sequence_parallel else 1)
        yield Demand("ep-dispatch", "ep", "ep", "dispatch", m.hidden * step.dispatch, own)
        yield Demand("ep-combine", "ep", "ep", "combine", m.hidden * step.activation, own)
    sent = hidden // p.tp if step.sequence_parallel else hidden
    yield Demand("pp-send", "pp", "pp", "send", sent)
    yield from _by_layer(step) if p.zero == 3 else _by_stage(step)


def _by_layer(step: Step) -> Iterator[Demand]:
    """Yield what copies exchange for each layer, where they share its parameters."""
    for routed in (False, True):
        for groups, numbers in layer_numbers(step, routed).items():
            place = f"{groups}-{'routed' if routed else 'plain'}"
            if numbers:
                yield Demand(f"{place}-gather", "dp", groups, "all-gather", numbers * step.parameter)
                yield Demand(f"{place}-scatter", "dp", groups, "reduce-scatter", numbers * step.gradient)


def layer_numbers(step: Step, routed: bool) -> dict[str, int]:
    """Return the parameters of one layer that a rank uses, by the copies that hold the same; 0 if there is none."""
    m, p = step.model, step.parallel
    if (routed and not m.experts) or (not routed and not m.plain_layers):
        return {"dp": 0, "experts": 0}
    inner = m.shared_parameters if routed else m.dense_parameters
    shared = -(-(m.attention_parameters + inner) // p.tp)
    return {"dp": shared, "experts": m.experts * m.expert_parameters // p.ep if routed else 0}


def _by_stage(step: Step) -> Iterator[Demand]:
    """Yield what copies exchange at the end of a step, once for each different size of a stage."""
    seen = set()
    for stage in range(step.parallel.pp):
        for groups, numbers in stage_numbers(step, stage).items():
            if not numbers or (groups, numbers) in seen:
                continue
            seen.add((groups, numbers))
            if step.parallel.zero == 0:
                yield Demand(
                    f"{groups}-reduce-{numbers}", "dp", groups, "all-reduce", numbers * step.gradient
                )
            else:
                size = numbers * step.gradient
                yield Demand(f"{groups}-scatter-{numbers}", "dp", groups, "reduce-scatter", size)
                size = numbers * step.parameter
                yield Demand(f"{groups}-gather-{numbers}", "dp", groups, "all-gather", size)


def stage_numbers(step: Step, stage: int) -> dict[str, int]:
    """Return the parameters of a stage that a rank holds, by the copies that hold the same."""
    return {"dp": step.shared_numbers(stage), "experts": step.expert_numbers(stage)}


# -- how often ----------------------------------------------------------------------------------------------


def layer_uses(step: Step, routed: bool) -> tuple[dict[str, int], dict[str, int]]:
    """Return how often one layer makes each exchange for a micro-batch, forward and backward."""
    parts = 1 + (not routed or step.model.shared > 0)
    ways = ("tp-gather", "tp-scatter") if step.sequence_parallel else ("tp-reduce",)
    forward = dict.fromkeys(ways, parts) | {"cp-gather": 1}
    backward = dict.fromkeys(ways, parts) | {"cp-gather": 1, "cp-scatter": 1}
    if routed:
        forward |= {"ep-dispatch": 1, "ep-combine": 1}
        backward |= {"ep-dispatch": 1, "ep-combine": 1}
    if step.recompute:
        backward = {name: backward.get(name, 0) + forward.get(name, 0) for name in backward}
    if step.parallel.zero == 3:
        kind = "routed" if routed else "plain"
        for groups in ("dp", "experts"):
            forward[f"{groups}-{kind}-gather"] = 1
            backward |= {f"{groups}-{kind}-gather": 1, f"{groups}-{kind}-scatter": 1}
    return forward, backward


def stage_uses(step: Step, stage: int) -> dict[str, int]:
    """Return how often a stage makes each exchange at the end of a step."""
    if step.parallel.zero == 3:
        return {}
    ways = ("reduce",) if step.parallel.zero == 0 else ("scatter", "gather")
    return {
        f"{groups}-{way}-{numbers}": 1
        for groups, numbers in stage_numbers(step, stage).items()
        if numbers
        for way in ways
    }
