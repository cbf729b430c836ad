"""The arithmetic of parameters agrees with Python's, exactly, and refuses all else."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.topology.expressions import MAX_LENGTH, Expression, parse_expression

NAMES = {"a": Fraction(7), "b": Fraction(3), "c": Fraction(1, 2)}
LEAF = st.sampled_from(["a", "b", "c", "1", "2", "10", "0.25"])


def joined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(children, st.sampled_from(["+", "-", "*", "/", "//", "%"]), children).map(" ".join),
        children.map("({})".format),
        children.map("-{}".format),
        st.tuples(st.sampled_from(["min", "max"]), children, children).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    )


def in_python(text: str) -> Fraction:
    """Evaluate with Python's own operators on fractions; only literals are touched."""
    exact = " ".join(f"Fraction('{w}')" if w[0].isdigit() else w for w in spaced(text))
    return Fraction(eval(exact, {"Fraction": Fraction, "min": min, "max": max, **NAMES}))


def spaced(text: str) -> list[str]:
    for sign in "(),":
        text = text.replace(sign, f" {sign} ")
    return text.replace("-", " - ").split()


@given(st.recursive(LEAF, joined, max_leaves=12))
def test_arithmetic_is_that_of_python_on_fractions(text: str) -> None:
    if len(text) > MAX_LENGTH:
        return
    try:
        expected = in_python(text)
    except ZeroDivisionError:
        with pytest.raises(InputError, match="divides by zero"):
            parse_expression(text).value(NAMES)
        return
    assert parse_expression(text).value(NAMES) == expected


def test_division_is_exact() -> None:
    assert parse_expression("7 / 3 * 3").value({}) == 7
    assert parse_expression(0.1).value({}) * 10 == 1


@pytest.mark.parametrize(
    ("text", "truth"),
    [("a + b <= 10", True), ("a < b", False), ("1 < 2 < 3", True), ("a == 7 and b != 3", False),
     ("a < b or a % 2 == 1", True)],
)  # fmt: skip
def test_budgets_are_true_or_false(text: str, truth: bool) -> None:
    assert parse_expression(text).holds(NAMES) is truth


@pytest.mark.parametrize(
    "text",
    ["", "a +", "__import__('os')", "a.real", "[1]", "'a'", "a ** b", "f(1)", "min(a)", "min(a, b=2)", "True",
     "1j", "a if b else c", "lambda: 1", "a\n+b\nc", "1e999", "\0", "(" * 150, "x" * (MAX_LENGTH + 1), "a is b",
     "not a", "1 2", "1if a else b", None, True, [1], 10**30, float("nan"), float("inf")],
)  # fmt: skip
def test_what_is_not_arithmetic_is_refused(text: object) -> None:
    with pytest.raises(InputError):
        parse_expression(text)


def test_a_number_is_no_truth_and_a_truth_no_number() -> None:
    with pytest.raises(InputError, match="true or false"):
        parse_expression("a < b").value(NAMES)
    with pytest.raises(InputError, match="compare it"):
        parse_expression("a + b").holds(NAMES)
    with pytest.raises(InputError, match="true or false"):
        parse_expression("1 + (a < b)").value(NAMES)
    with pytest.raises(InputError, match="compare it"):
        parse_expression("a and b").holds(NAMES)


def test_whole_numbers_say_what_they_came_to() -> None:
    assert parse_expression("a - b").whole(NAMES) == 4
    with pytest.raises(InputError, match=r"a / b is 2\.33333, which is not whole"):
        parse_expression("a / b").whole(NAMES)
    with pytest.raises(InputError, match="b - b is 0, which is too small"):
        parse_expression("b - b").whole(NAMES)


def test_names_are_the_parameters_alone() -> None:
    expression: Expression = parse_expression("min(a, hosts) + 2")
    assert expression.names == {"a", "hosts"}
    with pytest.raises(InputError, match="did you mean 'host'"):
        expression.value({"a": Fraction(1), "host": Fraction(2)})
