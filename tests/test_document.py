"""YAML with lines: what it reads, and what it refuses."""

from pathlib import Path

import pytest

from fabricsim.document import MAX_VALUES, parse_document, read_document
from fabricsim.errors import Fault, InputError


def test_values_are_plain_and_lines_are_known() -> None:
    document = parse_document("a: 1\nb:\n  - x\n  - {c: 2.5}\nd: true\ne: ~\n", "f.yaml")
    assert document.value == {"a": 1, "b": ["x", {"c": 2.5}], "d": True, "e": None}
    assert document.line(("b", 1, "c")) == 4
    assert document.line(("b", 7, "nothing")) == 2, "the nearest key that the file has"


def test_yaml_1_1_surprises_stay_text() -> None:
    document = parse_document("a: no\nb: on\nc: 12:30\nd: 1_000\ne: '5'\nf: 0o7\n", "f.yaml")
    assert document.value == {"a": "no", "b": "on", "c": "12:30", "d": "1_000", "e": "5", "f": "0o7"}


def test_a_number_too_long_to_be_one_is_text() -> None:
    assert parse_document("a: " + "9" * 5000, "f.yaml").value == {"a": "9" * 5000}


def test_json_is_yaml() -> None:
    assert parse_document('{"a": [1, 2], "b": "x"}', "f.json").value == {"a": [1, 2], "b": "x"}


def test_every_duplicate_key_is_told_with_both_lines() -> None:
    with pytest.raises(InputError) as caught:
        parse_document("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("f.yaml:2: a: the key is given twice, first in line 1")
    assert lines[1].startswith("f.yaml:3: b.c: the key is given twice")


def _bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("a: 1\n\tb: 2", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("a: *missing", "not valid YAML"),
        ("a: &x [*x]", ""),
        ("? [1, 2]\n: 3", "a key must be plain text"),
        (_bomb(), f"more than {MAX_VALUES} values"),
        ("a: \x00", "not valid YAML"),
        ('a: "\\ud800"', "not valid YAML"),
    ],
)
def test_what_is_not_a_document_is_one_clear_fault(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_document(text, "f.yaml")
    assert str(caught.value).startswith("f.yaml:")
    assert words in str(caught.value)


def test_unreadable_files_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\xfe")
    for name, words in (("none.yaml", "no such file"), ("", "is a folder"), ("latin.yaml", "not UTF-8")):
        with pytest.raises(InputError, match=words):
            read_document(tmp_path / name)


def test_faults_are_located_in_file_order() -> None:
    document = parse_document("a: 1\nb: 2\n", "f.yaml")
    error = document.locate(InputError([Fault("late", key=("b",)), Fault("early", "do this", key=("a",))]))
    assert str(error) == "f.yaml:1: a: early; do this\nf.yaml:2: b: late"
