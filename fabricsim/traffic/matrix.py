"""Traffic that is given as a matrix: how much each position sends to each other one."""

from __future__ import annotations

import numpy as np

from fabricsim.collectives.matrix import checked_matrix
from fabricsim.schedule import Round
from fabricsim.traffic.draw import Draw, fault
from fabricsim.units import MAX_AMOUNT


def matrix(draw: Draw) -> tuple[Round, ...]:
    """Return one message from i to j of matrix[i][j] times `size`, for each entry above 0, as one round.

    Entries on the diagonal stay where they are and are not sent. Peers come in the order i + 1, i + 2, …
    """
    given = draw.choices.get("matrix")
    if given is None:
        raise fault("file", "matrix traffic needs a matrix", "add file: and a file of n rows of n numbers")
    entries = checked_matrix(given, draw.n)
    src = np.tile(np.arange(draw.n), draw.n - 1)
    dst = (src + np.repeat(np.arange(1, draw.n), draw.n)) % draw.n
    size = entries[src, dst]
    if size.max(initial=0) > MAX_AMOUNT // draw.size:
        raise fault("size", f"{size.max()} times {draw.size} B is more than a message can hold", "write less")
    sent = size > 0
    if not sent.any():
        raise fault("file", "the matrix sends nothing from one rank to another", "write a number above 0")
    return (Round(src[sent], dst[sent], size[sent] * draw.size),)
