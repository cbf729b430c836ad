"""Beside htsim (csg-htsim 841d9e7), which ran the same work: last completion as its senders see it.

Work: fat trees of 400 Gbit/s and 1 µs a link, packets of 4,086 B payload and 64 B header; completion plus the way back
of the last acknowledgement over six links. What the models share is the lossless network: htsim's RoCE senders with PFC
load an incast's last link all the time, as ours do. Its UEC senders draw a path for each packet at random, shrink
their windows by marks and send trimmed packets again; spray has none of that, and is held to what htsim prints as
serialisation and base round trip. Tolerance: 2 %.
"""

import pytest

import fabricsim as fs
from fabricsim.model import Ecn, Model, Sender
from fabricsim.topology import resolve
from tests.validation.lab import within

PACKETS = Model(mtu=4086, header=64)
BACK = 6 * (1e-6 + 64 / 50e9)
BDP = 620_000  # of 400 Gbit/s and the base round trip of 12.4 us


def at_the_sender(k: int, work: object, model: Model = PACKETS, seed: int = 1) -> float:
    fabric = resolve({"shape": "fat-tree", "k": k, "link": {"bandwidth": "400 Gbit/s", "latency": "1 us"}})
    result = fs.simulate(fabric, work, routing="spray", model=model, seed=seed)
    return result.metrics["completion_time_s"] + BACK


def test_lossless_incast() -> None:
    """15 senders of 2 MB: RoCE with PFC 617.436 us, UEC 633.492 us."""
    model = Model(mtu=4086, header=64, buffer=200_000, flow_control="pfc")
    assert at_the_sender(4, fs.incast("2 MB", fan_in=15, target=0), model) == within(617.436e-6, 1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("k", "uec"), [(4, 59.645e-6), (8, 65.330e-6)])
def test_permutation(k: int, uec: float, seed: int) -> None:
    """2 MB from each of 16 and of 128 hosts: serialisation and base round trip are 53.09 us."""
    sprayed = at_the_sender(k, fs.permutation("2 MB"), seed=seed)
    assert sprayed == within(53.09e-6, 2e-2)
    assert sprayed < uec


def test_permutation_with_windows_and_marks() -> None:
    """A window that shrinks by marks takes longer than spray alone, and less than where paths are drawn as well."""
    model = Model(
        mtu=4086, header=64, ecn=Ecn(BDP // 5, 4 * BDP // 5, 1.0), sender=Sender("dctcp", 3 * BDP // 2)
    )
    found = at_the_sender(4, fs.permutation("2 MB"), model)
    assert 53.09e-6 < found < 59.645e-6


def test_all_to_all() -> None:
    """64 KiB from each of 128 hosts to each other: serialisation and base round trip 181.08 us, UEC 185.887 us."""
    found = at_the_sender(8, fs.all_to_all("8 MiB"))
    assert found == within(181.08e-6, 2e-2)
    assert found < 185.887e-6
