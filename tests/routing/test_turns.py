"""How spray counts: all paths of a message in turn, ranks side by side on paths side by side."""

import itertools

import numpy as np
import pytest

from fabricsim.model import Model
from fabricsim.routing import Routing, first_numbers, routes, turn_of
from fabricsim.schedule import Round, Schedule
from tests.engines.lab import operation
from tests.topology.lab import shape


@pytest.mark.parametrize("bases", [(4, 4), (2, 3, 5), (8, 32, 32), (3, 1, 4), (6, 4, 9)])
@pytest.mark.parametrize("first", [0, 5, 2**40 + 3])
def test_as_many_numbers_as_there_are_ways_take_each_once(bases: tuple[int, ...], first: int) -> None:
    ways = []
    for number in range(first, first + int(np.prod(bases))):
        stride, way = 1, []
        for n in bases:
            way.append(turn_of(number, stride, n))
            stride *= n
        ways.append(tuple(way))
    assert sorted(ways) == list(itertools.product(*map(range, bases)))


def test_one_number_and_many_turn_alike() -> None:
    numbers, strides, n = np.arange(1000) * 977, np.arange(1, 1001), np.arange(1000) % 7 + 1
    one_by_one = [turn_of(*row) for row in zip(numbers.tolist(), strides.tolist(), n.tolist(), strict=True)]
    assert turn_of(numbers, strides, n).tolist() == one_by_one


def test_the_hash_is_that_of_the_place_at_the_source() -> None:
    """Ranks side by side differ by one, whatever else the others send; another seed begins elsewhere."""
    work = operation(Round([0, 3, 1, 0, 2], [1, 1, 0, 2, 3], [1] * 5, repeat=2))
    messages = Schedule((work,)).messages
    numbers = first_numbers(messages, 7) - messages.src
    places = [0, 0, 0, 1, 0, 2, 1, 1, 3, 1]
    assert messages.place.tolist() == places
    assert len(np.unique(numbers)) == 4
    assert all(len(set(numbers[np.array(places) == place])) == 1 for place in range(4))
    assert np.all(first_numbers(messages, 8) != first_numbers(messages, 7))


def test_packets_of_one_index_go_up_by_channels_of_their_own() -> None:
    """All ranks of a fat tree send to the far half: at each index no channel up is taken twice, in either tier."""
    fabric = shape("fat-tree", k=8)
    src = np.arange(fabric.ranks)
    dst = (src + fabric.ranks // 2) % fabric.ranks
    schedule = Schedule((operation(Round(src, dst, np.full(len(src), 20 * 4096))),))
    paths = routes(fabric, schedule.messages, Routing("spray"), Model(), 3)
    hops = paths.channels.reshape(fabric.ranks, 20, 6)
    for index, hop in itertools.product(range(20), (1, 2)):
        assert len(np.unique(hops[:, index, hop])) == fabric.ranks
