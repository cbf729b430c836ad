"""A10: uniform all-to-all on an n×n full mesh.

Formula: (n²−1)/n · b per node, with XY and YX paths used evenly (8×8: 7.875 b): each of a node's 2(n−1) channels
carries the direct message and 2·(n−1)/2 relayed ones each way.
Conditions: minimal routing, spray; messages of an even number of packets, long enough that the path's latency is
well below 1 % of the whole. Tolerance: 1 %.
"""

import pytest

from tests.validation.lab import BANDWIDTH, completion, run, shape, within


@pytest.mark.parametrize(("n", "packets"), [(2, 1024), (3, 512), (4, 256), (8, 128)])
def test_rate_per_node(n: int, packets: int) -> None:
    ranks = n * n
    size = ranks * 4096 * packets
    result = run(shape("full-mesh", size=[n, n]), "all-to-all", "direct", f"{size} B", routing="spray")
    sent = size / ranks * (ranks - 1)
    assert sent / completion(result) == within((n * n - 1) / n * BANDWIDTH, 1e-2)
