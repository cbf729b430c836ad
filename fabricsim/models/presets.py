"""Published models by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fabricsim.errors import InputError, close_match
from fabricsim.models.shape import Latent, ModelShape

MODELS: Final[Mapping[str, ModelShape]] = MappingProxyType({
    model.name: model
    for model in (
        ModelShape(
            name="llama3-405b", layers=126, hidden=16_384, heads=128, kv_heads=8, head=128, ffn=53_248,
            vocabulary=128_256, confidence="published", source="Llama 3, arXiv 2407.21783, table 3",
        ),
        ModelShape(
            name="gpt3-175b", layers=96, hidden=12_288, heads=96, kv_heads=96, head=128, ffn=49_152,
            vocabulary=50_257, gated=False, tied=True, confidence="published",
            source="Brown et al., arXiv 2005.14165, table 2.1; vocabulary and tied tables as in GPT-2",
        ),
        ModelShape(
            name="deepseek-v3", layers=61, hidden=7_168, heads=128, kv_heads=128, head=128, ffn=18_432,
            vocabulary=129_280, experts=256, top_k=8, expert_ffn=2_048, shared=1, dense_layers=3,
            latent=Latent(query=1_536, key_value=512, plain=128, position=64, value=128),
            confidence="published", source="DeepSeek-V3, arXiv 2412.19437, section 4.2; without its second head",
        ),
        ModelShape(
            name="pangu-pro-moe", layers=48, hidden=5_120, heads=40, kv_heads=8, head=128, ffn=5_376,
            vocabulary=153_376, experts=64, top_k=8, expert_ffn=1_344, shared=4, confidence="assumed",
            source="Pangu Pro MoE, arXiv 2505.21411: 72 B parameters, 16 B of them active, 48 layers, 64 experts "
            "and 4 shared ones; sizes of heads and experts are chosen so that the totals come out",
        ),
    )
})  # fmt: skip
"""Shapes by name; parameters that follow from them are tested against what is published."""


def known_model(name: str) -> ModelShape:
    """Return the shape of a published model. Raises InputError with a close match."""
    if name not in MODELS:
        raise InputError(f"{name!r} is not a known model", close_match(name, MODELS))
    return MODELS[name]
