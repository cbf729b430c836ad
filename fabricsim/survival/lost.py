"""Every part lost, one of each class; and draws of several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.failures.elements import Elements, elements
from fabricsim.job import Job
from fabricsim.random_streams import generator
from fabricsim.result import Result, digest_of
from fabricsim.scenario import Scenario
from fabricsim.survival.alike import words_of
from fabricsim.survival.losing import Losing, quantity_to_compare
from fabricsim.survival.value import Draw, Loss, PartClass, Question, Survival

IntArray = NDArray[np.int64]
MOST_CLASSES: Final = 1000
"""Classes of parts: each is a run or two."""
SAME: Final = 1e-9
"""How far what two parts keep may be apart for them to count as alike."""


def survived(
    result: Result, scenario: Scenario, job: Job, question: Question, measure: Callable[[Job], Result]
) -> Result:
    """Return a healthy result with what losing parts of the machine leaves: metrics, tables, notes."""
    found = survey(scenario, job, question, measure)
    columns = [column for table in found.tables.values() for column in table.columns.values()]
    return replace(
        result,
        metrics={**result.metrics, **found.metrics},
        tables={**result.tables, **found.tables},
        notes=(*result.notes, *notes_of(found)),
        digest=digest_of([result.digest, *columns]),
    )


def survey(scenario: Scenario, job: Job, question: Question, measure: Callable[[Job], Result]) -> Survival:
    """Return what losing each part, and draws of several, leaves.

    measure: what runs a job. Raises InputError, keyed below `survive`, for parts that the machine does not have, for
    failures that are not there from the beginning, for a served model or several jobs, or for more classes of parts
    than can be run.
    """
    if len(job.failures) and not job.failures.avoided:
        what = "parts are lost beside failures that are there from 0 s on for good, and known"
        raise InputError([Fault(what, "write at: 0 s, and recovery: {reroute: recompute}", ("failures",))])
    if job.serving is not None or job.schedule.tenants:
        what = "parts are lost under collectives, patterns and training steps of one job"
        raise InputError([Fault(what, "survive needs a workload of these alone", ("survive",))])
    losing = Losing(scenario, job, quantity_to_compare(scenario, question.metric), measure)
    kinds = _kinds(job, question)
    classes = [entry for kind in kinds for entry in _classes(kind, losing)]
    if len(classes) > MOST_CLASSES:
        what = f"the parts are of {len(classes):,} classes, each of which is run"
        raise InputError([Fault(what, f"name kinds with up to {MOST_CLASSES:,}", ("survive", "parts"))])
    found = tuple(_lost(kind, members, losing, question) for kind, members in classes)
    return Survival(question, losing.healthy, found, tuple(_draws(kinds, losing, question)))


def _kinds(job: Job, question: Question) -> list[Elements]:
    faults, kinds = FaultList(), []
    for index, kind in enumerate(question.parts):
        with faults.at("survive", "parts", index):
            kinds.append(elements(job.fabric, kind))
    faults.raise_if_any()
    return kinds


def _classes(kind: Elements, losing: Losing) -> Iterator[tuple[Elements, IntArray]]:
    """Yield the parts of a kind that are alike, ascending, by the first of each class."""
    links, colours = words_of(losing.job.fabric, losing.job.schedule, losing.fabric_links)
    key = kind.key(links, colours)
    _, first, member = np.unique(
        np.stack([kind.sort.astype(np.uint64), key]), axis=1, return_index=True, return_inverse=True
    )
    order = np.argsort(member.reshape(-1), kind="stable")
    ends = np.searchsorted(member.reshape(-1)[order], np.arange(len(first) + 1))
    groups = [order[a:b] for a, b in pairwise(ends.tolist())]
    for place in np.argsort(first).tolist():
        yield kind, groups[place]


def _lost(kind: Elements, members: IntArray, losing: Losing, question: Question) -> PartClass:
    """Lose the first and the last of a class, and where they differ some more, drawn."""
    chosen = np.unique(members[[0, -1]])
    losses = [losing.loss(kind.links(int(index))) for index in chosen]
    if len(members) > 2 and _differ(losses):
        random = generator(losing.job.seed, f"survive/{kind.kind}/{members[0]}")
        rest = members[1:-1]
        more = random.choice(rest, min(len(rest), max(0, question.members - 2)), replace=False)
        losses += [losing.loss(kind.links(int(index))) for index in np.sort(more)]
    level, record = kind.sorts[int(kind.sort[members[0]])]
    return PartClass(kind.kind, level, record, kind.name(int(members[0])), len(members), tuple(losses))


def _differ(losses: list[Loss]) -> bool:
    kept = [loss.kept for loss in losses]
    return max(kept) - min(kept) > SAME


def _draws(kinds: list[Elements], losing: Losing, question: Question) -> Iterator[Draw]:
    """Yield draws of several parts, each part of every kind as likely as any other."""
    starts = np.cumsum([0, *(len(kind) for kind in kinds)])
    for faults in sorted(set(question.faults)):
        if faults > starts[-1]:
            what = f"{faults} parts cannot be lost of {starts[-1]}"
            raise InputError([Fault(what, "write fewer", ("survive", "faults"))])
        random = generator(losing.job.seed, f"survive/{faults}")
        for _ in range(question.samples):
            places = np.sort(random.choice(int(starts[-1]), faults, replace=False))
            which = np.searchsorted(starts, places, side="right") - 1
            parts = [
                (kinds[k], int(place - starts[k])) for k, place in zip(which.tolist(), places, strict=True)
            ]
            links = np.unique(np.concatenate([kind.links(index) for kind, index in parts]))
            yield Draw(tuple(kind.name(index) for kind, index in parts), losing.loss(links))


def notes_of(found: Survival) -> Iterator[str]:
    """Yield how much was simulated, where parts that look alike are not, and why the job stops where it does."""
    parts = sum(one.count for one in found.classes)
    runs = sum(len(one.losses) for one in found.classes) + len(found.draws)
    yield f"{parts:,} parts are {len(found.classes)} classes; {runs} losses were simulated, with routes around them"
    for one in found.classes:
        if _differ(list(one.losses)):
            some = "all" if len(one.losses) == one.count else f"{len(one.losses)} of them, drawn,"
            yield f"the {one.count:,} of {one.label} are not alike: {some} were simulated, and the worst counts"
    for one in found.classes:
        if one.worst.stops:
            yield f"{one.label}: without {one.example} the workload stops: {one.worst.stops}"
