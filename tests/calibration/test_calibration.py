"""Links fitted to logs: numbers that made a log come out of it again, and what cannot be is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import fabricsim as fs
from fabricsim.calibration import Calibration, calibrate, overlay_text
from fabricsim.calibration.fit import with_link
from fabricsim.calibration.measurement import Measurement, measured
from fabricsim.cli import app
from fabricsim.errors import InputError, UsageError
from fabricsim.fabric import Fabric
from fabricsim.formats.deepep_log import read_times
from fabricsim.formats.ping_pong import read_pairs
from fabricsim.report.nccl import nccl_table

LATENCY, EFFICIENCY = 0.9e-6, 0.82
SIZES = [2**power for power in range(10, 29, 3)]


@pytest.fixture(scope="module")
def machine() -> Fabric:
    return fs.load_topology("hgx-h100")


@pytest.fixture(scope="module")
def lab(machine: Fabric) -> Fabric:
    """The machine as it 'really' is."""
    return with_link(machine, "nvlink4", LATENCY, EFFICIENCY)


def log_of(
    lab: Fabric, kind: str, algorithm: str, *, sizes: list[int] = SIZES, named: bool = True
) -> Measurement:
    plain = Measurement(f"{kind} by {algorithm}", kind, tuple(range(8)), tuple(sizes), (), algorithm)
    rows = [(size, plain.simulated(lab, algorithm, size)) for size in sizes]
    return measured(plain.source, kind, plain.ranks, rows, algorithm if named else None)


# -- what made a log comes out of it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("all-reduce", "ring"),
        ("all-reduce", "halving-doubling"),
        ("all-to-all", "direct"),
        ("all-gather", "ring"),
    ],
)
def test_latency_and_efficiency_come_back(machine: Fabric, lab: Fabric, kind: str, algorithm: str) -> None:
    found = calibrate([log_of(lab, kind, algorithm)], machine)
    latency, efficiency = found.links["nvlink4"]
    assert latency == pytest.approx(LATENCY, rel=1e-3)
    assert efficiency == pytest.approx(EFFICIENCY, rel=1e-3)
    (fit,) = found.chosen
    assert fit.held_error is not None
    assert fit.held_error < 1e-3
    assert fit.wire_rate == 18 * 25_000_000_000
    assert fit.rate == pytest.approx(EFFICIENCY * fit.wire_rate, rel=1e-3)


def test_alpha_is_that_of_a_step(machine: Fabric, lab: Fabric) -> None:
    """A step of a ring crosses two links and a switch; the bytes of the least size take next to nothing."""
    (fit,) = calibrate([log_of(lab, "all-reduce", "ring")], machine).chosen
    switch = next(g.device.delay for g in machine.groups if g.device.kind == "switch")
    assert fit.alpha == pytest.approx(2 * LATENCY + switch, rel=0.01)


def test_logs_of_one_class_share_its_numbers_and_noise_evens_out(machine: Fabric, lab: Fabric) -> None:
    noise = np.random.default_rng(5)
    logs = []
    for log in (log_of(lab, "all-reduce", "ring"), log_of(lab, "all-gather", "direct")):
        times = np.array(log.times) * (1 + 0.02 * noise.standard_normal(len(log.times)))
        logs.append(
            measured(log.source, log.kind, log.ranks, list(zip(log.sizes, times, strict=True)), log.algorithm)
        )
    found = calibrate(logs, machine)
    assert found.links["nvlink4"] == pytest.approx((LATENCY, EFFICIENCY), rel=0.05)
    assert len(found.chosen) == 2
    assert all(fit.held_error is not None and 0 < fit.held_error < 0.05 for fit in found.chosen)


def test_inner_links_are_fitted_before_those_whose_paths_cross_them(lab: Fabric) -> None:
    machine = fs.load_topology("hgx-h100-rail", servers=2)
    real = with_link(with_link(machine, "nvlink4", LATENCY, EFFICIENCY), "cx7-400g", 2e-6, 0.9)
    logs = []
    for kind, algorithm, ranks in (
        ("send-recv", "direct", range(4)),
        ("all-reduce", "ring", range(16)),
    ):
        plain = Measurement(f"log of {len(ranks)}", kind, tuple(ranks), tuple(SIZES[::2]), (), algorithm)
        rows = [(size, plain.simulated(real, algorithm, size)) for size in plain.sizes]
        logs.append(measured(plain.source, kind, plain.ranks, rows, algorithm))
    found = calibrate(logs[::-1], machine)
    assert list(found.links) == ["nvlink4", "cx7-400g"]
    assert found.links["nvlink4"] == pytest.approx((LATENCY, EFFICIENCY), rel=1e-3)
    assert found.links["cx7-400g"] == pytest.approx((2e-6, 0.9), rel=2e-3)


# -- algorithms that nobody states ---------------------------------------------------------------------------


def test_an_unknown_algorithm_means_all_are_run_and_shown(machine: Fabric, lab: Fabric) -> None:
    found = calibrate([log_of(lab, "all-reduce", "ring", named=False)], machine)
    tried = {fit.algorithm for fit in found.fits} | {name for _, name, _ in found.misfits}
    assert tried == set(fs.collectives.ALGORITHMS["all-reduce"])
    assert [fit.algorithm for fit in found.chosen] == ["ring"]
    assert found.links["nvlink4"] == pytest.approx((LATENCY, EFFICIENCY), rel=1e-3)
    rejected = {fit.algorithm: fit.rejected for fit in found.fits if fit.rejected}
    assert "above the wire's 450 GB/s" in rejected["recursive-doubling"]


def test_numbers_outside_the_physical_range_are_refused(machine: Fabric, lab: Fabric) -> None:
    log = log_of(lab, "all-reduce", "ring")
    fast = measured(
        "fast", log.kind, log.ranks, [(s, t / 2) for s, t in zip(log.sizes, log.times, strict=True)], "ring"
    )
    with pytest.raises(InputError, match=r"fast fits no physical link .*above the wire's 450 GB/s"):
        calibrate([fast], machine)
    early = [(s, max(1e-9, t - log.times[0] * 0.999)) for s, t in zip(log.sizes, log.times, strict=True)]
    with pytest.raises(InputError, match=r"latency of a link would be -.* us, below 0"):
        calibrate([measured("early", log.kind, log.ranks, early, "ring")], machine)


def test_one_size_tells_the_efficiency_only(machine: Fabric) -> None:
    slow = with_link(machine, "nvlink4", None, EFFICIENCY)
    found = calibrate([log_of(slow, "all-reduce", "ring", sizes=[2**28])], machine)
    assert found.links["nvlink4"][1] == pytest.approx(EFFICIENCY, rel=1e-3)
    assert found.kept == {"nvlink4"}
    assert "latency" not in overlay_text(found).partition("evidence")[0]
    assert found.chosen[0].held_error is None


# -- files -----------------------------------------------------------------------------------------------------


def folder_of(lab: Fabric, folder: Path) -> Path:
    """Write what an all-reduce and an all-gather did as the logs of nccl-tests."""
    logs = folder / "logs"
    logs.mkdir()
    for make in (fs.all_reduce, fs.all_gather):
        results = [fs.simulate(lab, make(f"{size} B", algorithm="ring"), engine="flow") for size in SIZES]
        head = "".join(f"#  Rank {rank:2} Group  0 Pid 1 on host device {rank}\n" for rank in range(8))
        (logs / f"{make.__name__}.txt").write_text(head + (nccl_table(results) or ""), encoding="utf-8")
    return logs


def test_the_command_writes_an_overlay_that_reproduces_the_logs(lab: Fabric, tmp_path: Path) -> None:
    logs, overlay = folder_of(lab, tmp_path), tmp_path / "lab.overlay.yaml"
    words = ["calibrate", str(logs), "--topology", "hgx-h100", "--algorithm", "ring", "-o", str(overlay)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "held-out error" in done.stdout
    calibrated = fs.load_topology(["hgx-h100", str(overlay)])
    for size in ("6 MiB", "100 MiB"):  # sizes that no log has
        said, true = (
            fs.simulate(fabric, fs.all_reduce(size, algorithm="ring"), engine="flow").metrics[
                "completion_time_s"
            ]
            for fabric in (calibrated, lab)
        )
        assert said == pytest.approx(true, rel=5e-3)
    evidence = {one.key: one for one in calibrated.about.evidence}["links.nvlink4"]
    assert evidence.confidence == "inferred"
    assert "all_reduce.txt" in evidence.source
    assert "all-reduce by ring: alpha" in evidence.note
    assert isinstance(CliRunner().invoke(app, words).exception, UsageError)  # it does not overwrite


def test_the_command_prints_json(lab: Fabric, tmp_path: Path) -> None:
    words = [
        "calibrate",
        str(folder_of(lab, tmp_path)),
        "--topology",
        "hgx-h100",
        "--algorithm",
        "ring",
        "--json",
    ]
    content = json.loads(CliRunner().invoke(app, words).stdout)
    assert content["links"]["nvlink4"]["efficiency"] == pytest.approx(EFFICIENCY, rel=5e-3)
    assert {fit["kind"] for fit in content["chosen"]} == {"all-reduce", "all-gather"}


MANIFEST = """\
schema: fabricsim.calibration/1
topology: hgx-h100
logs:
  - {file: hccl.txt, collective: all-reduce, ranks: 0-7, algorithm: ring}
  - {file: ping.csv}
  - {file: deepep.txt, ranks: 0-7, tokens: 4096, top_k: 8, experts: 256, dispatch: 7168 B, combine: 14336 B}
"""


def manifest(lab: Fabric, folder: Path, text: str = MANIFEST) -> Path:
    log = log_of(lab, "all-reduce", "ring")
    rows = [
        f"{s} | {t * 1e6:.4f} | {s / t / 1e9:.4f} | success"
        for s, t in zip(log.sizes, log.times, strict=True)
    ]
    head = "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:"
    (folder / "hccl.txt").write_text("\n".join([head, *rows]), encoding="utf-8")
    pair = Measurement("pair", "send-recv", (2, 5), tuple(SIZES), (), "direct")
    trips = [f"2,5,{size} B,{2e6 * pair.simulated(lab, 'direct', size):.5f} us" for size in SIZES]
    (folder / "ping.csv").write_text("\n".join(["src,dst,size,round_trip", *trips]), encoding="utf-8")
    experts = {"tokens": 4096, "top_k": 8, "experts": 256}
    both = Measurement("moe", "dispatch + combine", pair.ranks, (1,), (), "direct", (7168, 14336), experts)
    both = Measurement("moe", both.kind, tuple(range(8)), (1,), (), "direct", both.token, experts)
    time = both.simulated(lab, "direct", 1) * 1e6
    (folder / "deepep.txt").write_text(
        "\n".join(
            f"[rank {r}] Dispatch + combine bandwidth: 1 GB/s, avg_t={time:.3f} us, min_t=1 us"
            for r in range(8)
        ),
        encoding="utf-8",
    )
    path = folder / "manifest.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_says_what_logs_do_not(lab: Fabric, tmp_path: Path) -> None:
    found = calibrate(manifest(lab, tmp_path))
    assert isinstance(found, Calibration)
    assert found.links["nvlink4"] == pytest.approx((LATENCY, EFFICIENCY), rel=5e-3)
    assert [fit.measurement.kind for fit in found.chosen] == ["all-reduce", "send-recv", "dispatch + combine"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("collective: all-reduce, ", "", "manifest.yaml:4: logs.0: .*add collective: all-reduce"),
        ("algorithm: ring", "algorithm: rign", "manifest.yaml:4: logs.0.algorithm: 'rign' is no algorithm of"),
        ("ranks: 0-7, a", "ranks: 0-8, a", "manifest.yaml:4: logs.0: .*rank 8"),
        ("top_k: 8, ", "", "manifest.yaml:6: logs.2: .*add top_k to its entry"),
        ("{file: ping.csv}", "{file: pong.csv}", "pong.csv: there is no such file"),
        ("{file: ping.csv}", "{file: ping.csv, rank: 3}", "manifest.yaml:5: logs.1.rank: is not a key here"),
        ("{file: ping.csv}", "{file: ping.csv, link: nvlink3}", "manifest.yaml:5: logs.1.link: .*mean 'nvlink4'"),
        ("topology: hgx-h100", "topology: hgx-h101", "manifest.yaml:2: topology: .*did you mean 'hgx-h100'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_manifest_is_told_with_its_line(
    lab: Fabric, tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert MANIFEST.count(old) == 1
    with pytest.raises(InputError, match=told):
        calibrate(manifest(lab, tmp_path, MANIFEST.replace(old, new)))


def test_a_topology_must_be_named_once(lab: Fabric, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="states topology and logs itself"):
        calibrate(manifest(lab, tmp_path), "hgx-h100")
    with pytest.raises(InputError, match="no topology is named"):
        calibrate([tmp_path / "hccl.txt"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("size,time\n4 KiB,2", "t.csv:2: time: "),
        ("size,time\n4 KiB,2 us,3", "t.csv:2: has not as many cells"),
        ("size,time,tim\n", "t.csv:1: 'tim' is not a column"),
        ("size,time,round_trip\n", "t.csv:1: states time and round_trip"),
        ("src,dst,size,time\n3,3,4 KiB,2 us", "t.csv:2: goes from rank 3 to itself"),
        ("src,dst,size,time\nx,3,4 KiB,2 us", "t.csv:2: src: 'x' is not a rank"),
        ("size,time\n0 B,2 us", "t.csv:2: .*has no bandwidth"),
        ("size,time\n", "t.csv: holds no row"),
    ],
)
def test_a_bad_ping_pong_table_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_pairs(text, "t.csv")


def test_a_round_trip_counts_half() -> None:
    one, two = read_pairs("size,time\n1 KiB,3 us", "a"), read_pairs("size,round_trip\n1 KiB,6 us", "b")
    assert one[0, 1].rows == two[0, 1].rows


def test_deepep_logs_of_both_kinds_are_read() -> None:
    old = "[rank {}] Dispatch bandwidth: 40 GB/s, avg_t={} us | Combine bandwidth: 44 GB/s, avg_t=300.0 us"
    found = read_times("\n".join(old.format(r, t) for r, t in ((0, 100.0), (1, 110.0))), "log")
    assert found == {"dispatch": pytest.approx(105e-6), "combine": pytest.approx(300e-6)}
    new = "EP dispatch: 61 GB/s (SO), 120 GB/s (SU), 163.5 us, 7569408 bytes"
    assert read_times(new, "log") == {"dispatch": pytest.approx(163.5e-6)}
    with pytest.raises(InputError, match="holds no time of a dispatch"):
        read_times("[tuning] Best dispatch (FP8): SMs 24, avg_t=3 us", "log")
