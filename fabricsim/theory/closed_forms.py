"""What a collective takes where every message has a channel of its own: times in closed form.

The α-β model (Hockney, Parallel Computing 20 (1994)): a message of m bytes takes alpha + m / bandwidth. n is
the number of ranks, size the bytes S as nccl-tests counts them, bandwidth [B/s] and alpha [s] those of one
channel; every function returns seconds. A fabric meets a form exactly where no two messages of a round share a
channel and alpha holds all that a message takes beyond its bytes: latency, delays, overheads.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log2, prod

# -- rings: Patarasuk and Yuan, JPDC 69 (2009) -------------------------------------------------------------


def ring_half_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return (n − 1)·(α + S/(n·B)), the time of a ring all-gather or reduce-scatter."""
    return (n - 1) * (alpha + size / n / bandwidth)


def ring_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return 2(n − 1)·α + 2(n − 1)/n · S/B, the time of a ring all-reduce."""
    return 2 * ring_half_s(n, size, bandwidth, alpha)


# -- direct exchanges, every pair joined by a channel of its own -------------------------------------------


def direct_half_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return α + S/(n·b), a direct all-gather, reduce-scatter or all-to-all on a full mesh of channels of b."""
    return alpha + size / n / bandwidth


def two_shot_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return 2(α + S/(n·b)), a direct all-reduce: reduce-scatter, then all-gather."""
    return 2 * direct_half_s(n, size, bandwidth, alpha)


def pairwise_all_to_all_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return (n − 1)·(α + S/(n·B)): an all-to-all with one partner after the other."""
    return (n - 1) * direct_half_s(n, size, bandwidth, alpha)


def one_message_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return α + S/B, whatever n is: each rank sends one message of S, and gets one."""
    return alpha + size / bandwidth


# -- exchanges between partners, n a power of two: Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005) ------------


def recursive_doubling_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return log2 n · (α + S/B)."""
    return log2(n) * (alpha + size / bandwidth)


def recursive_half_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return log2 n · α + (n − 1)/n · S/B: an all-gather by doubling, a reduce-scatter by halving."""
    return log2(n) * alpha + (n - 1) / n * size / bandwidth


def halving_doubling_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return 2 log2 n · α + 2(n − 1)/n · S/B."""
    return 2 * recursive_half_s(n, size, bandwidth, alpha)


def folded_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a halving-doubling all-reduce of any n: 2(α + S/B) more where n is no power of two.

    The positions beyond p = 2^⌊log2 n⌋ first send all they have to a neighbour, and get all of the sum in the end.
    """
    p = 1 << (n.bit_length() - 1)
    fold = 2 * (alpha + size / bandwidth) if p < n else 0.0
    return halving_doubling_all_reduce_s(p, size, bandwidth, alpha) + fold


def folded_doubling_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a recursive-doubling all-reduce of any n: two rounds more where n is no power of two."""
    p = 1 << (n.bit_length() - 1)
    return (log2(p) + 2 * (p < n)) * (alpha + size / bandwidth)


# -- any n in ⌈log2 n⌉ rounds: Bruck et al., IEEE TPDS 8 (1997) --------------------------------------------------


def bruck_half_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌈log2 n⌉·α + (n − 1)/n · S/B: an all-gather or reduce-scatter."""
    return ceil(log2(n)) * alpha + (n - 1) / n * size / bandwidth


def bruck_all_to_all_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌈log2 n⌉·α + c/n · S/B, where c counts the bits of all distances 1 … n − 1: every block's hops."""
    hops = sum(far.bit_count() for far in range(1, n))
    return ceil(log2(n)) * alpha + hops / n * size / bandwidth


# -- with a root: k-nomial trees, a message's channel of its own to each child ---------------------------------


def k_nomial_broadcast_s(n: int, size: float, bandwidth: float, alpha: float, radix: int = 2) -> float:
    """Return ⌈log_k n⌉·(α + S/B), a broadcast down a k-nomial tree in one piece.

    A reduce up the tree takes as long where n is a power of k, else at most as long: leaves begin at once.
    """
    rounds = 0
    while radix**rounds < n:
        rounds += 1
    return rounds * (alpha + size / bandwidth)


def streamed_broadcast_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌊log2 n⌋·α + ⌈log2 n⌉·S/B: a binomial broadcast whose senders go on when a message has left.

    Who sends to several waits for bytes only, not for the way they take. Position 2^⌊log2 n⌋ − 1 is the last: it is
    as deep as any, and is sent to in the last round.
    """
    return floor(log2(n)) * alpha + ceil(log2(n)) * size / bandwidth


def binomial_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌊log2 n⌋·(α + S/B): a binomial reduce takes its deepest position's way, all others are in by then."""
    return floor(log2(n)) * (alpha + size / bandwidth)


def binomial_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a binomial reduce, and a streamed broadcast of its sum."""
    return binomial_reduce_s(n, size, bandwidth, alpha) + streamed_broadcast_s(n, size, bandwidth, alpha)


def dissemination_barrier_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌈log2 n⌉·(α + S/B), S the bytes of a word of arrival: Hensgen, Finkel, Manber, IJPP 17 (1988)."""
    return ceil(log2(n)) * (alpha + size / bandwidth)


def binomial_scatter_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return log2 n · α + (n − 1)/n · S/B, a scatter or gather on a binomial tree; n a power of two."""
    return recursive_half_s(n, size, bandwidth, alpha)


# -- stages along the dimensions of a grid: Cho et al., BlueConnect, MLSys 2019; Sack and Gropp, ACM TOPC 1 (2015) --


def hierarchical_half_s(
    sides: Sequence[int], size: float, bandwidths: Sequence[float], alphas: Sequence[float]
) -> float:
    """Return Σ (n_d − 1)·(α_d + S_d/(n_d·B_d)), S_d = S/(n_1 … n_{d − 1}): rings along each level, the innermost first.

    sides n_d, bandwidths B_d [B/s] and alphas [s] of the levels. A hierarchical all-gather or reduce-scatter.
    """
    total, rest = 0.0, size
    for side, bandwidth, alpha in zip(sides, bandwidths, alphas, strict=True):
        total += ring_half_s(side, rest, bandwidth, alpha)
        rest /= side
    return total


def hierarchical_all_reduce_s(
    sides: Sequence[int], size: float, bandwidths: Sequence[float], alphas: Sequence[float]
) -> float:
    """Return twice that, the time of a hierarchical all-reduce."""
    return 2 * hierarchical_half_s(sides, size, bandwidths, alphas)


def two_stage_all_to_all_s(
    sides: Sequence[int], size: float, bandwidths: Sequence[float], alphas: Sequence[float]
) -> float:
    """Return Σ (α_d + S/(n_d·b_d)): a hierarchical all-to-all, its stages direct on full meshes of channels b_d."""
    levels = zip(sides, bandwidths, alphas, strict=True)
    return sum(direct_half_s(side, size, bandwidth, alpha) for side, bandwidth, alpha in levels)


def multi_dimensional_half_s(dims: int, side: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return D·(m − 1)·α + (1 − 1/m^D)·S/(D·B): rings along D dimensions of m at once, one chunk for each."""
    return hierarchical_half_s([side] * dims, size / dims, [bandwidth] * dims, [alpha] * dims)


# -- pipelines: Sanders, Speck, Träff, Parallel Computing 35 (2009) ------------------------------------------


def chain_broadcast_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int) -> float:
    """Return (n − 2 + C)·(α + S/(C·B)), a broadcast down a chain of n ranks in C equal pieces."""
    return (n - 2 + chunks) * (alpha + size / chunks / bandwidth)


def streamed_chain_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int) -> float:
    """Return (n − 1)·α + (n − 2 + C)/C · S/B: the same, whose senders go on when a piece has left."""
    return (n - 1) * alpha + (n - 2 + chunks) / chunks * size / bandwidth


# -- reduction in the switch -----------------------------------------------------------------------------


def pull_and_multicast_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + S(1 + 1/n)/B: each rank pulls its block of the sum, added up in the switch, and multicasts it.

    A rank's port sends S of addends, S/n to each puller, itself among them, and S/n of sums; and receives as much.
    NVLink SHARP works so: Klenk et al., An in-network architecture for accelerating shared-memory multiprocessor
    collectives, ISCA 2020. The gain over a long ring all-reduce is 2(n − 1)/(n + 1).
    """
    return alpha + size * (1 + 1 / n) / bandwidth


def push_tree_all_reduce_s(size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + S/B: each rank pushes all of its data up a tree of adding switches, and gets the sum once.

    SHARP: Graham et al., COM-HPC (2016). Sums come down while addends go up. The gain over a long ring all-reduce
    is 2(n − 1)/n, and S/B is the least that any all-reduce takes: every rank's data has to leave it.
    """
    return alpha + size / bandwidth


# -- many to one, and many to many ------------------------------------------------------------------------


def incast_s(senders: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return senders · S/B + α: messages of S bytes each through the one channel into the receiver."""
    return senders * size / bandwidth + alpha


def full_mesh_injection(sides: Sequence[int], bandwidths: Sequence[float]) -> float:
    """Return the rate [B/s] at which every node of a product of full meshes can send to all others evenly.

    sides: nodes n_d along each dimension; bandwidths: b_d [B/s] of its channels. On minimal routes, spread so that
    each dimension's channels carry equal shares, a channel of dimension d carries λ·N/((N − 1)·n_d) of an injection
    λ: the share N(n_d − 1)/(n_d(N − 1)) of all pairs that differ in d, over n_d − 1 channels. So λ is the least of
    n_d·b_d·(N − 1)/N; on n × n nodes (n² − 1)/n · b (HyperX: Ahn et al., SC 2009).
    """
    nodes = prod(sides)
    least = min(side * bandwidth for side, bandwidth in zip(sides, bandwidths, strict=True))
    return least * (nodes - 1) / nodes
