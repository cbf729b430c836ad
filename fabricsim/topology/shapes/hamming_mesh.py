"""HammingMesh: boards that are meshes, in rows and columns that share a switch (Hoefler et al., SC 2022)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fabricsim.fabric import Link
from fabricsim.topology.grammar import LinkRef
from fabricsim.topology.network import Network, Strand, Switches, check_size
from fabricsim.topology.shapes.shape import (
    LINK,
    RELAY,
    Shape,
    Switched,
    at_least,
    each,
    link_of,
    refuse,
    switch_of,
)

IntArray = NDArray[np.int64]
Two = Annotated[tuple[int, ...], each(at_least(1))]


class HammingMesh(Switched):
    """The keys of a HammingMesh."""

    board: Two = Field(description="[a, b]: NPUs of a board, across and down")
    size: Two = Field(description="[x, y]: how many boards, across and down")
    far: LinkRef | None = Field(None, description=f"from a board to switches; as `link` if absent. {LINK}")


def _hamming_mesh(part: HammingMesh) -> tuple[Network, str]:
    """Return one plane; each row of NPUs across all boards has a switch, and each column.

    Both ends of a board's row are joined to the row's switch, which has 2x ports; an NPU that is both has two links.
    The paper makes larger rows of fat trees; here a row has one switch, of any size unless `ports` are stated.
    """
    for key, pair in (("board", part.board), ("size", part.size)):
        if len(pair) != 2:
            raise refuse(key, f"has {len(pair)} entries", f"write two numbers: {key}: [2, 2]")
    (a, b), (x, y) = part.board, part.size
    ranks = a * b * x * y
    if ranks < 2:
        raise refuse("size", "one NPU has nobody to talk to", "write more boards")
    check_size(ranks, 4 * ranks, "size")
    link, switch = link_of(part.link), switch_of(part.switch)
    far = link if part.far is None else link_of(part.far, "far", name="far")
    tiers = [Switches("row", y * b, switch), Switches("column", x * a, switch)]
    plan = Network((y, x, b, a), RELAY, tiers, [s for s in _strands(a, b, x, y, link, far) if len(s.a)])
    return plan, f"{a}x{b}-{x}x{y}"


def _strands(a: int, b: int, x: int, y: int, link: Link, far: Link) -> list[Strand]:
    # rank = i + a·(j + b·(X + x·Y)): board by board, NPU (i, j) of board (X, Y)
    Y, X, j, i = (axis.reshape(-1) for axis in np.indices((y, x, b, a)))  # noqa: N806
    rank = np.arange(len(i))
    row, column = len(i) + Y * b + j, len(i) + y * b + X * a + i
    across = [i == 0, i == a - 1]
    down = [j == 0, j == b - 1]
    return [
        Strand("board", rank[i < a - 1], rank[i < a - 1] + 1, link),
        Strand("board", rank[j < b - 1], rank[j < b - 1] + a, link),
        Strand("row", *_both(rank, row, across), far),
        Strand("column", *_both(rank, column, down), far),
    ]


def _both(rank: IntArray, switch: IntArray, ends: list[NDArray[np.bool_]]) -> tuple[IntArray, IntArray]:
    """Return the links of both ends of each board to its switch, by rank."""
    a, b = (np.concatenate([values[end] for end in ends]) for values in (rank, switch))
    order = np.argsort(a, kind="stable")
    return a[order], b[order]


HAMMING_MESH = Shape(
    "boards of a × b NPUs, a switch for each row and each column", HammingMesh, _hamming_mesh
)
