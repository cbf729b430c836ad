"""Histories of a job against closed forms and against a plain loop that lives through one history at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.reliability import Cause, Checkpoint, Job, expected_goodput, simulate_job

H, D = 3600.0, 86400.0
FREE = Checkpoint(interval=60.0)


def job(*causes: Cause, **fields: object) -> Job:
    return Job(
        **{"npus": 64, "causes": causes or (Cause("npu", 64, 64 * 10 * H, H),), "checkpoint": FREE, **fields}
    )


def within(estimate: object, value: float, tolerance: float) -> bool:
    """Return whether a mean meets a value within a relative tolerance; far wider than its own confidence interval."""
    assert estimate.high - estimate.low < tolerance * abs(value), "too few runs to tell"  # type: ignore[attr-defined]
    return bool(estimate.mean == pytest.approx(value, rel=tolerance))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("mtbf", "published"), [(13.8 * H, 0.9169), (98.5 * H, 0.9875)])
def test_a17_availability(mtbf: float, published: float) -> None:
    """A17: A = MTBF / (MTBF + MTTR), judged on the unavailability; UB-Mesh's two rows (arXiv 2503.20377)."""
    one = job(Cause("any", 1000, 1000 * mtbf, 75 * 60.0))
    assert one.mtbf == pytest.approx(mtbf)
    exact = 1.25 * H / (mtbf + 1.25 * H)
    assert 1 - exact == pytest.approx(published, abs=5e-5)
    # long histories: a short one begins up, and has less of what is measured
    out = simulate_job(one, 4000 * mtbf, runs=60, seed=3)
    assert 1 - out.availability.mean == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("law", [False, True])
def test_the_law_of_the_repair_does_not_matter_to_availability(law: bool) -> None:
    out = simulate_job(job(Cause("any", 1, 10 * H, H, fixed=law)), 20_000 * H, runs=100)
    assert 1 - out.availability.mean == pytest.approx(1 / 11, rel=0.02)


def test_a17_job_mtbf_is_part_mtbf_over_parts() -> None:
    causes = (Cause("a", 10, 1000 * H), Cause("b", 40, 2000 * H))
    assert job(*causes).mtbf == pytest.approx(1 / (10 / (1000 * H) + 40 / (2000 * H)))
    out = simulate_job(job(*causes), 1e6 * H, runs=10)
    assert out.time_between == pytest.approx(job(*causes).mtbf, rel=0.01)
    counts = out.by_cause()
    assert counts["b"].mean / counts["a"].mean == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("interval", [200.0, 1500.0, 10_000.0])
def test_goodput_meets_renewal(interval: float) -> None:
    plan = Checkpoint(interval, save=60.0, load=300.0)
    out = simulate_job(job(Cause("x", 1, 2 * H, 600.0, detect=30.0), checkpoint=plan), 4000 * H, runs=800)
    assert within(out.goodput, expected_goodput(interval, 60.0, 2 * H, 600 + 30 + 300), 0.01)


def test_all_time_is_accounted_for() -> None:
    causes = (Cause("a", 1, 5 * H, H), Cause("b", 1, 7 * H, H, effect="stall"))
    out = simulate_job(job(*causes, checkpoint=Checkpoint(1000.0, 50.0, 100.0)), 90 * D, runs=50)
    total = sum(estimate.mean for estimate in out.shares().values())
    assert total == pytest.approx(1.0, rel=1e-12)
    assert out.up + out.waiting == pytest.approx(np.full(50, 90 * D))


def test_work_done_before_a_stall_can_still_be_lost() -> None:
    """With saves that never come, each restart throws away all work since the last one, stalls between or not."""
    causes = (Cause("restart", 1, 100 * H), Cause("stall", 1, H, 60.0, effect="stall"))
    out = simulate_job(job(*causes, checkpoint=Checkpoint(1e9)), 1000 * H, runs=200)
    stretches = out.up - out.saved
    assert out.lost == pytest.approx(stretches)
    # an exponential history of rate λ keeps only its last stretch: (1 − exp(−λ·up)) / λ in the mean
    kept = (1 - np.exp(-out.up / (100 * H))).mean() * 100 * H
    assert out.saved.mean() == pytest.approx(kept, rel=0.2)


def test_a_slow_part_costs_its_share_of_the_repair() -> None:
    cause = Cause("lane", 1, 10 * H, H, effect="slow", share=0.25, fixed=True)
    out = simulate_job(job(cause), 10_000 * H, runs=50)
    assert out.waiting.max() == 0
    assert 1 - out.goodput.mean == pytest.approx(0.75 / 10, rel=0.02)
    assert out.interruptions.mean == 0


def test_spares_hide_the_repair_until_they_run_out() -> None:
    """One in use and one spare, each repaired by itself: machine repair with two machines, in balance."""
    cause = Cause("npu", 1, 10 * H, 5 * H)
    many = simulate_job(job(cause, reaction="spare", spares=30), 5000 * H, runs=50)
    assert many.waiting.max() == 0
    one = simulate_job(job(cause, reaction="spare", spares=1), 5000 * H, runs=200)
    # λ/μ = 1/2: with p0 = 1, one away has p1 = 1/2, both away p2 = (1/2)²/2, and then nothing runs
    assert within(one.availability, 1.5 / 1.625, 0.01)


def test_a_shrunk_job_runs_on_with_the_rest() -> None:
    cause = Cause("board", 8, 8 * 10 * H, 2 * H, takes=8)
    out = simulate_job(job(cause, reaction="shrink"), 20_000 * H, runs=50)
    assert out.waiting.max() == 0
    # Little: on average rate · repair · takes NPUs are away; the work since the last save of a minute is lost
    away = (1 / (10 * H)) * 2 * H * 8 / 64
    assert out.goodput.mean == pytest.approx(1 - away, rel=0.01)


def test_one_crew_repairs_one_part_after_the_other() -> None:
    causes = (Cause("npu", 1, H, 10 * H, fixed=True),)
    free = simulate_job(job(*causes, reaction="spare", spares=200), 1000 * H, runs=5)
    tight = simulate_job(job(*causes, reaction="spare", spares=20, crews=1), 2000 * H, runs=20)
    assert free.waiting.max() == 0
    # with one crew a spare comes back every 10 h, and the job runs 1 h on each
    assert tight.availability.mean == pytest.approx(0.1, rel=0.12)


def plain_history(one: Job, duration: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return (up, kept work) of one history, second by event: the same rules, in the plainest way."""
    clock = up = kept = phase = unsaved = 0.0
    plan = one.checkpoint
    rates = np.array([cause.rate for cause in one.causes])
    while clock < duration:
        gap = rng.exponential(1 / rates.sum())
        end = min(clock + gap, duration)
        up += end - clock
        left = end - clock
        while left > 1e-12:
            if phase < plan.interval:
                part = min(left, plan.interval - phase)
                kept, unsaved, phase = kept + part, unsaved + part, phase + part
            else:
                part = min(left, plan.interval + plan.save - phase)
                phase += part
            if phase >= plan.interval + plan.save - 1e-9:
                phase = unsaved = 0.0
            left -= part
        clock = end
        if clock >= duration:
            break
        cause = one.causes[rng.choice(len(rates), p=rates / rates.sum())]
        clock += cause.detect + rng.exponential(cause.repair)
        if cause.effect == "restart":
            clock, kept, phase, unsaved = clock + plan.load, kept - unsaved, 0.0, 0.0
    return up, kept


def test_the_vectors_agree_with_a_plain_loop() -> None:
    causes = (Cause("a", 3, 40 * H, H, detect=60.0), Cause("b", 2, 30 * H, 600.0, effect="stall"))
    one = job(*causes, checkpoint=Checkpoint(1800.0, 120.0, 240.0))
    out = simulate_job(one, 30 * D, runs=2000, seed=5)
    rng = np.random.default_rng(11)
    plain = np.array([plain_history(one, 30 * D, rng) for _ in range(400)])
    for ours, theirs in ((out.up, plain[:, 0]), (out.saved, plain[:, 1])):
        error = 4 * math.hypot(ours.std() / math.sqrt(2000), theirs.std() / 20)
        assert abs(ours.mean() - theirs.mean()) < error


def test_same_seed_same_histories() -> None:
    first, again, other = (simulate_job(job(), 90 * D, runs=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.saved, again.saved)
    assert not np.array_equal(first.saved, other.saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"npus": 0}, "npus: 0 NPUs are none"),
        ({"causes": ()}, "causes: nothing fails"),
        ({"reaction": "spar"}, "did you mean 'spare'"),
        ({"reaction": "spare"}, "spares: there is no spare to take"),
        ({"spares": 3}, "takes no spares"),
        ({"crews": 0}, "crews: 0 crews repair nothing"),
        ({"causes": (Cause("a", 1, H), Cause("a", 1, H))}, "causes.1.name: two causes are called 'a'"),
        ({"causes": (Cause("a", 0, H),)}, "causes.0.count: 0 is not above zero"),
        ({"causes": (Cause("a", 1, -H),)}, "causes.0.mtbf"),
        ({"causes": (Cause("a", 1, H, -1.0),)}, "causes.0.repair: a time is negative"),
        ({"causes": (Cause("a", 1, H, effect="sleep"),)}, "causes.0.effect: 'sleep' is not an effect"),
        ({"causes": (Cause("a", 1, H, share=0.5),)}, "causes.0.share"),
        (
            {"causes": (Cause("a", 1, H, takes=9),), "reaction": "spare", "spares": 8},
            "causes.0.takes: a takes 9 NPUs",
        ),
        ({"causes": (Cause("a", 1, H, takes=64),), "reaction": "shrink"}, "cannot shrink to nothing"),
    ],
)
def test_what_cannot_be_meant(change: dict[str, object], said: str) -> None:
    fields = {
        name: getattr(job(), name) for name in ("npus", "causes", "checkpoint", "reaction", "spares", "crews")
    }
    with pytest.raises(InputError) as info:
        Job(**{**fields, **change})
    assert said in str(info.value)


def test_slips_of_scale_are_refused() -> None:
    with pytest.raises(InputError, match="failures fall into the duration"):
        simulate_job(job(), 1e15, runs=10)
    with pytest.raises(InputError, match="have no spread"):
        simulate_job(job(), D, runs=1)
    with pytest.raises(InputError, match="have no failures"):
        simulate_job(job(), 0.0)
    with pytest.raises(InputError, match="interval above zero"):
        Checkpoint(0.0)


def test_more_parts_more_interruptions_less_work() -> None:
    """The claim in its plainest form: the same part, more of them, fixed repair."""
    sizes = (1024, 8192, 65536)
    outs = [
        simulate_job(
            replace(job(), npus=n, causes=(Cause("npu", n, 50_000 * H, H),), checkpoint=Checkpoint(1800, 60, 300)),
            30 * D, runs=50,
        )
        for n in sizes
    ]  # fmt: skip
    goodputs = [out.goodput.mean for out in outs]
    assert goodputs == sorted(goodputs, reverse=True)
    rates = [float(out.events.sum() / out.up.sum()) for out in outs]
    assert [rate / n for rate, n in zip(rates, sizes, strict=True)] == pytest.approx(
        [1 / (50_000 * H)] * 3, rel=0.1
    )
