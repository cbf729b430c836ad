"""The figures of lost parts: what each bar and line is of."""

import pytest

from fabricsim.errors import UsageError
from fabricsim.report.losses import ranking, survivability
from tests.report.factory import make_result


def test_the_ranking_has_a_bar_for_each_class_and_says_what_stops() -> None:
    ax = ranking(make_result())
    stops, link = ax.patches
    assert (stops.get_width(), link.get_width()) == (pytest.approx(100), pytest.approx(10))
    assert not stops.get_fill() or stops.get_facecolor()[3] == 0, "what stops the workload is hollow"
    assert link.get_facecolor()[3] == 1
    assert [text.get_text() for text in ax.texts] == ["stops, 8 ranks cut off", "10 %"]
    switch, cable = (label.get_text() for label in ax.get_yticklabels())
    assert "switch of pod" in switch
    assert "(×1,000)" in cable
    assert ax.get_xlabel() == "performance lost with one part lost [%]"
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the worst on top"


def test_survivability_is_mean_and_worst_of_the_draws_of_each_number() -> None:
    ax = survivability(make_result())
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["each draw"].get_xdata()) == [2, 2, 4]
    assert list(lines["each draw"].get_ydata()) == pytest.approx([90, 80, 70])
    assert list(lines["mean"].get_xdata()) == list(lines["worst"].get_xdata()) == [0, 2, 4]
    assert list(lines["mean"].get_ydata()) == pytest.approx([100, 85, 70])
    assert list(lines["worst"].get_ydata()) == pytest.approx([100, 80, 70])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("parts lost at once", "performance kept [%]")


@pytest.mark.parametrize("draw", [ranking, survivability])
def test_without_losses_there_is_nothing_to_draw(draw) -> None:
    tables = {name: table for name, table in make_result().tables.items() if name not in ("losses", "draws")}
    with pytest.raises(UsageError, match="survive"):
        draw(make_result(tables=tables))
