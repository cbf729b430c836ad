"""Matrices of how much each position sends to each other one: what they may be, and files that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.schedule import IntArray
from fabricsim.units import MAX_AMOUNT


def checked_matrix(given: Any, n: int) -> IntArray:
    """Return (n, n) whole numbers from 0 up. Raises InputError, keyed `file`, for anything else."""
    try:
        entries = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise _fault("the matrix holds something that is no number", "write whole numbers") from None
    if entries.ndim != 2 or entries.shape != (n, n):
        shape = " × ".join(map(str, entries.shape))
        raise _fault(f"the matrix is {shape}", f"write {n} rows of {n} numbers, one for each rank")
    wrong = np.argwhere(~((entries >= 0) & (entries == np.floor(entries)) & (entries <= MAX_AMOUNT)))
    if len(wrong):
        i, j = wrong[0]
        raise _fault(f"row {i}, column {j} holds {entries[i, j]:g}", "write whole numbers from 0 up")
    return entries.astype(np.int64)


def read_matrix(path: Path) -> NDArray[Any]:
    """Return the numbers of a .npy file, or of text with spaces or commas between them and a row on each line.

    That is the form of nccl-tests' NCCL_TESTS_ALLTOALLV_MATRIX_FILE, too. Raises InputError.
    """
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file", "a name is relative to the file it stands in"
        ) from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}", "write a .npy file, or text") from None
    rows = [
        (number, line.split())
        for number, line in enumerate(lines, 1)
        if line.strip() and line.strip()[0] != "#"
    ]
    if not rows:
        raise InputError(f"{path} holds no numbers", "write one row on each line")
    for number, cells in rows:
        if len(cells) != len(rows[0][1]):
            what = f"{path}:{number} has {len(cells)} numbers, line {rows[0][0]} {len(rows[0][1])}"
            raise InputError(what, "write as many in each row")
    try:
        return np.array([[float(cell) for cell in cells] for _, cells in rows])
    except ValueError as error:
        raise InputError(f"{path}: {error}", "write numbers with spaces or commas between them") from None


def _fault(what: str, right: str) -> InputError:
    return InputError([Fault(what, right, ("file",))])
