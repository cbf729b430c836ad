import math

import pytest

from fabricsim.reliability import best_interval, daly_interval, expected_goodput, young_interval

H = 3600.0


@pytest.mark.parametrize("save", [1.0, 30.0, 300.0, 3000.0])
@pytest.mark.parametrize("mtbf", [0.5 * H, 3.09 * H, 100 * H])
def test_the_best_interval_is_a_maximum(save: float, mtbf: float) -> None:
    best = best_interval(save, mtbf)
    top = expected_goodput(best, save, mtbf, 600.0)
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        assert expected_goodput(best * factor, save, mtbf, 600.0) < top
    # where the maximum lies: λτ = 1 − exp(−λ(τ + δ))
    assert best / mtbf == pytest.approx(1 - math.exp(-(best + save) / mtbf), rel=1e-9)


def test_rules_of_thumb_meet_it_where_saves_are_short() -> None:
    save, mtbf = 1.0, 1000 * H
    assert young_interval(save, mtbf) == pytest.approx(best_interval(save, mtbf), rel=1e-3)
    assert daly_interval(save, mtbf) == pytest.approx(best_interval(save, mtbf), rel=1e-5)


def test_daly_is_closer_than_young_where_saves_are_long() -> None:
    save, mtbf = 600.0, 3 * H
    best = best_interval(save, mtbf)
    assert abs(daly_interval(save, mtbf) - best) < 0.1 * abs(young_interval(save, mtbf) - best)
    assert daly_interval(10 * H, 3 * H) == 3 * H


def test_free_saves_are_done_all_the_time() -> None:
    assert best_interval(0.0, H) == 0.0
    assert expected_goodput(1e-6, 0.0, H, 0.0) == pytest.approx(1.0)


def test_an_endless_interval_keeps_nothing() -> None:
    assert expected_goodput(1e9, 1.0, H, 0.0) == 0.0
