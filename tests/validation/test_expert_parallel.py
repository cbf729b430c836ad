"""Expert parallelism, measured by others: one row calibrates each operation, the other rows judge.

Source: DeepEP, README, "Low-latency kernels": H800 with a 400G NIC each, 128 tokens a rank, hidden 7168, top-8, FP8
dispatch (7168 B and 56 scales of 4 B) and BF16 combine. Fit: EP8, 77 and 114 us; the rate is the wire's, so that all
the rest is one fixed cost. Judged: EP16 to EP256. What kernels do, and how much worse drawn experts spread than even,
is not simulated: combine at EP128 is 11 % slower than predicted, and slower than at EP256.
CloudMatrix384 (arXiv 2506.12708, table 6, one rank a die): EP8 116 and 118 us, of which volume alone is 40 and 75 us at
196 GB/s a die with what a die sends itself.
"""

import pytest

import fabricsim as fs

ROWS = {
    16: (118e-6, 195e-6),
    32: (155e-6, 273e-6),
    64: (173e-6, 314e-6),
    128: (192e-6, 369e-6),
    256: (194e-6, 360e-6),
}
TOLERANCE = {"dispatch": 0.05, "combine": 0.12}


def predicted(name: str, ep: int) -> dict[str, dict[str, float]]:
    said = {
        f"workload.{of}.{key}": value
        for of in TOLERANCE
        for key, value in (("ranks", f"0-{ep - 1}"), ("inside", ep))
    }
    result = fs.load_scenario(name).replace(**said).run()
    return {op.name: dict(op.metrics) for op in result.operations}


@pytest.mark.parametrize("ep", [16, 32, 64, 128, pytest.param(256, marks=pytest.mark.campaign)])
def test_deepep_on_h800(ep: int) -> None:
    found = predicted("deepep-h800", ep)
    for name, measured in zip(TOLERANCE, ROWS[ep], strict=True):
        assert found[name]["calibrated_time_s"] == pytest.approx(measured, rel=TOLERANCE[name])
        assert found[name]["calibrated_least_s"] <= 1.12 * measured
        assert found[name]["calibrated_most_s"] >= measured


def test_one_pair_of_numbers_serves_all_rows() -> None:
    small, large = predicted("deepep-h800", 16), predicted("deepep-h800", 64)
    for name in TOLERANCE:
        for key in ("fixed_time_s", "wire_efficiency"):
            assert small[name][key] == large[name][key]


def test_cloudmatrix_volume_and_calibration() -> None:
    """Of eight dies in four NPUs a seventh of the traffic stays in the package; the row itself comes out exactly."""
    found = predicted("cloudmatrix384-ep", 8)
    for name, row, token in (("dispatch", 116e-6, 7680), ("combine", 118e-6, 14336)):
        assert found[name]["calibrated_time_s"] == pytest.approx(row)
        six_others = (
            128 * token * 6 / (7 * 26_092_500_000)
        )  # 128 · 8 / 8 tokens for each of six dies, seven links
        assert found[name]["completion_time_s"] == pytest.approx(six_others, rel=0.03)
