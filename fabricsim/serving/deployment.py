"""A model served by two pools: one reads prompts (prefill), one writes a token for each sequence at a time (decode).

Attention is data parallel, each rank has sequences of its own, and the experts of a layer are spread over all ranks of
a pool (DeepSeek-V3, arXiv 2412.19437, section 3.4; CloudMatrix384, arXiv 2506.12708, section 4). What a prompt leaves
in the cache goes from the rank that read it to one that writes its answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.models import ModelShape
from fabricsim.schedule import IntArray
from fabricsim.units import format_size


@dataclass(frozen=True)
class Kernel:
    """What an exchange takes beside and of the wire: a fixed cost [s] each time, and the share of its rate reached."""

    fixed: float = 0.0
    efficiency: float = 1.0

    def time(self, wire: float) -> float:
        """Return how long an exchange takes [s] that takes `wire` [s] on an ideal endpoint."""
        return self.fixed + wire / self.efficiency


@dataclass(frozen=True, eq=False)
class Pool:
    """Ranks that do one phase. sequences: that each has at once. direct: tokens go to their experts in one stage."""

    phase: str
    ranks: IntArray
    sequences: int
    direct: bool = False


@dataclass(frozen=True, eq=False)
class Deployment:
    """A model, its pools, and what is known of the ranks.

    prompt: tokens of a prompt; context: tokens that a sequence has behind it when it writes one. peak [1/s],
    memory_rate [B/s], memory [B]: of a rank, the last None where unknown; efficiency, memory_efficiency: shares that
    kernels reach of the first two. weight, cache: bytes of a number as it is kept; dispatch, combine: as it is sent.
    scales: bytes sent beside each token on its way to experts. overlap: share of an exchange that may run beside
    computation. layers: how many layers are simulated, each with choices of its own; choice, skew: see ExpertChoices.
    """

    model: ModelShape
    pools: tuple[Pool, ...]
    prompt: int
    context: int
    peak: float
    memory_rate: float
    memory: int | None
    efficiency: float
    memory_efficiency: float = 1.0
    weight: int = 1
    cache: int = 2
    dispatch: int = 1
    combine: int = 2
    scales: int = 0
    overlap: float = 0.0
    layers: int = 1
    choice: str = "seeded"
    skew: float = 0.0
    dispatch_kernel: Kernel = field(default_factory=Kernel)
    combine_kernel: Kernel = field(default_factory=Kernel)

    def __post_init__(self) -> None:
        faults = FaultList()
        self._check_model(faults)
        self._check_pools(faults)
        faults.raise_if_any()
        for pool in self.pools:
            with faults.at(pool.phase):
                self._check_memory(pool)
        faults.raise_if_any()

    def _check_model(self, faults: FaultList) -> None:
        m = self.model
        if not m.experts:
            what = f"{m.name} has no experts, so that its ranks would exchange nothing"
            faults.add(what, "name a model with experts", ("serve",))
        elif self.layers > m.expert_layers:
            what = f"{m.name} has {m.expert_layers} layers with experts, fewer than {self.layers}"
            faults.add(what, f"write up to {m.expert_layers}", ("layers",))
        if self.choice == "expected" and self.skew:
            faults.add("an even choice has no skew", "write choice: seeded", ("skew",))

    def _check_pools(self, faults: FaultList) -> None:
        seen: set[int] = set()
        for pool in self.pools:
            n = len(pool.ranks)
            if n < 2:
                faults.add(
                    "one rank has nobody to share experts with", "name 2 or more", (pool.phase, "ranks")
                )
            elif self.model.experts and self.model.experts % n:
                what = f"the {self.model.experts} experts of {self.model.name} cannot be spread evenly over {n} ranks"
                faults.add(what, f"write a divisor of {self.model.experts}", (pool.phase, "ranks"))
            both = seen & set(pool.ranks.tolist())
            if both:
                what = f"rank {min(both)} is in the other pool too"
                faults.add(what, "give each pool ranks of its own", (pool.phase, "ranks"))
            seen |= set(pool.ranks.tolist())

    def _check_memory(self, pool: Pool) -> None:
        used = self.memory_used(pool)
        if self.memory is not None and used > self.memory:
            what = (
                f"each rank needs {format_size(used)} for weights and cache, and has {format_size(self.memory)}: "
                f"{format_size(self.weights(pool))} of weights, {pool.sequences} sequences of "
                f"{format_size(self.kept)}"
            )
            raise InputError([Fault(what, "write fewer sequences, or more ranks", ("sequences",))])

    # -- bytes ------------------------------------------------------------------------------------------

    @cached_property
    def kept(self) -> int:
        """What one sequence has in the cache, in all layers [B]."""
        return max(self.prompt, self.context) * self.model.cached * self.model.layers * self.cache

    @property
    def sent(self) -> int:
        """What a prompt leaves in the cache, which goes from one pool to the other [B]."""
        return self.prompt * self.model.cached * self.model.layers * self.cache

    def weights(self, pool: Pool) -> int:
        """Return the weights that a rank of a pool holds [B]: its experts, and all that is not experts."""
        m = self.model
        experts = m.expert_layers * m.experts * m.expert_parameters
        return (m.parameters - experts + experts // len(pool.ranks)) * self.weight

    def memory_used(self, pool: Pool) -> int:
        """Return the memory that a rank of a pool needs [B]."""
        return self.weights(pool) + pool.sequences * self.kept

    def tokens(self, pool: Pool) -> int:
        """Return the tokens that a rank of a pool has in one pass."""
        return pool.sequences * (self.prompt if pool.phase == "prefill" else 1)

    @property
    def token(self) -> tuple[int, int]:
        """Bytes of a token on its way to experts, and back."""
        return self.model.hidden * self.dispatch + self.scales, self.model.hidden * self.combine

    # -- computation --------------------------------------------------------------------------------------

    def layer_compute(self, pool: Pool, routed: bool) -> float:
        """Return what a layer computes in one pass on a rank [s]: operations, or reading memory if longer."""
        m, tokens = self.model, self.tokens(pool)
        reading = pool.phase == "prefill"
        # attention of a prompt looks at half of it on average, a token being written at all before it
        each = m.layer_flops(routed, self.prompt if reading else 2 * self.context)
        flops = tokens * each / (self.peak * self.efficiency)
        held = m.experts // len(pool.ranks)
        inner = m.shared_parameters + held * m.expert_parameters if routed else m.dense_parameters
        read = (m.attention_parameters + inner) * self.weight
        read += 0 if reading else pool.sequences * self.context * m.cached * self.cache
        return max(flops, read / (self.memory_rate * self.memory_efficiency))

    def head_compute(self, pool: Pool) -> float:
        """Return what the table of words takes in one pass [s]: each sequence writes one word."""
        flops = pool.sequences * self.model.head_flops / (self.peak * self.efficiency)
        read = self.model.table_parameters * self.weight / (self.memory_rate * self.memory_efficiency)
        return max(flops, read)
