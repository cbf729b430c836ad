"""The shape of a transformer, and what follows from it: parameters, and operations for each token.

A multiplication and an addition count as two operations. A matrix of P parameters takes 2 P of them for each token
forward and 4 P backward. Causal attention over a sequence of s looks at s/2 earlier tokens on average, each of which
takes 2 operations for every number of a key, and 2 for every number of a value (Kaplan et al., arXiv 2001.08361,
table 1, there without the half; Narayanan et al., arXiv 2104.04473, section 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fabricsim.errors import FaultList

BACKWARD: Final = 2
"""Operations of the way back, for each one of the way forward."""


@dataclass(frozen=True)
class Latent:
    """Attention with keys and values compressed to a latent vector (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    Numbers of the latent vectors of queries and of keys and values, and for each head of a key without position, of
    the position (one for all heads in the cache), and of a value.
    """

    query: int
    key_value: int
    plain: int
    position: int
    value: int


@dataclass(frozen=True)
class ModelShape:
    """A transformer with causal attention; `head` is the numbers of one head, `ffn` those of the inner layer.

    gated: whether the inner layer has three matrices (SwiGLU), not two. tied: whether words are read and written by one
    table. experts: routed ones in each layer but the first `dense_layers`, of expert_ffn inner numbers, top_k of which
    a token goes to; shared: experts of the same size that every token goes to. latent: where attention is compressed.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    ffn: int
    vocabulary: int
    gated: bool = True
    tied: bool = False
    experts: int = 0
    top_k: int = 0
    expert_ffn: int = 0
    shared: int = 0
    dense_layers: int = 0
    latent: Latent | None = None
    name: str = "model"
    confidence: str = "assumed"
    source: str = ""

    def __post_init__(self) -> None:
        faults = FaultList()
        for key in ("layers", "hidden", "heads", "kv_heads", "head", "ffn", "vocabulary"):
            if getattr(self, key) < 1:
                faults.add(f"a model with {getattr(self, key)} {key} is none", "write 1 or more", (key,))
        if self.kv_heads > 0 and self.heads % self.kv_heads:
            what = f"{self.heads} heads cannot share {self.kv_heads} key and value heads evenly"
            faults.add(what, "write a divisor of the heads", ("kv_heads",))
        self._check_experts(faults)
        faults.raise_if_any()

    def _check_experts(self, faults: FaultList) -> None:
        if not self.experts:
            for key in ("top_k", "expert_ffn", "shared", "dense_layers"):
                if getattr(self, key):
                    faults.add(f"{key} is of experts, and there are none", "add experts", (key,))
            return
        if not 1 <= self.top_k <= self.experts:
            what = f"a token cannot choose {self.top_k} of {self.experts} experts"
            faults.add(what, f"write 1 to {self.experts}", ("top_k",))
        if self.expert_ffn < 1:
            faults.add("the experts have no size", "add expert_ffn", ("expert_ffn",))
        if not 0 <= self.dense_layers < self.layers:
            what = f"{self.dense_layers} of {self.layers} layers without experts leave none with experts"
            faults.add(what, f"write 0 to {self.layers - 1}", ("dense_layers",))

    # -- parameters -----------------------------------------------------------------------------------

    @property
    def attention_parameters(self) -> int:
        """Parameters of one layer's attention, biases and norms left out."""
        h, n = self.hidden, self.heads
        if self.latent is None:
            return 2 * h * n * self.head + 2 * h * self.kv_heads * self.head
        x = self.latent
        query = h * x.query + x.query * n * (x.plain + x.position)
        keys = h * (x.key_value + x.position) + x.key_value * n * (x.plain + x.value)
        return query + keys + n * x.value * h

    @property
    def dense_parameters(self) -> int:
        """Parameters of one inner layer without experts."""
        return self._matrices * self.hidden * self.ffn

    @property
    def expert_parameters(self) -> int:
        """Parameters of one expert."""
        return self._matrices * self.hidden * self.expert_ffn

    @property
    def shared_parameters(self) -> int:
        """Parameters of one layer's shared experts, and of what chooses among the routed ones."""
        return self.shared * self.expert_parameters + self.hidden * self.experts

    @property
    def table_parameters(self) -> int:
        """Parameters of one table of words."""
        return self.hidden * self.vocabulary

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        layers = self.layers * self.attention_parameters + self.plain_layers * self.dense_parameters
        routed = self.expert_layers * (self.shared_parameters + self.experts * self.expert_parameters)
        return layers + routed + (1 if self.tied else 2) * self.table_parameters

    @property
    def active_parameters(self) -> int:
        """Parameters that one token meets."""
        idle = (self.experts - self.top_k) * self.expert_parameters
        return self.parameters - self.expert_layers * idle

    @property
    def _matrices(self) -> int:
        return 3 if self.gated else 2

    # -- layers ---------------------------------------------------------------------------------------

    def has_experts(self, layer: int) -> bool:
        """Return whether a layer has routed experts."""
        return self.experts > 0 and layer >= self.dense_layers

    @property
    def expert_layers(self) -> int:
        """How many layers have routed experts."""
        return self.layers - self.dense_layers if self.experts else 0

    @property
    def plain_layers(self) -> int:
        """How many layers have none."""
        return self.layers - self.expert_layers

    # -- operations and numbers, for each token ---------------------------------------------------------

    def layer_flops(self, experts: bool, sequence: int) -> float:
        """Return the operations of one layer forward, for each token of a sequence of so many."""
        inner = self.dense_parameters
        if experts:
            inner = self.shared_parameters + self.top_k * self.expert_parameters
        return 2 * (self.attention_parameters + inner) + self.attention_flops(sequence / 2)

    def attention_flops(self, context: float) -> float:
        """Return the operations of one layer's attention to `context` tokens, for each token."""
        x = self.latent
        numbers = 2 * self.head if x is None else x.plain + x.position + x.value
        return 2 * context * self.heads * numbers

    @property
    def head_flops(self) -> float:
        """Operations of the table that writes words, forward, for each token."""
        return 2.0 * self.table_parameters

    def forward_flops(self, sequence: int) -> float:
        """Return the operations of the whole model forward, for each token of a sequence of so many."""
        plain = self.plain_layers * self.layer_flops(False, sequence)
        routed = self.expert_layers * self.layer_flops(True, sequence) if self.experts else 0.0
        return plain + routed + self.head_flops

    @property
    def cached(self) -> int:
        """Numbers that one layer keeps of each token: its keys and values, or its latent vector."""
        if self.latent is None:
            return 2 * self.kv_heads * self.head
        return self.latent.key_value + self.latent.position
