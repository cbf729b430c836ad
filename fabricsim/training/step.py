"""A training step: a model, how it is divided, what one step works through, and how well a rank computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from fabricsim.errors import FaultList
from fabricsim.models import ModelShape
from fabricsim.training.parallel import DIMENSIONS, Parallel, check_parallel

BYTES: Final[Mapping[str, int]] = MappingProxyType({"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1})
"""Bytes of a number of each type."""


@dataclass(frozen=True, eq=False)
class Step:
    """One training step.

    micro_batches: of `micro_batch` sequences of `sequence` tokens, for each copy of the model. peak: dense operations a
    second of a rank [1/s]; efficiency: the share of it that its kernels reach. activation, gradient, parameter,
    dispatch: bytes of a number as it is sent. sequence_parallel: whether ranks that share matrices also share the
    tokens between them (Korthikanti et al., arXiv 2205.05198). recompute: whether the way forward is done again on
    the way back. overlap: by dimension, the share of its communication that may run beside computation. availability:
    share of time in which the job runs.
    """

    model: ModelShape
    parallel: Parallel
    micro_batches: int
    sequence: int
    peak: float
    efficiency: float
    micro_batch: int = 1
    activation: int = 2
    gradient: int = 4
    parameter: int = 2
    dispatch: int = 2
    sequence_parallel: bool = True
    recompute: bool = False
    overlap: Mapping[str, float] = field(default_factory=dict)
    availability: float = 1.0

    def __post_init__(self) -> None:
        faults = FaultList()
        with faults.at("parallel"):
            check_parallel(self.model, self.parallel)
        p = self.parallel
        shared = p.cp * (p.tp if self.sequence_parallel else 1)
        if self.sequence % shared:
            what = f"a sequence of {self.sequence} tokens cannot be shared by {shared} ranks evenly"
            faults.add(what, "write a multiple of cp · tp", ("sequence",))
        if self.model.experts and p.tp > 1 and not self.sequence_parallel:
            what = "experts beside shared matrices need tokens that are shared too"
            faults.add(what, "leave it out, or write true", ("sequence_parallel",))
        for name in self.overlap:
            if name not in DIMENSIONS or name == "pp":
                right = "write tp, cp, ep or dp; what goes between stages always runs beside computation"
                faults.add(f"{name!r} is not a dimension to overlap", right, ("overlap", name))
        faults.raise_if_any()

    # -- what is computed -----------------------------------------------------------------------------

    @property
    def tokens(self) -> int:
        """Tokens of a whole step."""
        return self.micro_batches * self.micro_batch * self.sequence * self.parallel.dp

    @property
    def micro_tokens(self) -> int:
        """Tokens of one micro-batch of one copy."""
        return self.micro_batch * self.sequence

    @property
    def model_flops(self) -> float:
        """Operations that a step needs, without any done again."""
        return 3 * self.model.forward_flops(self.sequence) * self.tokens

    @property
    def rate(self) -> float:
        """Operations a second that a rank's kernels reach [1/s]."""
        return self.peak * self.efficiency

    def seconds(self, flops_per_token: float) -> float:
        """Return how long a rank computes its part of a micro-batch [s], operations for each token given."""
        p = self.parallel
        return flops_per_token * self.micro_tokens / (p.tp * p.cp) / self.rate

    # -- how layers lie in stages -------------------------------------------------------------------------

    @property
    def stages(self) -> tuple[range, ...]:
        """The layers of each stage; what does not divide evenly goes to the middle, as the ends also hold tables."""
        each, more = divmod(self.model.layers, self.parallel.pp)
        first = (self.parallel.pp - more) // 2
        counts = [each + (first <= stage < first + more) for stage in range(self.parallel.pp)]
        starts = [sum(counts[:stage]) for stage in range(self.parallel.pp)]
        return tuple(range(start, start + count) for start, count in zip(starts, counts, strict=True))

    def counts(self, stage: int) -> tuple[int, int]:
        """Return how many layers of a stage have no experts, and how many have."""
        routed = sum(self.model.has_experts(layer) for layer in self.stages[stage])
        return len(self.stages[stage]) - routed, routed

    def shared_numbers(self, stage: int) -> int:
        """Return the parameters of a stage that a rank holds in common with its copies over dp and cp."""
        plain, routed = self.counts(stage)
        m = self.model
        total = (plain + routed) * m.attention_parameters + plain * m.dense_parameters
        total += routed * m.shared_parameters
        tables = (stage == 0) + (stage == self.parallel.pp - 1)
        total += m.table_parameters * (1 if m.tied and self.parallel.pp == 1 else tables)
        return -(-total // self.parallel.tp)

    def expert_numbers(self, stage: int) -> int:
        """Return the parameters of a stage's experts that a rank holds."""
        m = self.model
        return self.counts(stage)[1] * m.expert_parameters * m.experts // self.parallel.ep
