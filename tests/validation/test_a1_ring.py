"""A1: ring collectives.

Formula: T = 2(N−1)·α + 2(N−1)/N · S/B for all-reduce, half of it for all-gather and reduce-scatter; bus factors
2(N−1)/N and (N−1)/N (Patarasuk and Yuan, JPDC 2009; nccl-tests, doc/PERFORMANCE.md).
Conditions: equal chunks, equal links. On a ring or full mesh α is the link's latency; through switches it is the
idle one-packet path time less its serialisation, which in store-and-forward holds a packet time per extra hop.
Tolerance: 0.1 %.
"""

import pytest

import fabricsim as fs
from tests.validation.lab import ALPHA, BANDWIDTH, CUT_THROUGH, completion, run, shape, within

SIZES = ["60 KiB", "1 MiB", "15 MiB"]
STEPS = {"all-reduce": 2, "all-gather": 1, "reduce-scatter": 1}


def expected(result: fs.Result, kind: str, ranks: int, alpha: float) -> float:
    size = result.metrics["size_B"]
    return STEPS[kind] * ((ranks - 1) * alpha + (ranks - 1) / ranks * size / BANDWIDTH)


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ranks", [2, 3, 5, 8, 12, 16])
@pytest.mark.parametrize("where", ["ring", "full-mesh"])
def test_direct_shapes(where: str, ranks: int, size: str, kind: str) -> None:
    result = run(shape(where, size=ranks), kind, "ring", size)
    assert completion(result) == within(expected(result, kind, ranks, ALPHA), 1e-3)
    factor = STEPS[kind] * (ranks - 1) / ranks
    assert result.metrics["algbw_Bps"] == within(result.metrics["size_B"] / completion(result), 1e-12)
    assert result.metrics["busbw_Bps"] == within(result.metrics["algbw_Bps"] * factor, 1e-12)


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ranks", [3, 8, 13])
@pytest.mark.parametrize("model", [fs.Model(), CUT_THROUGH], ids=lambda m: m.switching)
def test_star(model: fs.Model, ranks: int, size: str, kind: str) -> None:
    result = run(shape("star", size=ranks, switch={"delay": "100 ns"}), kind, "ring", size, model=model)
    extra = 0.0 if model.switching == "cut-through" else serialisation(result, ranks, model)
    assert completion(result) == within(expected(result, kind, ranks, 2 * ALPHA + 100e-9 + extra), 1e-3)


@pytest.mark.parametrize("k", [4, 6])
@pytest.mark.parametrize("model", [fs.Model(), CUT_THROUGH], ids=lambda m: m.switching)
def test_fat_tree(k: int, model: fs.Model) -> None:
    """Ring neighbours are 2, 4 or 6 hops apart; a chunk that goes round meets each edge of the ring in turn."""
    fabric = shape("fat-tree", k=k)
    ranks = k**3 // 4
    result = run(fabric, "all-gather", "ring", f"{ranks * 40_960} B", model=model)
    hops = [2 if (r + 1) % (k // 2) else 4 if (r + 1) % (k**2 // 4) else 6 for r in range(ranks)]
    extra = 0.0 if model.switching == "cut-through" else 4096 / BANDWIDTH
    alphas = [h * ALPHA + (h - 1) * extra for h in hops]
    # N − 1 steps along the ring, starting behind the edge that is cheapest to miss
    longest = sum(alphas) - min(alphas)
    assert completion(result) == within(longest + (ranks - 1) * 40_960 / BANDWIDTH, 1e-3)


def serialisation(result: fs.Result, ranks: int, model: fs.Model) -> float:
    """Return the time of the packet that the second hop waits for: a full one, or a whole chunk if that is less."""
    chunk = int(result.metrics["size_B"]) // ranks
    # behind a short last packet the full ones before it are what the second hop is still busy with
    return max(model.last_payload(chunk), min(model.mtu, chunk)) / BANDWIDTH
