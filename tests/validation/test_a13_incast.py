"""A13: incast, n senders to one receiver.

Formula: n·S/B + latency: the receiver's channel is busy all the time.
Conditions: star, lossless. Tolerance: 1 %.
"""

import pytest

import fabricsim as fs
from tests.validation.lab import ALPHA, BANDWIDTH, CUT_THROUGH, completion, shape, within


@pytest.mark.parametrize("model", [fs.Model(), CUT_THROUGH], ids=lambda m: m.switching)
@pytest.mark.parametrize(("ranks", "fan_in"), [(3, 2), (8, 7), (32, 15), (65, 64)])
def test_star(ranks: int, fan_in: int, model: fs.Model) -> None:
    work = fs.incast("512 KiB", fan_in=fan_in, target=ranks - 1)
    result = fs.simulate(shape("star", size=ranks), work, model=model)
    assert completion(result) == within(fan_in * 2**19 / BANDWIDTH + 2 * ALPHA, 1e-2)
