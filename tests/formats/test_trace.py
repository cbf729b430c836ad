import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.formats import perfetto_trace
from fabricsim.formats.trace import EVENT_BYTES
from fabricsim.result import Result


@pytest.fixture(scope="module")
def result() -> Result:
    fabric = fs.load_scenario("ring-first-run").points()[0].fabric()
    return fs.simulate(fabric, [fs.all_to_all("1 MiB"), fs.permutation("64 KiB")])


def test_every_message_is_a_slice_of_its_length(result: Result) -> None:
    slices = [e for e in json.loads(perfetto_trace(result))["traceEvents"] if e["ph"] == "X"]
    flows = result.tables["flows"]
    shown = np.array(sorted((e["pid"], e["ts"], e["dur"], e["args"]["bytes"]) for e in slices))
    columns = (flows["src"], flows["release_s"] * 1e6, flows["latency_s"] * 1e6, flows["bytes"])
    assert shown == pytest.approx(np.array(sorted(zip(*map(np.round, columns, (0, 6, 6, 0)), strict=True))))


def test_slices_of_one_track_never_overlap(result: Result) -> None:
    tracks = defaultdict(list)
    for event in json.loads(perfetto_trace(result))["traceEvents"]:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert len(tracks) > result.plan["operations"][0]["ranks"]  # messages of a rank do overlap
    for spans in tracks.values():
        spans.sort()
        assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(spans))


def test_the_budget_keeps_the_longest_and_says_how_many_are_left_out(result: Result) -> None:
    content = json.loads(perfetto_trace(result, budget=10 * EVENT_BYTES))
    slices = [e for e in content["traceEvents"] if e["ph"] == "X"]
    latency = sorted((result.tables["flows"]["latency_s"] * 1e6).tolist())
    assert sorted(e["dur"] for e in slices) == pytest.approx(latency[-10:])
    assert content["otherData"]["left_out"] == len(latency) - 10


def test_the_counter_holds_every_delivered_byte(result: Result) -> None:
    counters = [e for e in json.loads(perfetto_trace(result))["traceEvents"] if e["ph"] == "C"]
    times = [e["ts"] for e in counters]
    width = times[1] - times[0]
    carried = sum(e["args"]["GB/s"] * 1e9 * width * 1e-6 for e in counters)
    assert carried == pytest.approx(result.metrics["bytes_delivered"], rel=1e-4)
