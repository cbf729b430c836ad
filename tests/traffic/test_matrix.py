from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.scenario import parse_scenario
from fabricsim.traffic import read_matrix, traffic_matrix


def square(n: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)


@given(rows=st.integers(2, 8).flatmap(square))
def test_a_matrix_sends_its_entries(rows: list[list[int]]) -> None:
    n = len(rows)
    wanted = {(i, j): 3 * rows[i][j] for i in range(n) for j in range(n) if i != j and rows[i][j]}
    if not wanted:
        with pytest.raises(InputError, match="sends nothing"):
            traffic_matrix("3 B", matrix=rows).on(n)
        return
    (only,) = traffic_matrix("3 B", matrix=rows).on(n).rounds
    pairs = zip(only.src.tolist(), only.dst.tolist(), strict=True)
    assert dict(zip(pairs, only.size.tolist(), strict=True)) == wanted


@pytest.mark.parametrize("text", ["0 1\n2 0\n", "0, 1\n2, 0", "# bytes\n\n0,1\n 2\t0\n"])
def test_matrices_are_read_from_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    assert read_matrix(tmp_path / "m.csv").tolist() == [[0, 1], [2, 0]]


def test_matrices_are_read_from_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[0, 1], [2, 0]]))
    assert read_matrix(tmp_path / "m.npy").tolist() == [[0, 1], [2, 0]]


BAD_FILES = {
    "0 1\n2\n": "m.csv:2 has 1 numbers, line 1 2",
    "0 x\n1 0\n": "write numbers",
    "\n": "holds no numbers",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_what_is_no_matrix_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=BAD_FILES[text]):
        read_matrix(tmp_path / "m.csv")


def test_a_damaged_numpy_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="cannot be read"):
        read_matrix(tmp_path / "m.npy")


WRONG = [
    ([[0, 1]], "the matrix is 1 × 2; write 2 rows of 2"),
    ([[0, -1], [1, 0]], "row 0, column 1 holds -1"),
    ([[0, 0.5], [1, 0]], "column 1 holds 0.5"),
    ([[0, 1], [float("nan"), 0]], "row 1, column 0 holds nan"),
    ([["a", 1], [0, 0]], "no number"),
]


@pytest.mark.parametrize(("rows", "words"), WRONG)
def test_a_matrix_that_does_not_fit_is_refused(rows: list, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        traffic_matrix("1 B", matrix=rows).on(2)
    assert caught.value.faults[0].key == ("file",)


def test_a_scenario_names_a_matrix_beside_it(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("0 1 2\n0 0 3\n0 0 0\n")
    text = """
schema: fabricsim/1
topology: {shape: star, size: 3, link: {bandwidth: 50 GB/s, latency: 500 ns}}
workload:
  - {pattern: matrix, size: 1 KiB, file: m.csv}
"""
    scenario = parse_scenario(text, base=tmp_path)
    assert scenario.schedule(scenario.fabric()).operations[0].payload == 6 * 1024
    other = parse_scenario(text.replace("m.csv", "n.csv"), base=tmp_path)
    with pytest.raises(InputError, match="no such file") as caught:
        other.schedule(other.fabric())
    assert caught.value.faults[0].key == ("workload", 0, "file")
