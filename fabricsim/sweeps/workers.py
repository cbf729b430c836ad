"""Who runs the points of a sweep: this process, processes beside it, any executor, a Dask cluster.

Each is a generator of (index, Outcome) in the order in which points get done.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait as wait_for_handles
from typing import Any, Final

from fabricsim.code_version import code_version
from fabricsim.errors import SimulationError, UsageError
from fabricsim.scenario import Scenario
from fabricsim.sweeps.point import Outcome, evaluate, failed

Points = Mapping[int, Scenario]
Outcomes = Iterator[tuple[int, Outcome]]

_IN_FLIGHT: Final = 64
"""Points handed to an executor at a time: enough to keep its workers busy, few enough to hold in memory."""

_BROKE: Final = "the executor broke"
_DASK_SECONDS: Final = 10
"""How long a scheduler has to answer."""


def here(points: Points) -> Outcomes:
    """Run points one after another in this process."""
    for index, point in points.items():
        yield index, evaluate(point, code_version())


def on_processes(points: Points, workers: int) -> Outcomes:
    """Run points on processes of this machine.

    A process that dies takes those beside it along. The points that were under way are then run again, each on
    a process of its own, so that the one it died of is found, and has that as its outcome.
    """
    left = dict(points)
    while left:
        suspects: list[int] = []
        with process_pool(workers) as pool:
            for index, outcome in _on(pool, dict(left), 2 * workers):
                if outcome is None:
                    suspects.append(index)
                    continue
                del left[index]
                yield index, outcome
        for index in suspects:
            with process_pool(1) as pool:
                ((_, outcome),) = _on(pool, {index: left.pop(index)}, 1)
            yield index, outcome or failed("its process died; is there enough memory?", lasting=False)


def on_executor(points: Points, executor: Executor) -> Outcomes:
    """Run points on any concurrent.futures.Executor, which stays open."""
    left = dict(points)
    for index, outcome in _on(executor, points, _IN_FLIGHT):
        del left[index]
        yield index, outcome or failed(_BROKE, lasting=False)
    for index in left:
        yield index, failed(_BROKE, lasting=False)


@contextmanager
def dask_executor(address: str) -> Generator[Executor]:
    """Connect to a Dask scheduler and give its executor.

    Raises UsageError where Dask is not installed or the address is none, SimulationError where nobody answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("a sweep on Dask needs its package: pip install 'fabricsim[dask]'") from None
    try:
        client: Any = Client(address, timeout=_DASK_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError):
        raise SimulationError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler`"
        ) from None
    except ValueError as error:
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler, such as tcp://10.0.0.1:8786: {error}"
        ) from None
    with client:
        # not pure: the same point sent again, after a failure of a machine, is to be run again
        yield client.get_executor(pure=False)


def _on(executor: Executor, points: Points, in_flight: int) -> Iterator[tuple[int, Outcome | None]]:
    """Yield the outcome of each point, None where the executor broke under it; then it gets no more of them."""
    waiting = iter(points.items())
    running: dict[Future[Outcome], int] = {}
    broken = False
    while True:
        try:
            for index, point in islice(waiting, 0 if broken else in_flight - len(running)):
                running[executor.submit(evaluate, point, code_version())] = index
        except BrokenExecutor:
            broken = True
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            index = running.pop(future)
            outcome = _outcome(future)
            broken = broken or outcome is None
            yield index, outcome


def _outcome(future: Future[Outcome]) -> Outcome | None:
    if future.cancelled():
        return failed("it was cancelled", lasting=False)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenExecutor):
        return None
    return failed(f"{type(error).__name__}: {error}", lasting=False)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return processes of this machine as an executor; they end when this one does, however it ends."""
    # not forked from here: a fork copies the locks of threads that it does not copy
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([evaluate.__module__])  # what all workers import is imported once
    return ProcessPoolExecutor(workers, context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Have this process end when the one that started it is gone, which a killed one cannot ask for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.sentinel,), daemon=True).start()


def _wait_for(sentinel: int) -> None:
    wait_for_handles([sentinel])
    os._exit(1)
