import numpy as np
import pytest

from fabricsim.theory.bounds import busiest_channel_ps, ideal_time_ps, longest_path_ps

EMPTY = np.zeros(0, np.int64)


@pytest.mark.parametrize(("busy", "path", "ideal"), [([7, 3], [5, 6], 7), ([1, 4], [9, 2], 9), ([5], [5], 5)])
def test_the_larger_bound_holds(busy: list[int], path: list[int], ideal: int) -> None:
    assert ideal_time_ps(np.array(busy), np.array(path)) == ideal


def test_nothing_takes_no_time() -> None:
    assert busiest_channel_ps(EMPTY) == longest_path_ps(EMPTY) == ideal_time_ps(EMPTY, EMPTY) == 0


def test_bounds_are_exact_beyond_the_precision_of_floats() -> None:
    large = 2**60 + 1
    ideal = ideal_time_ps(np.array([large]), EMPTY)
    assert type(ideal) is int
    assert ideal == large
