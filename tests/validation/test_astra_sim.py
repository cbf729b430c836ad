"""ASTRA-sim's congestion-aware analytical network, where the two models coincide.

Its answers for 50 B/ns links of 500 ns, 1 MiB, 8 NPUs, one chunk: ring all-reduce on a ring 43,709 ns, direct
all-to-all on a full mesh 3,123 ns. Both follow its closed forms 2(N−1)·(d + e) + e and d + 2e with
d = ⌊500 ns + (S/N) / 50 B/ns⌋ and an endpoint delay e of 1 ns.

What remains different, and is stated rather than tuned away:
* it floors each message to whole nanoseconds, we count picoseconds: at most 1 ns a step;
* it cuts nothing into packets: a message is one packet, so `mtu` is the message (on these one-hop paths the packet
  size changes nothing; through a switch, its whole-message store-and-forward would differ from ours);
* its endpoint delay is paid once a step, and once more at the end: our send overhead a step, and receive overhead
  once more, which is counted here by hand where the collective has more than one step.
"""

import pytest

import fabricsim as fs
from tests.validation.lab import completion, run, shape

NS = 1e-9
E = 1 * NS


def test_ring_all_reduce_on_a_ring() -> None:
    model = fs.Model(mtu=2**17, endpoint=fs.Endpoint(send_overhead=E))
    ours = completion(run(shape("ring", size=8), "all-reduce", "ring", "1 MiB", model=model)) + E
    astra, steps = 43_709 * NS, 14
    assert astra == (steps * (int(500 + 2**17 / 50) + 1) + 1) * NS
    assert 0 <= ours - astra <= steps * NS


@pytest.mark.parametrize("n", [8, 13, 64, 256, 1024])
def test_ring_all_reduce_of_any_length(n: int) -> None:
    size, steps = n * 2**14, 2 * (n - 1)
    model = fs.Model(mtu=2**14, endpoint=fs.Endpoint(send_overhead=E))
    result = run(shape("ring", size=n), "all-reduce", "ring", f"{size} B", model=model, engine="flow")
    astra = (steps * (int(500 + 2**14 / 50) + 1) + 1) * NS
    assert -1e-15 <= completion(result) + E - astra <= steps * NS


@pytest.mark.parametrize("n", [8, 13, 64, 256, pytest.param(1024, marks=pytest.mark.campaign)])
@pytest.mark.parametrize(("kind", "steps"), [("all-to-all", 1), ("all-reduce", 2)])
def test_direct_exchanges_on_full_meshes(kind: str, steps: int, n: int) -> None:
    model = fs.Model(mtu=2**14, endpoint=fs.Endpoint(send_overhead=E))
    size = f"{n * 2**14} B"
    result = run(shape("full-mesh", size=n), kind, "direct", size, model=model, engine="flow")
    astra = (steps * (int(500 + 2**14 / 50) + 1) + 1) * NS
    assert -1e-15 <= completion(result) + E - astra <= steps * NS


@pytest.mark.parametrize("n", [8, 13, 64, 256, 1024])
@pytest.mark.parametrize("kind", ["all-gather", "reduce-scatter"])
def test_half_rings(kind: str, n: int) -> None:
    """Its all-gather counts what each rank contributes as its size, so that both send one message of S/N a step."""
    size, steps = n * 2**14, n - 1
    model = fs.Model(mtu=2**14, endpoint=fs.Endpoint(send_overhead=E))
    result = run(shape("ring", size=n), kind, "ring", f"{size} B", model=model, engine="flow")
    astra = (steps * (int(500 + 2**14 / 50) + 1) + 1) * NS
    assert -1e-15 <= completion(result) + E - astra <= steps * NS


@pytest.mark.parametrize("n", [8, 64, 256, 1024])
def test_halving_doubling_through_a_switch(n: int) -> None:
    """Its unaware network charges two hops of latency and the bytes once: a cut-through switch."""
    model = fs.Model("cut-through", endpoint=fs.Endpoint(send_overhead=E))
    size, rounds = n * 2**10, n.bit_length() - 1
    result = run(
        shape("star", size=n), "all-reduce", "halving-doubling", f"{size} B", model=model, engine="flow"
    )
    astra = (2 * sum(int(1000 + size / 2**k / 50) + 1 for k in range(1, rounds + 1)) + 1) * NS
    assert -1e-15 <= completion(result) + E - astra <= 2 * rounds * NS


def test_direct_all_to_all_on_a_full_mesh() -> None:
    model = fs.Model(mtu=2**17, endpoint=fs.Endpoint(send_overhead=E, recv_overhead=E))
    ours = completion(run(shape("full-mesh", size=8), "all-to-all", "direct", "1 MiB", model=model))
    astra = 3_123 * NS
    assert astra == (int(500 + 2**17 / 50) + 2) * NS
    assert 0 <= ours - astra <= 1 * NS
