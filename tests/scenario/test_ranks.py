from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.scenario.ranks import MAX_RANKS, parse_ranks


@pytest.mark.parametrize(
    ("value", "ranks"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("0-3", [0, 1, 2, 3]),
        ("0-6:2", [0, 2, 4, 6]),
        ("0-7:2", [0, 2, 4, 6]),
        ("5", [5]),
        (" 0 - 1 , 4,6-7 ", [0, 1, 4, 6, 7]),
        ([3, 1, 2], [3, 1, 2]),
        ("6-7,0-1", [6, 7, 0, 1]),
    ],
)
def test_ranks_as_people_write_them(value: object, ranks: list[int]) -> None:
    assert parse_ranks(value).on(8).tolist() == ranks


@given(st.lists(st.integers(0, 99), min_size=1, unique=True))
def test_a_list_and_its_text_are_the_same_ranks(ranks: list[int]) -> None:
    assert parse_ranks(ranks).on(100).tolist() == ranks
    assert parse_ranks(",".join(map(str, ranks))).on(100).tolist() == ranks


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 60))
def test_a_range_holds_its_last_rank_if_the_stride_meets_it(first: int, length: int, stride: int) -> None:
    found = parse_ranks(f"{first}-{first + length}:{stride}").on(101).tolist()
    assert found == list(range(first, first + length + 1, stride))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", "'' is not a rank or a range"),
        ("0-3,", "'' is not a rank or a range"),
        ("all,1", "'all' is not a rank or a range"),
        ("0..3", "'0..3' is not a rank"),
        ("-3", "'-3' is not a rank"),
        ("3-1", "write '1-3'"),
        ("0-3:0", "has the stride 0"),
        ("1,1", "rank 1 is named 2 times"),
        ("0-3,2-5", "rank 2 is named 2 times"),
        ([], "the list is empty"),
        ([0, "1"], "'1' is not a rank"),
        ([0, True], "true is not a rank"),
        ([0, 1.5], "1.5 is not a rank"),
        (8, "8 is not a set of ranks; write all, a range such as '0-63'"),
        ({}, "a mapping is not a set of ranks"),
        (f"0-{MAX_RANKS}", f"names more than {MAX_RANKS} ranks"),
    ],
)
def test_what_is_not_ranks(value: object, text: str) -> None:
    with pytest.raises(InputError) as info:
        parse_ranks(value)
    assert text in str(info.value)


def test_a_rank_that_the_fabric_lacks() -> None:
    with pytest.raises(InputError, match="there is no rank 8; ranks run from 0 to 7"):
        parse_ranks("0-8").on(8)
