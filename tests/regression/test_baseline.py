"""Baseline files: what they hold, that they read back, and every way in which one can be wrong."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fabricsim.errors import InputError, SimulationError
from fabricsim.metrics import METRICS
from fabricsim.regression import compare, make_baseline, read_baseline, write_baseline
from fabricsim.regression.baseline import SCHEMA, baseline_text
from fabricsim.result import Result
from fabricsim.run import run
from fabricsim.scenario import parse_scenario

RING = """schema: fabricsim/1
name: ring
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
workload:
  - {name: ar, collective: all-reduce, algorithm: ring, size: 64 KiB}
sweep: {workload.ar.size: [64 KiB, 1 MiB]}
"""


@pytest.fixture(scope="module")
def sweep() -> list[Result]:
    return run(parse_scenario(RING))


@pytest.fixture
def path(tmp_path: Path, sweep: list[Result]) -> Path:
    path = tmp_path / "ring.baseline.json"
    write_baseline(path, make_baseline(sweep, "first"))
    return path


def edited(path: Path, change) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1))
    return path


def test_a_baseline_reads_back_as_it_was(path: Path, sweep: list[Result]) -> None:
    read = read_baseline(path)
    assert read == make_baseline(sweep, "first")
    assert baseline_text(read) == path.read_text()
    assert [point.label for point in read.points] == [
        "workload.ar.size = 64 KiB",
        "workload.ar.size = 1 MiB",
    ]


def test_a_baseline_is_sorted_json_with_a_line_for_each_number(path: Path) -> None:
    text = path.read_text()
    assert text == baseline_text(read_baseline(path))
    for point in json.loads(text)["points"]:
        assert list(point) == sorted(point)
        assert list(point["metrics"]) == sorted(point["metrics"])
        for metric, held in point["metrics"].items():
            line = f'"{metric}": {json.dumps(held, sort_keys=True)}'
            assert any(row.strip().rstrip(",") == line for row in text.splitlines())


def test_whole_numbers_stay_whole_and_are_held_exactly(path: Path, sweep: list[Result]) -> None:
    held = read_baseline(path).points[0].metrics
    assert held["packet_hops"].value == sweep[0].metrics["packet_hops"]
    assert isinstance(held["packet_hops"].value, int)
    assert held["packet_hops"].allowed == held["bytes_delivered"].allowed == 0
    assert held["completion_time_s"].allowed == pytest.approx(0.01 * sweep[0].metrics["completion_time_s"])


def test_what_is_true_or_false_is_held_as_a_number(tmp_path: Path, sweep: list[Result]) -> None:
    piled_up = replace(sweep[0], metrics={**sweep[0].metrics, "saturated": True})
    write_baseline(tmp_path / "x.baseline.json", make_baseline([piled_up], "first"))
    held = read_baseline(tmp_path / "x.baseline.json")
    assert held.points[0].metrics["saturated"].value == 1
    assert not compare(held, [piled_up]).differs


def test_what_it_came_from_is_recorded(path: Path, sweep: list[Result]) -> None:
    first, second = (point.origin for point in read_baseline(path).points)
    assert first.topology == second.topology == sweep[0].provenance["topology"]
    assert first.scenario != second.scenario
    assert (first.engine, first.kernel) == (sweep[0].engine, sweep[0].kernel)
    assert first.code == sweep[0].provenance["code"]
    assert all(len(text) == 64 for text in (first.topology, first.scenario, first.code))


def test_an_update_keeps_tolerances_and_what_was_taken_out(path: Path, sweep: list[Result]) -> None:
    def loosen(content):
        content["points"][0]["metrics"]["completion_time_s"] |= {"rel": 0.2, "abs": 1e-6, "value": 1.0}
        del content["points"][0]["metrics"]["packets"]

    before = read_baseline(edited(path, loosen))
    after = make_baseline(sweep, "again", before)
    held = after.points[0].metrics["completion_time_s"]
    assert (held.rel, held.abs, held.value) == (0.2, 1e-6, sweep[0].metrics["completion_time_s"])
    assert "packets" not in after.points[0].metrics
    assert "packets" in after.points[1].metrics


def test_the_larger_tolerance_counts(path: Path, sweep: list[Result]) -> None:
    time = sweep[0].metrics["completion_time_s"]

    def move(content):
        content["points"][0]["metrics"]["completion_time_s"] |= {"value": time * 0.95}

    assert [change.metric for change in compare(read_baseline(edited(path, move)), sweep).lost] == [
        "completion_time_s"
    ]

    def loosen(content):
        content["points"][0]["metrics"]["completion_time_s"] |= {"abs": time * 0.06}

    assert not compare(read_baseline(edited(path, loosen)), sweep).lost


def set_in(content, *keys_and_value):
    *keys, last, value = keys_and_value
    for key in keys:
        content = content[key]
    content[last] = value


METRIC = ("points", 0, "metrics", "completion_time_s")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("schema", "fabricsim.baseline/9"), "'fabricsim.baseline/9' is not a baseline that this version reads"),
        (("schema", "fabricsim.result/1"), "check --update"),
        ((*METRIC, "rel", -0.1), "-0.1 is too small; write a number of at least 0"),
        ((*METRIC, "abs", -1), "-1 is too small; write a number of at least 0"),
        ((*METRIC, "rel", "1 %"), "'1 %' is not a number"),
        ((*METRIC, "value", "fast"), "'fast' is not a number"),
        ((*METRIC, "value", True), "true is not a number"),
        ((*METRIC, "tolerance", 1), "is not a key here"),
        (("points", 0, "metrics", "ar.busbandwidth_Bps", {"value": 1, "rel": 0}), "unknown metric"),
        (("points", 0, "metrics", "completion_tme_s", {"value": 1, "rel": 0}), "did you mean 'completion_time_s'"),
        (("points", 0, "metrics", "packets", 5), "is not a mapping"),
        (("reason", 5), "5 is not text"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_baseline_is_said_with_its_line(path: Path, change: tuple, words: str) -> None:
    edited(path, lambda content: set_in(content, *change))
    with pytest.raises(InputError) as caught:
        read_baseline(path)
    message = str(caught.value)
    assert words in message
    line = int(message.removeprefix(f"{path}:").partition(":")[0])
    *_, last = [key for key in change[:-1] if isinstance(key, str)]
    assert f'"{last}"' in path.read_text().splitlines()[line - 1]


def test_a_file_that_is_no_baseline(tmp_path: Path) -> None:
    for text in ("", "[]", "null", '{"points": []}', "not: [json]]"):
        (tmp_path / "x.baseline.json").write_text(text)
        with pytest.raises(InputError, match=r"x\.baseline\.json:1"):
            read_baseline(tmp_path / "x.baseline.json")


def test_a_full_disk_leaves_the_baseline_as_it_was(path: Path, sweep: list[Result], monkeypatch) -> None:
    before = path.read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(
        SimulationError, match=r"ring.baseline.json cannot be written: No space left on device"
    ):
        write_baseline(path, make_baseline(sweep, "second"))
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_schema_names_a_version() -> None:
    assert SCHEMA == "fabricsim.baseline/1"


def test_every_metric_is_held_or_derived_on_purpose() -> None:
    from fabricsim.regression import watched

    sets = (watched._DERIVED, watched._LOWER, watched._HIGHER)
    for one in sets:
        for other in sets:
            assert one is other or not one & other
    assert {metric for metric in METRICS if watched.better(metric) == "higher"} <= watched._HIGHER
    assert watched.better("a metric of tomorrow") == "same"
    assert watched.is_watched("a metric of tomorrow")
