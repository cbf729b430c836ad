"""What a collective takes where every message has a channel of its own: times in closed form.

The α-β model (Hockney, Parallel Computing 20 (1994)): a message of m bytes takes alpha + m / bandwidth. n is
the number of ranks, size the bytes S as nccl-tests counts them, bandwidth [B/s] and alpha [s] those of one
channel; every function returns seconds. A rank goes on to its next round when what it sends has left and what it gets
has arrived, so that it waits for the bytes of what it sends, and for the way too of what it gets; where forms differ
between ranks, what follows counts both. A fabric meets a form exactly where no two messages of a round share a
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
    """Return the most that a recursive-doubling all-reduce takes: two rounds more where n is no power of two."""
    p = 1 << (n.bit_length() - 1)
    return (log2(p) + 2 * (p < n)) * (alpha + size / bandwidth)


def doubling_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a recursive-doubling all-reduce of any n, with p = 2^k ≤ n < 2p and r = n − p guests.

    Places 0 … r − 1 are hosts: they begin after the message of their guest, α + m with m = S/B, the others at 0. In
    each round a place waits for m if it sends late, or for α + m behind its partner, so that place x is done at
    k·m + max over y of (begin of y + d(x, y)·α), d the number of bits in which they differ. Any x is k bits from a
    host or from a place that begins at 0, and hosts are at most b bits from each other, b those of r − 1. So places end
    at (k + 1)(α + m) at most, which some do, and guests, one message later, at (k + 2)·m + (b + 2)·α or that as well.
    """
    k = n.bit_length() - 1
    guests, message = n - (1 << k), size / bandwidth
    if not guests:
        return k * (alpha + message)
    far = (guests - 1).bit_length()
    return max((k + 1) * (alpha + message), (k + 2) * message + (far + 2) * alpha)


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

    Who sends to several waits for bytes only, not for the way they take. Place v is reached over as many edges as it
    has bits, the last of them in the round of its lowest bit, and bytes are under way in every round until then: it
    has the data after bits(v)·α + (⌈log2 n⌉ − zeros(v))·S/B, zeros those below the lowest bit. The largest is that of
    2^⌊log2 n⌋ − 1, which is odd and has as many bits as any.
    """
    return floor(log2(n)) * alpha + ceil(log2(n)) * size / bandwidth


def binomial_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌊log2 n⌋·(α + S/B): a binomial reduce.

    A place sends once, when all below it have sent; place v is as many edges from the root as it has bits, and no place
    has more than 2^⌊log2 n⌋ − 1.
    """
    return floor(log2(n)) * (alpha + size / bandwidth)


def binomial_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a binomial reduce, and a streamed broadcast of its sum."""
    return binomial_reduce_s(n, size, bandwidth, alpha) + streamed_broadcast_s(n, size, bandwidth, alpha)


def dissemination_barrier_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return ⌈log2 n⌉·(α + S/B), S the bytes of a word of arrival: Hensgen, Finkel, Manber, IJPP 17 (1988)."""
    return ceil(log2(n)) * (alpha + size / bandwidth)


def binomial_scatter_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a scatter down a binomial tree; log2 n · α + (n − 1)/n · S/B where n is a power of two.

    With q = 2^k < n ≤ 2q the root first sends the n − q blocks beyond place q, and goes on as the root of q places,
    while place q goes on, α later, as the root of n − q. A tree of fewer places takes less, so the time is that of
    the blocks and max(T(q), α + T(n − q)), with T(1) = 0.
    """
    return _scatter(n, size / n / bandwidth, alpha)


def _scatter(n: int, block: float, alpha: float) -> float:
    if n == 1:
        return 0.0
    q = 1 << ((n - 1).bit_length() - 1)
    return (n - q) * block + max(_scatter(q, block, alpha), alpha + _scatter(n - q, block, alpha))


def binomial_gather_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a gather up a binomial tree; that of a scatter where n is a power of two.

    With q = 2^k < n ≤ 2q places 0 … q − 1 have gathered after T(q), and place q sends its n − q blocks after T(n − q):
    T(n) = max(T(q), T(n − q) + α + (n − q)·S/(n·B)), T(1) = 0.
    """
    return _gather(n, size / n / bandwidth, alpha)


def _gather(n: int, block: float, alpha: float) -> float:
    if n == 1:
        return 0.0
    q = 1 << ((n - 1).bit_length() - 1)
    return max(_gather(q, block, alpha), _gather(n - q, block, alpha) + alpha + (n - q) * block)


# -- two binary trees: Sanders, Speck, Träff, Parallel Computing 35 (2009) ------------------------------------


def double_tree_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int = 1) -> float:
    """Return (2L + C − 1)·(α + S/(2·C·B)): half of the data goes up and down each of two trees, in C pieces.

    L = ⌈log2 n⌉ is how deep both are. With one piece that is what it takes: the way from the deepest leaf up to the
    root and down again has an edge in each of the 2L rounds. With more pieces it is the most, and what it takes where α
    is 0: the first piece goes up, the root gets one in each round, and the last one goes down.
    """
    return (2 * ceil(log2(n)) + chunks - 1) * (alpha + size / 2 / chunks / bandwidth)


def double_tree_broadcast_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int = 1) -> float:
    """Return (L + C)·(α + S/(2·C·B)): the root feeds two trees over the n − 1 others, of L = ⌈log2(n − 1)⌉ levels.

    As for an all-reduce, exact with one piece, or where α is 0, and else the most; n is 3 or more. A reduce is the same
    backwards.
    """
    return (ceil(log2(n - 1)) + chunks) * (alpha + size / 2 / chunks / bandwidth)


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


def multi_dimensional_s(
    sides: Sequence[int], size: float, bandwidth: float, alpha: float, *, direct: bool = False
) -> float:
    """Return the time of a multi-dimensional reduce-scatter or all-gather by rings, or of an all-to-all if `direct`.

    sides: n_1 … n_D. Each of D parts of the data goes along the dimensions in turn, part d from dimension d on, so that
    in stage k all dimensions are busy: part d with n_e − 1 rounds of S/(D · n_d … n_e)/B in dimension e = d + k. All
    ranks do the same, and the round of each part takes as long as the longest of those that are still under way. A
    direct exchange has one round in each stage, of S/(D·n_e)/B.
    """
    dims, total = len(sides), 0.0
    for stage in range(dims):
        parts = []
        for part in range(dims):
            way = [sides[(part + step) % dims] for step in range(stage + 1)]
            share = way[-1] if direct else prod(way)
            parts.append((1 if direct else way[-1] - 1, size / dims / share / bandwidth))
        for number in range(max(rounds for rounds, _ in parts)):
            total += alpha + max(seconds for rounds, seconds in parts if rounds > number)
    return total


# -- pipelines: Sanders, Speck, Träff, Parallel Computing 35 (2009) ------------------------------------------


def chain_broadcast_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int) -> float:
    """Return (n − 2 + C)·(α + S/(C·B)), a broadcast down a chain of n ranks in C equal pieces."""
    return (n - 2 + chunks) * (alpha + size / chunks / bandwidth)


def streamed_chain_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int) -> float:
    """Return (n − 1)·α + (n − 2 + C)/C · S/B: the same, whose senders go on when a piece has left.

    With m = S/(C·B), piece c is at the first receiver at α + (c + 1)·m, and at the i-th α + m after it is at the one
    before, who by then has sent the piece before: at i·α + (i + c)·m.
    """
    return (n - 1) * alpha + (n - 2 + chunks) / chunks * size / bandwidth


# -- reduction in the switch -----------------------------------------------------------------------------


def pull_and_multicast_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + S(1 + 1/n)/B: each rank pulls its block of the sum, added up in the switch, and multicasts it.

    A rank's port sends S of addends, S/n to each puller, itself among them, and S/n of sums; and receives as much.
    NVLink SHARP works so: Klenk et al., An in-network architecture for accelerating shared-memory multiprocessor
    collectives, ISCA 2020. The gain over a long ring all-reduce is 2(n − 1)/(n + 1).
    """
    return alpha + size * (1 + 1 / n) / bandwidth


def chunked_pull_all_reduce_s(n: int, size: float, bandwidth: float, alpha: float, chunks: int) -> float:
    """Return (C + 1)·α + (C·(1 + 1/n) + 1 − 2/n)/C · S/B: pull and multicast in C chunks, for any C.

    The first round pulls only, S/(C·B) of addends out of each port; C − 1 rounds pull one chunk and multicast the one
    before, 1 + 1/n of that; the last multicasts only, and 1 − 1/n of it comes in.
    """
    return (chunks + 1) * alpha + (chunks * (1 + 1 / n) + 1 - 2 / n) / chunks * size / bandwidth


def push_tree_all_reduce_s(size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + S/B: each rank pushes all of its data up a tree of adding switches, and gets the sum once.

    SHARP: Graham et al., COM-HPC (2016). Sums come down while addends go up. The gain over a long ring all-reduce
    is 2(n − 1)/n, and S/B is the least that any all-reduce takes: every rank's data has to leave it.
    """
    return alpha + size / bandwidth


def multicast_all_gather_s(n: int, size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + (n − 1)/n · S/B: each rank sends its block once, and gets those of all others through its port."""
    return alpha + (n - 1) / n * size / bandwidth


def pulled_reduce_scatter_s(size: float, bandwidth: float, alpha: float = 0.0) -> float:
    """Return α + S/B: a rank sends its addend of every block to the switch, its own among them, and gets one block."""
    return alpha + size / bandwidth


# -- uneven all-to-alls --------------------------------------------------------------------------------------


def direct_exchange_s(sizes: Sequence[float], bandwidth: float, alpha: float) -> float:
    """Return α + max(m)/B: the messages of all ranks at once, each on its own channel. sizes: m [B] of each."""
    return alpha + max(sizes) / bandwidth


def pairwise_exchange_s(sizes: Sequence[float], bandwidth: float, alpha: float) -> float:
    """Return Σ (α + m_d/B): every rank sends m_d [B] to the one d further on, one after the other."""
    return sum(alpha + size / bandwidth for size in sizes)


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
