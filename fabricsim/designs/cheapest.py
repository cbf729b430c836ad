"""The cheapest design that meets its expectations: a space of keys gone through whole, or sampled by Optuna.

A space of lists and whole numbers with no more points than trials is gone through whole, and the answer is then the
optimum. Any other is sampled by the tree-structured Parzen estimator with constraints (Bergstra et al., NeurIPS 2011;
extra `search`), a batch of BATCH designs at a time, so that the same designs are tried whoever runs them.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fabricsim.errors import FabricError, FaultList, InputError, SimulationError, UsageError
from fabricsim.expectations import Quantity, quantity_of
from fabricsim.regression.beside import RunsBeside
from fabricsim.regression.verdicts import Beside, NotJudgedError, Verdict, judge, value_in
from fabricsim.regression.watched import better
from fabricsim.result import Result
from fabricsim.run import run
from fabricsim.scenario import Scenario, entry_names, find
from fabricsim.scenario.search import SearchPart
from fabricsim.scenario.space import Range, parse_range
from fabricsim.sweeps.table import cell
from fabricsim.validation import validate

if TYPE_CHECKING:
    import optuna

BATCH: Final = 8
"""Designs that are tried before what came of them guides the next."""

Values = Mapping[str, Any]
Axis = Range | list[Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trial:
    """One design: what was set, what it came to, and what it misses.

    objectives: the value of each objective (SI), none where it could not be run. misses: the expectations that fail.
    excess: how far it is from meeting them, the sum of relative distances; 0 where it does. error: why there is none.
    """

    values: Values
    objectives: tuple[float, ...] = ()
    misses: tuple[str, ...] = ()
    excess: float = 0.0
    error: str = ""

    @property
    def meets(self) -> bool:
        """Whether it runs and meets every expectation."""
        return not self.error and not self.misses


@dataclass(frozen=True)
class Search:
    """Every design tried, in order. objectives: their names, the first is what is minimised.

    signs: 1 where less of an objective is better, −1 where more is. whole: whether every design of the space was tried.
    """

    name: str
    objectives: tuple[str, ...]
    signs: tuple[int, ...]
    trials: tuple[Trial, ...]
    whole: bool

    @property
    def best(self) -> Trial | None:
        """The design that meets every expectation and has least of the first objective, the earliest of equal ones."""
        return min((t for t in self.trials if t.meets), key=self._rank, default=None)

    @property
    def front(self) -> tuple[Trial, ...]:
        """The designs that no other beats in all objectives at once, by the first; whether or not they meet targets."""
        ranks = {self._rank(t): t for t in reversed(self.trials) if not t.error}
        kept = [rank for rank in ranks if not any(_beats(other, rank) for other in ranks)]
        return tuple(ranks[rank] for rank in sorted(kept))

    @property
    def csv(self) -> str:
        """Every design as CSV: what was set, objectives, what it misses, error."""
        file = io.StringIO()
        keys = list(self.trials[0].values)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", *keys, *self.objectives, "meets", "misses", "error"])
        blank = ("",) * len(self.objectives)
        for index, t in enumerate(self.trials):
            values = [cell(t.values[key]) for key in keys]
            writer.writerow(
                [index, *values, *(t.objectives or blank), int(t.meets), "; ".join(t.misses), t.error]
            )
        return file.getvalue()

    def _rank(self, trial: Trial) -> tuple[float, ...]:
        return tuple(sign * value for sign, value in zip(self.signs, trial.objectives, strict=True))


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def search(
    scenario: Scenario,
    *,
    over: Mapping[str, Any] | None = None,
    minimise: str | None = None,
    against: str | None = None,
    trials: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Search:
    """Return the designs tried in a space, the cheapest that meets the scenario's expectations among them.

    over: key paths with a list of values or a range; minimise, against: metrics or figures of the design, as
    `expect:` names them; trials: how many designs at most. What is not given is as the scenario's `search:` states it.
    executor: any concurrent.futures.Executor, which tries the designs of a batch side by side. Raises InputError for
    what cannot be varied or measured, and where no design can be run; UsageError where the space is too large to go
    through whole and Optuna is not installed.
    """
    part = _stated(scenario, over=over, minimise=minimise, against=against, trials=trials, seed=seed)
    if not scenario.expectations:
        raise UsageError(f"{scenario.name} has no expectation to meet; add one to expect:")
    axes = _axes(scenario, part.over)
    names = [part.minimise, *([part.against] if part.against else [])]
    quantities = tuple(quantity_of(name, entry_names(scenario.parts)) for name in names)
    signs = (1, *(-1 if better(quantity.metric) == "higher" else 1 for quantity in quantities[1:]))
    whole = _points(axes) <= part.trials
    most = int(_points(axes)) if whole else part.trials
    plain = scenario.replace(sweep={}) if scenario.parts.sweep else scenario
    batches = _all(axes) if whole else _guided(axes, part)
    tried: dict[str, Trial] = {}
    try_design = partial(_tried, plain, quantities)
    batch = next(batches, None)
    while batch:
        new = {_key(values): values for values in batch if _key(values) not in tried}
        for key, trial in zip(new, _side_by_side(try_design, list(new.values()), executor), strict=True):
            tried[key] = trial
            if progress:
                progress(len(tried), most)
        batch = _next(batches, [tried[_key(values)] for values in batch])
    if progress:
        progress(most, most)
    if all(trial.error for trial in tried.values()):
        first = next(iter(tried.values()))
        raise InputError(f"no design of the space can be run; the first: {first.error}")
    return Search(scenario.name, tuple(names), signs, tuple(tried.values()), whole)


def _side_by_side(
    try_design: Callable[[Values], Trial], designs: Sequence[Values], executor: Executor | None
) -> Iterator[Trial]:
    if executor is None:
        yield from map(try_design, designs)
        return
    try:
        yield from executor.map(try_design, designs)
    except BrokenExecutor:
        raise SimulationError("a process that tried a design died; is there enough memory?") from None


def _stated(scenario: Scenario, **given: Any) -> SearchPart:
    stated = scenario.parts.search
    changes = {key: value for key, value in given.items() if value is not None}
    if stated is None and "over" not in changes:
        raise UsageError(
            f"{scenario.name} has no search; add one, as in search: {{over: {{topology.taper: [1, 2]}}}}"
        )
    return validate(SearchPart, {**(stated.values() if stated else {}), **changes})


def _axes(scenario: Scenario, over: Mapping[str, Any]) -> dict[str, Axis]:
    faults, axes = FaultList(), dict[str, Axis]()
    for path, entry in over.items():
        with faults.at("search", "over", path):
            find(scenario.data, path)
            axes[path] = list(entry) if isinstance(entry, list) and entry else parse_range(entry)
    if faults.faults:
        error = InputError(faults.faults)
        raise scenario.document.locate(error) if scenario.document.file else error
    return axes


def _points(axes: Mapping[str, Axis]) -> float:
    """Return how many designs a space has, infinitely many where a key has values between whole numbers."""
    return math.prod(len(choices) if (choices := _choices(axis)) else math.inf for axis in axes.values())


def _choices(axis: Axis) -> Sequence[Any]:
    """Return the values of a key where they can be counted, else none."""
    if isinstance(axis, list):
        return axis
    return range(int(axis.low), int(axis.high) + 1) if axis.whole else ()


def _key(values: Values) -> str:
    return repr(sorted(values.items(), key=lambda item: item[0]))


# -- one design --------------------------------------------------------------------------------------------


def _tried(scenario: Scenario, quantities: Sequence[Quantity], values: Values) -> Trial:
    """Run one design; what makes no machine or cannot finish is its outcome, not the end of the search."""
    try:
        point = scenario.replace(**dict(values))
        beside = RunsBeside(point)
        results = run(point)
        objectives = tuple(_value(results, quantity, beside) for quantity in quantities)
    except (FabricError, NotJudgedError) as error:
        return Trial(values, error=str(error))
    missed = [v for v in judge(results, point.expectations, beside) if not v.ok]
    return Trial(values, objectives, tuple(v.text for v in missed), sum(map(_excess, missed)))


def _value(results: Sequence[Result], quantity: Quantity, beside: Beside) -> float:
    return beside.figure(0, quantity.metric) if quantity.of_design else value_in(results[0], quantity)


def _excess(verdict: Verdict) -> float:
    """Return how far a value is from its limit, relative to it; 1 where nothing was judged."""
    if verdict.actual is None or not verdict.limit or not math.isfinite(verdict.actual):
        return 1.0
    return abs(verdict.actual - verdict.limit) / abs(verdict.limit)


# -- which designs -----------------------------------------------------------------------------------------

Batches = Generator[Sequence[Values], list[Trial], None]
"""Designs to try, each batch answered with what came of it."""


def _next(batches: Batches, outcome: Iterable[Trial]) -> Sequence[Values] | None:
    """Return the next batch, after telling what came of the last."""
    try:
        return batches.send(list(outcome))
    except StopIteration:
        return None


def _all(axes: Mapping[str, Axis]) -> Batches:
    """Yield every design of a space, the first key slowest."""
    designs = (
        dict(zip(axes, values, strict=True)) for values in itertools.product(*map(_choices, axes.values()))
    )
    while batch := list(itertools.islice(designs, BATCH)):
        yield batch


def _guided(axes: Mapping[str, Axis], part: SearchPart) -> Batches:
    """Yield designs that what came of those before suggests."""
    study, optuna = _study(part.seed)
    left = part.trials
    while left > 0:
        asked = [study.ask() for _ in range(min(BATCH, left))]
        left -= len(asked)
        outcome = yield [{path: _suggested(ask, path, axis) for path, axis in axes.items()} for ask in asked]
        for ask, trial in zip(asked, outcome, strict=True):
            ask.set_constraint("excess", trial.excess)
            failed = optuna.trial.TrialState.FAIL
            study.tell(
                ask, None if trial.error else trial.objectives[0], state=failed if trial.error else None
            )


def _study(seed: int) -> tuple[optuna.Study, Any]:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "the space has more designs than trials, and to sample it needs Optuna: pip install 'fabricsim[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    return optuna.create_study(sampler=sampler), optuna


def _suggested(ask: optuna.Trial, path: str, axis: Axis) -> Any:
    if isinstance(axis, list):
        return axis[ask.suggest_categorical(path, list(range(len(axis))))]
    if axis.whole:
        return ask.suggest_int(path, int(axis.low), int(axis.high), log=axis.log)
    return axis.at(ask.suggest_float(path, 0.0, 1.0))
