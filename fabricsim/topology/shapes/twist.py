"""The twisted torus: a wrap in a shorter dimension also advances each longest one by half its length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Link
from fabricsim.topology.network import Network, Strand, check_size
from fabricsim.topology.shapes.shape import RELAY, refuse

IntArray = NDArray[np.int64]


def twisted(size: Sequence[int], links: Sequence[Link]) -> Network:
    """Return the torus of `size`, twisted (Camara et al., TPDS 2010; TPU v4: Jouppi et al., ISCA 2023).

    A shorter dimension of 2 has a wrap of its own, since that leads elsewhere than the link beside it. Raises
    InputError where nothing is shorter than the longest, or half the longest is not whole.
    """
    longest, ranks = max(size), math.prod(size)
    if min(size) == longest:
        raise refuse(
            "twist", "all dimensions are equally long", "a twist needs a shorter one, such as [4, 4, 8]"
        )
    if longest % 2:
        raise refuse("twist", f"half of {longest} is not a whole number", "make the longest dimension even")
    check_size(ranks, ranks * len(size), "size")
    strands = [_dimension(size, axis, longest, links[axis]) for axis in range(len(size))]
    return Network(tuple(size[::-1]), RELAY, (), strands)


def _dimension(size: Sequence[int], axis: int, longest: int, link: Link) -> Strand:
    """Return the links of one dimension, each from an NPU to the next, by rank of the first."""
    ranks = np.arange(math.prod(size))
    coordinates = _coordinates(ranks, size)
    wraps = coordinates[axis] == size[axis] - 1
    if size[axis] == longest == 2:  # as in any ring of two, both ways around are one link
        ranks, coordinates = ranks[~wraps], [of[~wraps] for of in coordinates]
        wraps = wraps[~wraps]
    ahead = list(coordinates)
    ahead[axis] = (coordinates[axis] + 1) % size[axis]
    if size[axis] < longest:
        for other, length in enumerate(size):
            if length == longest:
                ahead[other] = (coordinates[other] + wraps * (length // 2)) % length
    weights = np.cumprod([1, *size[:-1]])
    reached = sum((of * weight for of, weight in zip(ahead, weights, strict=True)), np.zeros_like(ranks))
    return Strand(f"dim{axis}", ranks, reached, link)


def _coordinates(ranks: IntArray, size: Sequence[int]) -> list[IntArray]:
    weights = np.cumprod([1, *size[:-1]])
    return [ranks // weight % length for weight, length in zip(weights, size, strict=True)]
