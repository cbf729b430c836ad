"""A2: direct collectives on a full mesh.

Formula: all-gather T = (S/N)/b + α with links of b; two-shot all-reduce twice that.
Source: every pair has its own link, so all N−1 messages of a rank travel at once.
Conditions: full mesh, equal links. Tolerance: 0.1 %.
"""

import pytest

from tests.validation.lab import ALPHA, BANDWIDTH, CUT_THROUGH, completion, run, shape, within


@pytest.mark.parametrize("size", ["64 KiB", "1 MiB", "21 MiB"])
@pytest.mark.parametrize("ranks", [2, 3, 7, 8, 16, 21])
@pytest.mark.parametrize(
    ("kind", "shots"), [("all-gather", 1), ("reduce-scatter", 1), ("all-reduce", 2), ("all-to-all", 1)]
)
def test_full_mesh(kind: str, shots: int, ranks: int, size: str) -> None:
    for model in (None, CUT_THROUGH):
        result = run(shape("full-mesh", size=ranks), kind, "direct", size, model=model)
        chunk = result.metrics["size_B"] / ranks
        assert completion(result) == within(shots * (chunk / BANDWIDTH + ALPHA), 1e-3)
