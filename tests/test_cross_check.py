"""Cross-checks: what is cut, what is measured, what makes one void."""

from __future__ import annotations

from typing import Any

import pytest

from fabricsim.cross_check import cuts
from fabricsim.errors import InputError
from fabricsim.run import run
from fabricsim.scenario import parse_scenario

LINK = "link: {bandwidth: 50 GB/s, latency: 500 ns}"


def scenario(
    topology: str, entry: str = "collective: all-to-all, algorithm: direct, size: 4 MiB", more: str = ""
) -> Any:
    return parse_scenario(
        f"schema: fabricsim/1\ntopology: {topology}\nengine: flow\ncross_check: true\n"
        f"workload: [{{name: a, {entry}}}]\n{more}"
    )


def test_a_star_agrees_at_every_size() -> None:
    (result,) = run(scenario(f"{{shape: star, size: 64, {LINK}}}"))
    note = next(note for note in result.notes if "measured at N" in note)
    assert "not bounded at N = 64: flow against packet" in note
    assert result.metrics["cross_check_rel_error"] < 0.01
    worst = f"±{result.metrics['cross_check_rel_error']:.2%}"
    assert note.startswith(worst)


def test_a_cut_keeps_tiers_policy_and_message_sizes() -> None:
    whole = scenario("{name: atlas950-superpod, set: {cabinets: 64}}", "collective: all-reduce, size: 64 MiB")
    fabric = whole.fabric()
    found = cuts(whole, fabric)
    assert len(found) >= 3
    message = whole.schedule(fabric).operations[0].rounds[0].size[0]
    for ranks, cut in found:
        small = cut.fabric()
        assert small.ranks == ranks
        assert small.levels == fabric.levels
        assert cut.routing(small).policy == whole.routing(fabric).policy
        assert cut.schedule(small).operations[0].rounds[0].size[0] == message


@pytest.mark.parametrize(
    ("topology", "entry", "why"),
    [
        (f"{{shape: star, size: 5, {LINK}}}", "pattern: permutation, size: 1 MiB", "only 1 smaller sizes"),
        (
            f"{{shape: star, size: 64, {LINK}}}",
            "pattern: permutation, size: 1 MiB, ranks: 0-31",
            "names ranks",
        ),
        (
            f"{{shape: dragonfly, a: 4, h: 2, p: 2, {LINK}}}",
            "pattern: permutation, size: 1 MiB",
            "no rule",
        ),
    ],
)
def test_what_cannot_be_cut_is_void(topology: str, entry: str, why: str) -> None:
    whole = scenario(topology, entry)
    fabric = whole.fabric()
    with pytest.raises(InputError, match=why):
        cuts(whole, fabric)
    (result,) = run(whole)
    assert "cross_check_rel_error" not in result.metrics
    assert any(note.startswith("the cross-check is void: ") for note in result.notes)
