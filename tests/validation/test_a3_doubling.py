"""A3: recursive doubling and halving-doubling on a star.

Formula: recursive doubling log2N·(α + S/B); halving-doubling 2·log2N·α + 2(N−1)/N · S/B
(Thakur, Rabenseifner, Gropp, IJHPCA 2005).
Conditions: N = 2^k, a star, α the idle one-packet path time less its serialisation. Tolerance: 0.1 %.
"""

import math

import pytest

import fabricsim as fs
from tests.validation.lab import ALPHA, BANDWIDTH, CUT_THROUGH, completion, run, shape, within


@pytest.mark.parametrize("model", [fs.Model(), CUT_THROUGH], ids=lambda m: m.switching)
@pytest.mark.parametrize("size", ["1 MiB", "8 MiB"])
@pytest.mark.parametrize("ranks", [2, 4, 8, 16, 32])
def test_star(ranks: int, size: str, model: fs.Model) -> None:
    fabric, steps = shape("star", size=ranks), math.log2(ranks)
    alpha = 2 * ALPHA + (0.0 if model.switching == "cut-through" else 4096 / BANDWIDTH)
    doubling = run(fabric, "all-reduce", "recursive-doubling", size, model=model)
    bytes_ = doubling.metrics["size_B"]
    assert completion(doubling) == within(steps * (alpha + bytes_ / BANDWIDTH), 1e-3)
    halving = run(fabric, "all-reduce", "halving-doubling", size, model=model)
    expected = 2 * steps * alpha + 2 * (ranks - 1) / ranks * bytes_ / BANDWIDTH
    assert completion(halving) == within(expected, 1e-3)
